# What was done in a tenant's name. It does not end. `services/aws/tables.json` says what the adapter asks of it; a test compares them.
resource "aws_dynamodb_table" "audit" {
  name                        = var.names.audit
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "user_id"
  range_key                   = "id"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "user_id"
    type = "S"
  }

  attribute {
    name = "id"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  # Encrypted with a key of DynamoDB's own, which costs nothing.
  server_side_encryption {
    enabled = false
  }
}
