output "kms_key_arn" {
  value = var.own_key ? aws_kms_key.secrets[0].arn : "alias/aws/${var.layout == "ssm" ? "ssm" : "secretsmanager"}"
}

output "policy_arn" {
  value = aws_iam_policy.tenant_secrets.arn
}
