# What was used: the counters of a day, and a row for each job that was charged for. `services/aws/tables.json` says what the adapter asks of it; a test compares them.
resource "aws_dynamodb_table" "usage_events" {
  name                        = var.names.usage_events
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "user_id"
  range_key                   = "timestamp"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "user_id"
    type = "S"
  }

  attribute {
    name = "timestamp"
    type = "S"
  }

  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  # Encrypted with a key of DynamoDB's own, which costs nothing.
  server_side_encryption {
    enabled = false
  }
}
