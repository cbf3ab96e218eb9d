variable "name" {
  type = string
}

variable "api_id" {
  type = string
}

variable "region" {
  type = string
}

variable "partition" {
  type = string
}

variable "function_arns" {
  description = "Of functions, by `api` and `authorizer`."
  type        = map(string)
}

variable "role_name" {
  description = "Of the role that the gateway calls them as."
  type        = string
}

variable "logs" {
  type = string
}

variable "log_days" {
  type = number
}

variable "alerts_arn" {
  type = string
}

variable "domain" {
  description = "A name of one's own; null: the one that AWS gives."
  type        = string
}
