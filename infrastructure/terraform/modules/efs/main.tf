# A file system that outlives workers, off unless asked for: folders that are to be there for the next job, too.

variable "name" {
  type = string
}

variable "vpc_id" {
  type = string
}

variable "cidr" {
  type = string
}

variable "subnet_ids" {
  type = list(string)
}

resource "aws_security_group" "this" {
  name        = var.name
  description = "NFS from the network it stands in"
  vpc_id      = var.vpc_id

  ingress {
    description = "NFS"
    from_port   = 2049
    to_port     = 2049
    protocol    = "tcp"
    cidr_blocks = [var.cidr]
  }
}

resource "aws_efs_file_system" "this" {
  creation_token = var.name
  encrypted      = true
  tags           = { Name = var.name }

  lifecycle_policy {
    transition_to_ia = "AFTER_30_DAYS"
  }
}

resource "aws_efs_mount_target" "this" {
  count           = length(var.subnet_ids)
  file_system_id  = aws_efs_file_system.this.id
  subnet_id       = var.subnet_ids[count.index]
  security_groups = [aws_security_group.this.id]
}

resource "aws_efs_access_point" "workspaces" {
  file_system_id = aws_efs_file_system.this.id

  posix_user {
    uid = 10001
    gid = 10001
  }

  root_directory {
    path = "/workspaces"
    creation_info {
      owner_uid   = 10001
      owner_gid   = 10001
      permissions = "0750"
    }
  }
}

output "file_system_id" {
  value = aws_efs_file_system.this.id
}
