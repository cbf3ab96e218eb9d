variable "environment" {
  description = "The last part of the names of tables."
  type        = string
  default     = "prod"
}

variable "name_suffix" {
  description = "The end of all other names: nothing for the one installation of an account, `-dev` for one beside it."
  type        = string
  default     = ""
}

variable "region" {
  type    = string
  default = "us-east-1"
}

variable "aws_profile" {
  description = "A profile of the AWS CLI; none: what the environment says."
  type        = string
  default     = null
}

variable "emulator" {
  description = "Whether this is an emulator on this machine."
  type        = bool
  default     = false
}

variable "protected" {
  description = "Whether tables, files, images and secrets are kept from `destroy`."
  type        = bool
  default     = true
}

variable "packages" {
  description = "A folder with `api.zip`, `authorizer.zip` and `reaper.zip`, as `infrastructure/package` makes it."
  type        = string
}

variable "architecture" {
  description = "What the programs were built for: `arm64` (a fifth cheaper) or `x86_64`."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "There are `arm64` and `x86_64`."
  }
}

variable "function_memory" {
  description = "Megabytes of a function."
  type        = map(number)
  default     = { api = 256, authorizer = 256, reaper = 256 }
}

variable "worker_image" {
  description = "Of the worker, best with its digest; null: `latest` of the repository."
  type        = string
  default     = null
}

variable "worker_cpu" {
  description = "1024 are one processor."
  type        = number
  default     = 512
}

variable "worker_memory" {
  description = "Megabytes."
  type        = number
  default     = 1024
}

variable "worker_disk" {
  description = "Gigabytes for the folders of jobs."
  type        = number
  default     = 20
}

variable "worker_sandbox" {
  description = "What stands around what a job runs: `required`, `preferred` or `off` (docs/WORKER.md)."
  type        = string
  default     = "required"

  validation {
    condition     = contains(["required", "preferred", "off"], var.worker_sandbox)
    error_message = "There are `required`, `preferred` and `off`."
  }
}

variable "workers_max" {
  description = "Workers at once."
  type        = number
  default     = 20
}

variable "worker_roles" {
  description = "ARNs of roles of this account that workers outside of ECS have: they may become the tenant's role, too."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.worker_roles : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "Each is the ARN of one role: arn:aws:iam::123456789012:role/NAME."
  }
}

variable "origins" {
  description = "Pages of which origins may call the API, and fetch files, from a browser."
  type        = list(string)
  default     = []
}

variable "register" {
  description = "Who may make a tenant: `open`, `invite` or `closed`."
  type        = string
  default     = "invite"

  validation {
    condition     = contains(["open", "invite", "closed"], var.register)
    error_message = "There are `open`, `invite` and `closed`."
  }
}

variable "settings" {
  description = "Other variables of the API and of the server, such as `OUTPOST_STRIPE_PRICES`; nothing that is secret."
  type        = map(string)
  default     = {}
}

variable "domain" {
  description = "A name of one's own for the API, with the certificate for it."
  type        = object({ name = string, certificate_arn = string })
  default     = null
}

variable "secrets_layout" {
  description = "How secrets of tenants lie: `ssm` (parameters, for nothing), `bundle` (one secret a tenant) or `per_key` (one each). Chosen once."
  type        = string
  default     = "ssm"

  validation {
    condition     = contains(["ssm", "bundle", "per_key"], var.secrets_layout)
    error_message = "There are `ssm`, `bundle` and `per_key`."
  }
}

variable "secrets_own_key" {
  description = "Whether secrets of tenants are sealed with a key of the installation's own: a dollar a month."
  type        = bool
  default     = true
}

variable "artifact_days" {
  description = "How long what jobs leave is kept."
  type        = number
  default     = 90
}

variable "log_days" {
  description = "How long logs are kept."
  type        = number
  default     = 14
}

variable "alert_email" {
  description = "Who is told when an alarm rings."
  type        = string
  default     = null
}

# What costs while nothing happens. docs/COST.md has the prices.

variable "enable_vpc" {
  description = "A network of one's own, with public subnets: for accounts without a default one."
  type        = bool
  default     = false
}

variable "enable_nat" {
  description = "Workers without addresses of their own, behind a NAT gateway; needs `enable_vpc`."
  type        = bool
  default     = false
}

variable "enable_alb" {
  description = "The API as a server behind a load balancer, beside the functions; needs `enable_vpc`, and `server_certificate_arn` for TLS."
  type        = bool
  default     = false
}

variable "enable_efs" {
  description = "A file system that outlives workers; needs `enable_vpc`."
  type        = bool
  default     = false
}

variable "server_image" {
  description = "Of the server, best with its digest; null: `latest` of its repository."
  type        = string
  default     = null
}

variable "server_certificate_arn" {
  description = "For TLS at the load balancer; null: plain HTTP. The name that it is for goes into `settings`: `OUTPOST_PUBLIC_URL = \"https://NAME\"`."
  type        = string
  default     = null
}

variable "vpc_cidr" {
  type    = string
  default = "10.42.0.0/16"
}
