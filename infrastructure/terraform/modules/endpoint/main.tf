# Where the API is reached. Apart from what lies behind it, because the functions are told its address: taking the gateway's
# routes away leaves them alone. It is the one module besides the network that others depend on.

variable "name" {
  type = string
}

variable "domain" {
  description = "A name of one's own, with the certificate for it; null: the name that AWS gives."
  type        = object({ name = string, certificate_arn = string })
}

# The API answers browsers' questions about origins itself (`OUTPOST_ORIGINS`): with a list here they would not reach it.
resource "aws_apigatewayv2_api" "this" {
  name          = var.name
  protocol_type = "HTTP"
}

resource "aws_apigatewayv2_domain_name" "own" {
  count       = var.domain == null ? 0 : 1
  domain_name = var.domain.name

  domain_name_configuration {
    certificate_arn = var.domain.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

output "api_id" {
  value = aws_apigatewayv2_api.this.id
}

output "url" {
  value = var.domain == null ? aws_apigatewayv2_api.this.api_endpoint : "https://${var.domain.name}"
}

output "domain" {
  description = "Its name in DNS, if it has one of its own."
  value       = var.domain == null ? null : aws_apigatewayv2_domain_name.own[0].id
}
