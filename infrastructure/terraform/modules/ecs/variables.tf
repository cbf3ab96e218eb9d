variable "cluster" {
  type = string
}

variable "service" {
  type = string
}

variable "family" {
  type = string
}

variable "role_name" {
  type = string
}

variable "exec_role_name" {
  type = string
}

variable "policy" {
  description = "What a worker may do, as JSON."
  type        = string
}

variable "exec_policy" {
  type = string
}

variable "image" {
  description = "With its digest, or a tag."
  type        = string
}

variable "environment" {
  type = map(string)
}

variable "sandbox" {
  description = "What stands around what a job runs: `required`, `preferred` or `off`."
  type        = string
}

variable "logs" {
  type = string
}

variable "log_days" {
  type = number
}

variable "region" {
  type = string
}

variable "architecture" {
  description = "`arm64` or `x86_64`."
  type        = string
}

variable "cpu" {
  description = "1024 are one processor."
  type        = number
}

variable "memory" {
  description = "Megabytes."
  type        = number
}

variable "disk" {
  description = "Gigabytes for the folders of jobs; up to 20 cost nothing."
  type        = number
}

variable "lanes" {
  description = "Names of queues by tier."
  type        = map(string)
}

variable "most" {
  description = "Workers at once."
  type        = number
}

variable "jobs_each" {
  description = "Jobs that wait, for each worker."
  type        = number
}

variable "network" {
  description = "Where workers stand; null: the default network of the account."
  type        = object({ vpc_id = string, subnet_ids = list(string), public = bool })
}
