# The front door, its doorkeeper, and what looks every minute for what was lost.

locals {
  timeouts = { api = 29, authorizer = 5, reaper = 60 }
}

resource "aws_iam_role" "this" {
  for_each = var.names
  name     = var.role_names[each.key]
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = var.names
  name     = each.key
  role     = aws_iam_role.this[each.key].id
  policy   = var.policies[each.key]
}

# Made here, so that it has an end and a function without the right to make one.
resource "aws_cloudwatch_log_group" "this" {
  for_each          = var.logs
  name              = each.value
  retention_in_days = var.log_days
}

resource "aws_lambda_function" "this" {
  for_each         = var.names
  function_name    = each.value
  role             = aws_iam_role.this[each.key].arn
  filename         = var.packages[each.key]
  source_code_hash = filebase64sha256(var.packages[each.key])
  handler          = "bootstrap"
  runtime          = "provided.al2023"
  architectures    = [var.architecture]
  memory_size      = var.memory[each.key]
  timeout          = local.timeouts[each.key]

  environment {
    variables = var.environment[each.key]
  }

  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this]
}

# The next minute is the next try. What it asks the queues keeps their metrics awake, too.
resource "aws_lambda_function_event_invoke_config" "reaper" {
  function_name                = aws_lambda_function.this["reaper"].function_name
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
}

resource "aws_cloudwatch_event_rule" "reaper" {
  name                = var.names["reaper"]
  description         = "Looks for what was lost, and sends what is due"
  schedule_expression = "rate(1 minute)"
}

resource "aws_cloudwatch_event_target" "reaper" {
  rule = aws_cloudwatch_event_rule.reaper.name
  arn  = aws_lambda_function.this["reaper"].arn
}

resource "aws_lambda_permission" "reaper" {
  statement_id  = "schedule"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this["reaper"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.reaper.arn
}
