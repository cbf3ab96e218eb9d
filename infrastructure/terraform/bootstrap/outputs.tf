output "bucket_name" {
  value = aws_s3_bucket.state.bucket
}

output "bucket_arn" {
  value = aws_s3_bucket.state.arn
}

output "dynamodb_table" {
  value = aws_dynamodb_table.lock.name
}

output "table_arn" {
  value = aws_dynamodb_table.lock.arn
}

output "region" {
  value = var.region
}

output "backend" {
  description = "What `terraform init -backend-config` takes."
  value       = <<-EOT
    bucket         = "${aws_s3_bucket.state.bucket}"
    dynamodb_table = "${aws_dynamodb_table.lock.name}"
    region         = "${var.region}"
  EOT
}
