variable "names" {
  type = map(string)
}

variable "deletion_protection" {
  type = bool
}
