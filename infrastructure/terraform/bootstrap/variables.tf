variable "region" {
  description = "Where the state lies."
  type        = string
  default     = "us-east-1"
}

variable "aws_profile" {
  description = "A profile of the AWS CLI; none: what the environment says."
  type        = string
  default     = null
}

variable "emulator" {
  description = "Whether this is an emulator, which ignores conditions of bucket policies and takes a minute for a lifecycle."
  type        = bool
  default     = false
}
