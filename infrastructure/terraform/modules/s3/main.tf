# What jobs leave: `{user_id}/{job_id}/…`, for 90 days.

variable "bucket" {
  type = string
}

variable "origins" {
  description = "Pages of which origins a browser may fetch files for."
  type        = list(string)
}

variable "days" {
  type = number
}

variable "emulator" {
  type = bool
}

variable "force_destroy" {
  type = bool
}

resource "aws_s3_bucket" "artifacts" {
  bucket        = var.bucket
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_server_side_encryption_configuration" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "artifacts" {
  bucket                  = aws_s3_bucket.artifacts.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# The emulator keeps to a policy and not to its conditions: this one would lock everybody out.
resource "aws_s3_bucket_policy" "artifacts" {
  count  = var.emulator ? 0 : 1
  bucket = aws_s3_bucket.artifacts.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "OnlyOverTls"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [aws_s3_bucket.artifacts.arn, "${aws_s3_bucket.artifacts.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}

resource "aws_s3_bucket_lifecycle_configuration" "artifacts" {
  bucket = aws_s3_bucket.artifacts.id
  rule {
    id     = "end"
    status = "Enabled"
    filter {}
    expiration {
      days = var.days
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}

resource "aws_s3_bucket_cors_configuration" "artifacts" {
  count  = length(var.origins) == 0 ? 0 : 1
  bucket = aws_s3_bucket.artifacts.id
  cors_rule {
    allowed_methods = ["GET", "HEAD"]
    allowed_origins = var.origins
    allowed_headers = ["*"]
    expose_headers  = ["ETag"]
    max_age_seconds = 3600
  }
}

output "bucket_name" {
  value = aws_s3_bucket.artifacts.bucket
}
