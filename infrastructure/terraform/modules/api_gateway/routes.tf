# From the service's OpenAPI document; a test holds `routes.json` to it. What has no route here is answered by the gateway.

locals {
  routes = jsondecode(file("${path.module}/routes.json"))
}

resource "aws_apigatewayv2_route" "keyed" {
  for_each           = toset(local.routes.keyed)
  api_id             = var.api_id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.api.id}"
  authorization_type = "CUSTOM"
  authorizer_id      = aws_apigatewayv2_authorizer.key.id
}

resource "aws_apigatewayv2_route" "public" {
  for_each  = toset(local.routes.public)
  api_id    = var.api_id
  route_key = each.key
  target    = "integrations/${aws_apigatewayv2_integration.api.id}"
}
