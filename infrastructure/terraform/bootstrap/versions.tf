# Makes what keeps the state of everything else. Its own state is a local file: run once for each account, and keep it.

terraform {
  required_version = ">= 1.11.0"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }
}

provider "aws" {
  region            = var.region
  profile           = var.aws_profile
  s3_use_path_style = var.emulator

  default_tags {
    tags = { Project = "outpost", ManagedBy = "terraform", Part = "bootstrap" }
  }
}

data "aws_caller_identity" "current" {}

locals {
  bucket = "outpost-terraform-state-${data.aws_caller_identity.current.account_id}"
  table  = "outpost-terraform-locks"
}
