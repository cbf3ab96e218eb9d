variable "account_id" {
  type = string
}

variable "region" {
  type = string
}

variable "partition" {
  type = string
}

variable "own_key" {
  type = bool
}

variable "key_alias" {
  type = string
}

variable "role_name" {
  type = string
}

variable "caller_arns" {
  description = "Roles that may become the tenant's."
  type        = list(string)
}

variable "secrets_arn" {
  description = "All secrets of tenants, as IAM writes it."
  type        = string
}

variable "parameters_arn" {
  description = "All parameters of tenants, as IAM writes it."
  type        = string
}

variable "layout" {
  description = "How secrets of tenants lie: `ssm`, `bundle` or `per_key`."
  type        = string
}

variable "bucket_arn" {
  type = string
}

variable "api_secret" {
  type = string
}

variable "recovery_days" {
  description = "How long a secret that was destroyed can be had back, and its name is taken."
  type        = number
}
