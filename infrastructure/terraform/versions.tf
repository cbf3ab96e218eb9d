terraform {
  # From 1.11 on a value can be written that no state keeps.
  required_version = ">= 1.11.0"
  required_providers {
    aws = {
      source = "hashicorp/aws"
      # The one that the tests apply with.
      version = "5.100.0"
    }
  }
}

provider "aws" {
  region            = var.region
  profile           = var.aws_profile
  s3_use_path_style = var.emulator

  default_tags {
    tags = { Project = "outpost", Environment = var.environment, ManagedBy = "terraform" }
  }
}
