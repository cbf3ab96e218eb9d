# What everything is called: text from text. It has no resources and reads nothing, so that modules know of each other by
# name, and `terraform destroy -target=module.X` takes X and nothing that stands beside it.

variable "environment" {
  type = string
}

variable "suffix" {
  description = "The end of names that one account has once: nothing for the one installation of an account, `-dev` for one beside it."
  type        = string
}

variable "account_id" {
  type = string
}

variable "region" {
  type = string
}

variable "partition" {
  type = string
}

locals {
  iam  = "arn:${var.partition}:iam::${var.account_id}"
  here = "${var.region}:${var.account_id}"

  tables = {
    users        = "outpost-users-${var.environment}"
    api_keys     = "outpost-api-keys-${var.environment}"
    jobs         = "outpost-jobs-${var.environment}"
    usage_events = "outpost-usage-events-${var.environment}"
    audit        = "outpost-audit-${var.environment}"
    idempotency  = "outpost-idempotency-${var.environment}"
  }
  table_arns = { for key, name in local.tables : key => "arn:${var.partition}:dynamodb:${local.here}:table/${name}" }

  lanes      = { for lane in ["free", "pro", "enterprise"] : lane => "outpost-jobs-${lane}${var.suffix}" }
  dead       = "outpost-jobs-dlq${var.suffix}"
  queue_arns = { for key, name in merge(local.lanes, { dlq = local.dead }) : key => "arn:${var.partition}:sqs:${local.here}:${name}" }

  domain     = var.partition == "aws-cn" ? "amazonaws.com.cn" : "amazonaws.com"
  queue_urls = { for key, name in merge(local.lanes, { dlq = local.dead }) : key => "https://sqs.${var.region}.${local.domain}/${var.account_id}/${name}" }

  bucket         = "outpost-artifacts-${var.account_id}${var.suffix}"
  secrets_prefix = "/outpost${var.suffix}/tenants"
  api_secret     = "/outpost${var.suffix}/platform/api"

  functions     = { for key in ["api", "authorizer", "reaper"] : key => "outpost-${key}${var.suffix}" }
  function_logs = { for key, name in local.functions : key => "/aws/lambda/${name}" }
  function_arns = { for key, name in local.functions : key => "arn:${var.partition}:lambda:${local.here}:function:${name}" }

  roles = {
    api         = "outpost-api${var.suffix}"
    authorizer  = "outpost-authorizer${var.suffix}"
    reaper      = "outpost-reaper${var.suffix}"
    gateway     = "outpost-gateway${var.suffix}"
    worker      = "outpost-worker${var.suffix}"
    worker_exec = "outpost-worker-exec${var.suffix}"
    server      = local.server
    server_exec = "outpost-control-plane-exec${var.suffix}"
    tenant      = "outpost-tenant${var.suffix}"
  }
  role_arns = { for key, name in local.roles : key => "${local.iam}:role/${name}" }

  cluster = "outpost-workers${var.suffix}"
  service = "outpost-worker-service${var.suffix}"
  server  = "outpost-control-plane${var.suffix}"

  worker_logs = "/ecs/outpost-worker${var.suffix}"
  server_logs = "/ecs/${local.server}"

  repository = "outpost-worker${var.suffix}"
  registry   = "${var.account_id}.dkr.ecr.${var.region}.${local.domain}"
}

output "tables" { value = local.tables }
output "table_arns" { value = local.table_arns }
output "lanes" { value = local.lanes }
output "dead" { value = local.dead }
output "queue_arns" { value = local.queue_arns }
output "queue_urls" { value = local.queue_urls }
output "bucket" { value = local.bucket }
output "bucket_arn" { value = "arn:${var.partition}:s3:::${local.bucket}" }
output "secrets_prefix" { value = local.secrets_prefix }
output "secrets_arn" { value = "arn:${var.partition}:secretsmanager:${local.here}:secret:${local.secrets_prefix}/*" }
output "parameters_arn" { value = "arn:${var.partition}:ssm:${local.here}:parameter${local.secrets_prefix}/*" }
output "secrets_key_alias" { value = "alias/outpost-secrets${var.suffix}" }
output "api_secret" { value = local.api_secret }
# Secrets Manager puts six characters of its own behind a name.
output "api_secret_arn" { value = "arn:${var.partition}:secretsmanager:${local.here}:secret:${local.api_secret}-??????" }
output "functions" { value = local.functions }
output "function_arns" { value = local.function_arns }
output "function_logs" { value = local.function_logs }
output "roles" { value = local.roles }
output "role_arns" { value = local.role_arns }
output "api" { value = "outpost-api${var.suffix}" }
output "api_logs" { value = "/aws/apigateway/outpost-api${var.suffix}" }
output "cluster" { value = local.cluster }
output "service" { value = local.service }
output "service_arn" { value = "arn:${var.partition}:ecs:${local.here}:service/${local.cluster}/${local.service}" }
output "task_arns" { value = "arn:${var.partition}:ecs:${local.here}:task/${local.cluster}/*" }
output "family" { value = "outpost-worker${var.suffix}" }
output "worker_logs" { value = local.worker_logs }
output "repository" { value = local.repository }
output "repository_arn" { value = "arn:${var.partition}:ecr:${local.here}:repository/${local.repository}" }
output "repository_url" { value = "${local.registry}/${local.repository}" }
output "server_repository_arn" { value = "arn:${var.partition}:ecr:${local.here}:repository/${local.server}" }
output "server_repository_url" { value = "${local.registry}/${local.server}" }
output "server" { value = local.server }
output "server_logs" { value = local.server_logs }
output "workspaces" { value = "outpost-workspaces-${var.environment}" }
output "alerts" { value = "outpost-alerts${var.suffix}" }
output "alerts_arn" { value = "arn:${var.partition}:sns:${local.here}:outpost-alerts${var.suffix}" }
output "log_arns" {
  value = {
    for key, name in merge(local.function_logs, { worker = local.worker_logs, server = local.server_logs }) :
    key => "arn:${var.partition}:logs:${local.here}:log-group:${name}:*"
  }
}
