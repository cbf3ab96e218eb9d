# The whole installation. This folder is `prod` itself; those below `environments` are links to these files, each with a state
# and settings of its own. Modules know of each other by names that `module.names` makes, so that each can be planned and
# destroyed alone; what they really need of each other is the address of the API and, where there is one, the network.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

locals {
  account_id = data.aws_caller_identity.current.account_id
  partition  = data.aws_partition.current.partition

  worker_image = coalesce(var.worker_image, "${module.names.repository_url}:latest")
  server_image = coalesce(var.server_image, "${module.names.server_repository_url}:latest")
  network      = var.enable_vpc ? { vpc_id = module.vpc[0].vpc_id, subnet_ids = module.vpc[0].worker_subnet_ids, public = !var.enable_nat } : null

  # Jobs that wait, for each worker: when the API asks for some, and when the alarms do.
  jobs_each = 5

  # What the programs are started with.
  queues = var.emulator ? merge(module.names.lanes, { dlq = module.names.dead }) : module.names.queue_urls
  tables = {
    OUTPOST_ENV           = var.environment
    DYNAMODB_TABLE_PREFIX = "outpost"
    OUTPOST_LOG           = "info"
  }
  shared = merge(local.tables, {
    SQS_QUEUE_FREE       = local.queues["free"]
    SQS_QUEUE_PRO        = local.queues["pro"]
    SQS_QUEUE_ENTERPRISE = local.queues["enterprise"]
    SQS_QUEUE_DLQ        = local.queues["dlq"]
    S3_ARTIFACTS_BUCKET  = module.names.bucket
    SECRETS_PREFIX       = module.names.secrets_prefix
    SECRETS_LAYOUT       = var.secrets_layout
    TENANT_ROLE_ARN      = module.names.role_arns["tenant"]
    }, var.secrets_own_key ? { SECRETS_KMS_KEY_ID = module.names.secrets_key_alias } : {}
  )
  wake = {
    ECS_CLUSTER     = module.names.cluster
    ECS_SERVICE     = module.names.service
    WORKERS_MAX     = tostring(var.workers_max)
    JOBS_PER_WORKER = tostring(local.jobs_each)
  }
  front = merge(local.shared, local.wake, {
    OUTPOST_SECRET   = module.names.api_secret
    OUTPOST_REGISTER = var.register
    }, length(var.origins) == 0 ? {} : { OUTPOST_ORIGINS = join(",", var.origins) },
    var.settings
  )
  worker = merge(local.shared, { OUTPOST_SLOTS = "1" })
}

module "names" {
  source      = "./modules/names"
  environment = var.environment
  suffix      = var.name_suffix
  account_id  = local.account_id
  region      = var.region
  partition   = local.partition
}

module "policies" {
  source      = "./modules/policies"
  tables      = module.names.table_arns
  queues      = module.names.queue_arns
  logs        = module.names.log_arns
  tenant_role = module.names.role_arns["tenant"]
  service     = module.names.service_arn
  tasks       = module.names.task_arns
  repositories = {
    worker = module.names.repository_arn
    server = module.names.server_repository_arn
  }
  layout = var.secrets_layout
  secret = module.names.api_secret_arn
}

module "dynamodb" {
  source              = "./modules/dynamodb"
  names               = module.names.tables
  deletion_protection = var.protected
}

module "secrets" {
  source         = "./modules/secrets"
  account_id     = local.account_id
  region         = var.region
  partition      = local.partition
  own_key        = var.secrets_own_key
  key_alias      = module.names.secrets_key_alias
  role_name      = module.names.roles["tenant"]
  caller_arns    = concat([for who in ["api", "reaper", "worker", "server"] : module.names.role_arns[who]], var.worker_roles)
  secrets_arn    = module.names.secrets_arn
  parameters_arn = module.names.parameters_arn
  layout         = var.secrets_layout
  bucket_arn     = module.names.bucket_arn
  api_secret     = module.names.api_secret
  recovery_days  = var.protected ? 7 : 0
}

