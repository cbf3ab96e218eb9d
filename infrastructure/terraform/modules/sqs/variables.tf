variable "lanes" {
  description = "Names of queues by tier."
  type        = map(string)
}

variable "dead" {
  type = string
}
