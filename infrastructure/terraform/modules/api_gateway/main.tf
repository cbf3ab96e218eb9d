# The way in: an HTTP API that lets through what has a route, as often as it may come.

locals {
  invoke = {
    for key, arn in var.function_arns :
    key => "arn:${var.partition}:apigateway:${var.region}:lambda:path/2015-03-31/functions/${arn}/invocations"
  }
}

# The gateway calls the functions as this role, so that they need not exist, nor know of it, when it is made.
resource "aws_iam_role" "gateway" {
  name = var.role_name
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "apigateway.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "gateway" {
  name = "functions"
  role = aws_iam_role.gateway.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = "lambda:InvokeFunction"
      Resource = values(var.function_arns)
    }]
  })
}

resource "aws_cloudwatch_log_group" "access" {
  name              = var.logs
  retention_in_days = var.log_days
}

resource "aws_apigatewayv2_stage" "default" {
  api_id      = var.api_id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_burst_limit   = 100
    throttling_rate_limit    = 50
    detailed_metrics_enabled = false
  }

  # No header and no query: keys and links are in them.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      time       = "$context.requestTimeEpoch"
      request_id = "$context.requestId"
      address    = "$context.identity.sourceIp"
      route      = "$context.routeKey"
      tenant     = "$context.authorizer.tenant_id"
      key        = "$context.authorizer.key_id"
      auth       = "$context.authorizer.auth"
      reason     = "$context.authorizer.reason"
      status     = "$context.status"
      took_ms    = "$context.responseLatency"
      bytes      = "$context.responseLength"
      error      = "$context.integrationErrorMessage"
    })
  }
}

# A key comes in one of two headers, and a source that is named has to be there: so none is named, and each request is asked
# about. Nothing is remembered: a key that was revoked opens nothing from the next call on.
resource "aws_apigatewayv2_authorizer" "key" {
  api_id                            = var.api_id
  name                              = "api-key"
  authorizer_type                   = "REQUEST"
  authorizer_uri                    = local.invoke["authorizer"]
  authorizer_credentials_arn        = aws_iam_role.gateway.arn
  authorizer_payload_format_version = "2.0"
  enable_simple_responses           = true
  authorizer_result_ttl_in_seconds  = 0
}

resource "aws_apigatewayv2_integration" "api" {
  api_id                 = var.api_id
  integration_type       = "AWS_PROXY"
  integration_uri        = local.invoke["api"]
  integration_method     = "POST"
  credentials_arn        = aws_iam_role.gateway.arn
  payload_format_version = "2.0"
  timeout_milliseconds   = 29000
}

resource "aws_apigatewayv2_api_mapping" "own" {
  count       = var.domain == null ? 0 : 1
  api_id      = var.api_id
  domain_name = var.domain
  stage       = aws_apigatewayv2_stage.default.id
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${var.name}-5xx"
  alarm_description   = "The API answers with errors of its own"
  namespace           = "AWS/ApiGateway"
  metric_name         = "5xx"
  dimensions          = { ApiId = var.api_id }
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 5
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alerts_arn]
}
