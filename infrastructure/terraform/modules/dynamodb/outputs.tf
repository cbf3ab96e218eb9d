output "table_arns" {
  value = {
    users_table_arn       = aws_dynamodb_table.users.arn
    api_keys_table_arn    = aws_dynamodb_table.api_keys.arn
    jobs_table_arn        = aws_dynamodb_table.jobs.arn
    usage_table_arn       = aws_dynamodb_table.usage_events.arn
    audit_table_arn       = aws_dynamodb_table.audit.arn
    idempotency_table_arn = aws_dynamodb_table.idempotency.arn
  }
}
