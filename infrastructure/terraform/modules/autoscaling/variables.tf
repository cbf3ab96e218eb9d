variable "cluster" {
  type = string
}

variable "service" {
  type = string
}

variable "lanes" {
  description = "Names of queues by tier."
  type        = map(string)
}

variable "most" {
  description = "Workers at once; a step is made for each, of which AWS takes 20."
  type        = number

  validation {
    condition     = var.most >= 1 && var.most <= 20
    error_message = "There are 1 to 20 workers at once."
  }
}

variable "jobs_each" {
  description = "Jobs that wait, for each worker."
  type        = number
}
