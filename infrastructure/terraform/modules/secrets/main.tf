# Secrets of tenants: `/outpost/tenants/{user_id}/{kind}`, made by the service when a tenant stores one, and none before.
# What is here is the key that seals them, who may reach them, and the one secret that the API itself has.

# A key of one's own costs a dollar a month, another after its first turning and one more after its second; the account's own
# key for Secrets Manager costs nothing and cannot be taken away from anybody who may read the secret.
resource "aws_kms_key" "secrets" {
  count                   = var.own_key ? 1 : 0
  description             = "Secrets of Outpost's tenants"
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "PoliciesOfTheAccountDecide"
      Effect    = "Allow"
      Principal = { AWS = "arn:${var.partition}:iam::${var.account_id}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_kms_alias" "secrets" {
  count         = var.own_key ? 1 : 0
  name          = var.key_alias
  target_key_id = aws_kms_key.secrets[0].key_id
}

# What the API signs with, and a first invitation for who is to register. They go to Secrets Manager and nowhere else: neither a
# plan nor a state has them. Keys of the payment provider are put beside them by hand (docs/DEPLOYMENT.md).

# 64 hexadecimal digits are what is left when all else is left out.
ephemeral "aws_secretsmanager_random_password" "cursor" {
  password_length     = 64
  exclude_punctuation = true
  exclude_uppercase   = true
  exclude_characters  = "ghijklmnopqrstuvwxyz"
}

ephemeral "aws_secretsmanager_random_password" "invitation" {
  password_length     = 32
  exclude_punctuation = true
}

resource "aws_secretsmanager_secret" "api" {
  name                    = var.api_secret
  description             = "OUTPOST_CURSOR_KEY, OUTPOST_INVITATIONS and, where there are any, OUTPOST_STRIPE_KEY, OUTPOST_STRIPE_WEBHOOK_SECRETS"
  recovery_window_in_days = var.recovery_days
}

# Its first value. AWS removes versions without a label, and Terraform would then make a first value again, over what somebody
# put: so this one has a label of its own, which stays with it wherever AWSCURRENT goes.
resource "aws_secretsmanager_secret_version" "api" {
  secret_id = aws_secretsmanager_secret.api.id
  secret_string_wo = jsonencode({
    OUTPOST_CURSOR_KEY  = ephemeral.aws_secretsmanager_random_password.cursor.random_password
    OUTPOST_INVITATIONS = ephemeral.aws_secretsmanager_random_password.invitation.random_password
  })
  secret_string_wo_version = 1
  version_stages           = ["AWSCURRENT", "terraform"]

  lifecycle {
    ignore_changes = [version_stages]
  }
}
