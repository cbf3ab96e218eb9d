# Beside another installation in the same account, and gone without a trace when it is destroyed.
environment     = "dev"
name_suffix     = "-dev"
protected       = false
secrets_own_key = false
register        = "open"
workers_max     = 5
log_days        = 7
packages        = "../../../../target/packages"
