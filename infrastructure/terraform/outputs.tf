output "dynamodb_table_arns" {
  value = module.dynamodb.table_arns
}

output "secrets_kms_key_arn" {
  value = module.secrets.kms_key_arn
}

output "secrets_prefix" {
  value = module.names.secrets_prefix
}

output "secrets_policy_arn" {
  value = module.secrets.policy_arn
}

output "api_secret" {
  description = "The name of the secret that the API reads."
  value       = module.names.api_secret
}

output "api_gateway_url" {
  value = module.endpoint.url
}

output "api_gateway" {
  value = { api_url = module.endpoint.url, api_id = module.endpoint.api_id, stage = module.api_gateway.stage }
}

output "sqs_queue_urls" {
  value = module.sqs.queue_urls
}

output "ecs" {
  value = {
    cluster_arn         = module.ecs.cluster_arn
    service_arn         = module.ecs.service_arn
    task_definition_arn = module.ecs.task_definition_arn
  }
}

output "ecs_cluster_arn" {
  value = module.ecs.cluster_arn
}

output "ecr_repository_urls" {
  value = module.ecr.repository_urls
}

output "artifacts_bucket" {
  value = module.s3.bucket_name
}

output "worker_environment" {
  description = "What a worker is started with, wherever it stands; where its folders lie is its machine's matter."
  value       = merge(local.worker, { AWS_REGION = var.region })
}

output "worker_policy" {
  description = "What a worker's role has to be allowed, as JSON."
  value       = module.policies.json["worker"]
}

output "alerts_topic_arn" {
  value = module.monitoring.topic_arn
}

output "alb_dns_name" {
  value = one(module.alb[*].dns_name)
}

output "efs_file_system_id" {
  value = one(module.efs[*].file_system_id)
}
