output "stage" {
  value = aws_apigatewayv2_stage.default.name
}
