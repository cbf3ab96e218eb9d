# Whoever works for a tenant becomes this role, with a session policy that leaves of it what is that tenant's alone.

resource "aws_iam_role" "tenant" {
  name                 = var.role_name
  description          = "Files and secrets of one tenant at a time"
  max_session_duration = 3600

  # The account, narrowed to roles by name: a principal would have to be there before.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { AWS = "arn:${var.partition}:iam::${var.account_id}:root" }
      Action    = "sts:AssumeRole"
      Condition = { ArnEquals = { "aws:PrincipalArn" = var.caller_arns } }
    }]
  })
}

locals {
  # As the adapter calls it in each layout (services/aws/src/tenants.rs).
  secrets = {
    ssm = {
      Action = [
        "ssm:DeleteParameter",
        "ssm:DeleteParameters",
        "ssm:GetParameter",
        "ssm:GetParameters",
        "ssm:GetParametersByPath",
        "ssm:PutParameter",
      ]
      Resource = var.parameters_arn
    }
    bundle = {
      Action = [
        "secretsmanager:CreateSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecretVersionStage",
      ]
      Resource = var.secrets_arn
    }
    per_key = {
      Action = [
        "secretsmanager:CreateSecret",
        "secretsmanager:DeleteSecret",
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetSecretValue",
        "secretsmanager:UpdateSecret",
      ]
      Resource = var.secrets_arn
    }
  }
}

resource "aws_iam_policy" "tenant_secrets" {
  name        = "${var.role_name}-secrets"
  description = "Secrets of tenants, for the roles of the functions and of the worker"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat([{
      Sid      = "Secrets"
      Effect   = "Allow"
      Action   = local.secrets[var.layout].Action
      Resource = local.secrets[var.layout].Resource
      }], [for key in aws_kms_key.secrets : {
      Sid      = "Key"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]
      Resource = key.arn
      Condition = {
        StringEquals = { "kms:ViaService" = ["secretsmanager.${var.region}.amazonaws.com", "ssm.${var.region}.amazonaws.com"] }
      }
    }])
  })
}

resource "aws_iam_role_policy_attachment" "tenant_secrets" {
  role       = aws_iam_role.tenant.name
  policy_arn = aws_iam_policy.tenant_secrets.arn
}

resource "aws_iam_role_policy" "tenant_files" {
  name = "files"
  role = aws_iam_role.tenant.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "Files"
        Effect   = "Allow"
        Action   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = "${var.bucket_arn}/*"
      },
      {
        Sid      = "Listing"
        Effect   = "Allow"
        Action   = "s3:ListBucket"
        Resource = var.bucket_arn
      },
    ]
  })
}
