output "cluster_arn" {
  value = aws_ecs_cluster.workers.arn
}

output "service_arn" {
  value = aws_ecs_service.worker.id
}

output "task_definition_arn" {
  value = aws_ecs_task_definition.worker.arn
}
