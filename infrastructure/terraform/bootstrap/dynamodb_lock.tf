# A second lock. The bucket's own (`use_lockfile`) would do; this one is taken besides wherever a backend names the table, as the
# output `backend` does, so that who names nothing but the table is kept out, too.
resource "aws_dynamodb_table" "lock" {
  name         = local.table
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "LockID"

  attribute {
    name = "LockID"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled = false
  }
}
