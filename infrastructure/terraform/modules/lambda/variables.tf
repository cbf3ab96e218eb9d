variable "names" {
  description = "Of functions, by `api`, `authorizer` and `reaper`."
  type        = map(string)
}

variable "role_names" {
  type = map(string)
}

variable "logs" {
  description = "Log groups, by function."
  type        = map(string)
}

variable "policies" {
  description = "What each may do, as JSON, by function."
  type        = map(string)
}

variable "packages" {
  description = "Zip files, by function."
  type        = map(string)
}

variable "environment" {
  description = "Variables, by function."
  type        = map(map(string))
}

variable "architecture" {
  description = "`arm64` or `x86_64`."
  type        = string
}

variable "memory" {
  description = "Megabytes, by function."
  type        = map(number)
}

variable "log_days" {
  type = number
}
