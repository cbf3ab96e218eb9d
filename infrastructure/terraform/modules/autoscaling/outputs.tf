output "target" {
  value = aws_appautoscaling_target.worker.resource_id
}
