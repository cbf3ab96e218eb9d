# What `prod` has, on an emulator of this machine, and gone when it is destroyed.
environment = "emulator"
emulator    = true
protected   = false
packages    = "../../../../target/packages"