module "s3" {
  source        = "./modules/s3"
  bucket        = module.names.bucket
  origins       = var.origins
  days          = var.artifact_days
  emulator      = var.emulator
  force_destroy = !var.protected
}

module "sqs" {
  source = "./modules/sqs"
  lanes  = module.names.lanes
  dead   = module.names.dead
}

module "ecr" {
  source       = "./modules/ecr"
  names        = concat([module.names.repository], var.enable_alb ? [module.names.server] : [])
  force_delete = !var.protected
}

module "endpoint" {
  source = "./modules/endpoint"
  name   = module.names.api
  domain = var.domain
}

module "lambda" {
  source     = "./modules/lambda"
  names      = module.names.functions
  role_names = module.names.roles
  logs       = module.names.function_logs
  log_days   = var.log_days
  policies   = module.policies.json
  packages   = { for key in keys(module.names.functions) : key => "${var.packages}/${key}.zip" }
  environment = {
    api        = merge(local.front, { OUTPOST_PUBLIC_URL = module.endpoint.url })
    authorizer = local.tables
    reaper     = merge(local.shared, local.wake)
  }
  architecture = var.architecture
  memory       = var.function_memory
}

module "api_gateway" {
  source        = "./modules/api_gateway"
  name          = module.names.api
  api_id        = module.endpoint.api_id
  domain        = module.endpoint.domain
  region        = var.region
  partition     = local.partition
  function_arns = { for key in ["api", "authorizer"] : key => module.names.function_arns[key] }
  role_name     = module.names.roles["gateway"]
  logs          = module.names.api_logs
  log_days      = var.log_days
  alerts_arn    = module.names.alerts_arn
}

module "ecs" {
  source         = "./modules/ecs"
  cluster        = module.names.cluster
  service        = module.names.service
  family         = module.names.family
  role_name      = module.names.roles["worker"]
  exec_role_name = module.names.roles["worker_exec"]
  policy         = module.policies.json["worker"]
  exec_policy    = module.policies.json["worker_exec"]
  image          = local.worker_image
  environment    = local.worker
  sandbox        = var.worker_sandbox
  logs           = module.names.worker_logs
  log_days       = var.log_days
  region         = var.region
  architecture   = var.architecture
  cpu            = var.worker_cpu
  memory         = var.worker_memory
  disk           = var.worker_disk
  lanes          = module.names.lanes
  most           = var.workers_max
  jobs_each      = local.jobs_each
  network        = local.network
}

module "monitoring" {
  source    = "./modules/monitoring"
  topic     = module.names.alerts
  email     = var.alert_email
  dashboard = module.names.api
  region    = var.region
  lanes     = module.names.lanes
  dead      = module.names.dead
  functions = module.names.functions
  cluster   = module.names.cluster
  service   = module.names.service
}

module "vpc" {
  count  = var.enable_vpc ? 1 : 0
  source = "./modules/vpc"
  name   = "outpost-${var.environment}"
  region = var.region
  cidr   = var.vpc_cidr
  nat    = var.enable_nat
}

module "alb" {
  count           = var.enable_alb ? 1 : 0
  source          = "./modules/alb"
  name            = module.names.server
  region          = var.region
  cluster         = module.names.cluster
  vpc_id          = module.vpc[0].vpc_id
  subnet_ids      = module.vpc[0].public_subnet_ids
  cidr            = var.vpc_cidr
  certificate_arn = var.server_certificate_arn
  role_name       = module.names.roles["server"]
  exec_role_name  = module.names.roles["server_exec"]
  policy          = module.policies.json["server"]
  exec_policy     = module.policies.json["server_exec"]
  image           = local.server_image
  environment     = local.front
  logs            = module.names.server_logs
  log_days        = var.log_days
  architecture    = var.architecture
}

module "efs" {
  count      = var.enable_efs ? 1 : 0
  source     = "./modules/efs"
  name       = module.names.workspaces
  vpc_id     = module.vpc[0].vpc_id
  cidr       = var.vpc_cidr
  subnet_ids = module.vpc[0].public_subnet_ids
}
