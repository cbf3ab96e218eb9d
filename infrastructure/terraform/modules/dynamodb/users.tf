# Tenants, what they may do, and what they did with it. `services/aws/tables.json` says what the adapter asks of it; a test compares them.
resource "aws_dynamodb_table" "users" {
  name                        = var.names.users
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "user_id"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "user_id"
    type = "S"
  }

  attribute {
    name = "stripe_customer_id"
    type = "S"
  }

  global_secondary_index {
    name            = "stripe_customer_id-index"
    hash_key        = "stripe_customer_id"
    projection_type = "KEYS_ONLY"
  }

  point_in_time_recovery {
    enabled = true
  }

  # Encrypted with a key of DynamoDB's own, which costs nothing.
  server_side_encryption {
    enabled = false
  }
}
