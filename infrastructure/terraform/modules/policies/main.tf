# What each program may do: text from text. A test lists the actions of each, and compares them with what its code calls.

variable "tables" {
  description = "ARNs by `users`, `api_keys`, `jobs`, `usage_events`, `audit`, `idempotency`."
  type        = map(string)
}

variable "queues" {
  description = "ARNs by lane, and `dlq`."
  type        = map(string)
}

variable "logs" {
  description = "ARNs of log streams, by program."
  type        = map(string)
}

variable "tenant_role" {
  type = string
}

variable "service" {
  type = string
}

variable "tasks" {
  type = string
}

variable "repositories" {
  description = "ARNs of images, by program."
  type        = map(string)
}

variable "layout" {
  description = "How secrets of tenants lie: `ssm`, `bundle` or `per_key`."
  type        = string
}

variable "secret" {
  description = "The API's own."
  type        = string
}

locals {
  lanes = [for lane, arn in var.queues : arn if lane != "dlq"]

  # Indexes are asked only where there are some.
  all_tables = flatten([for arn in values(var.tables) : [arn, "${arn}/index/*"]])
  job_tables = flatten([for key, arn in var.tables : [arn, "${arn}/index/*"] if key != "api_keys"])

  rows = {
    for who, tables in { api = local.all_tables, worker = local.job_tables } : who => {
      Sid                    = "Rows"
      Effect                 = "Allow"
      Action = [
        "dynamodb:BatchGetItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
      ]
      Resource = tables
    }
  }

  log = {
    for who, arn in var.logs : who => {
      Sid      = "Log"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = arn
    }
  }

  tenant = {
    Sid      = "FilesAndSecretsOfOneTenant"
    Effect   = "Allow"
    Action   = "sts:AssumeRole"
    Resource = var.tenant_role
  }

  tickets = {
    Sid      = "Tickets"
    Effect   = "Allow"
    Action   = ["sqs:GetQueueAttributes", "sqs:SendMessage"]
    Resource = local.lanes
  }

  dead = {
    Sid      = "DeadTickets"
    Effect   = "Allow"
    Action   = ["sqs:DeleteMessage", "sqs:ReceiveMessage"]
    Resource = var.queues["dlq"]
  }

  wake = {
    Sid      = "Wake"
    Effect   = "Allow"
    Action   = ["ecs:DescribeServices", "ecs:UpdateService"]
    Resource = var.service
  }

  front = [
    local.rows.api,
    {
      Sid      = "AllTenants"
      Effect   = "Allow"
      Action   = "dynamodb:Scan"
      Resource = var.tables["users"]
    },
    local.tickets,
    local.wake,
    local.tenant,
    {
      Sid      = "OwnSecret"
      Effect   = "Allow"
      Action   = "secretsmanager:GetSecretValue"
      Resource = var.secret
    },
  ]

  # AWS cannot limit it to a prefix: names and last characters, no values.
  names = var.layout != "per_key" ? [] : [{
    Sid      = "NamesOfSecrets"
    Effect   = "Allow"
    Action   = "secretsmanager:ListSecrets"
    Resource = "*"
  }]

  statements = {
    api = concat(local.front, local.names, [local.log.api])

    authorizer = [
      {
        Sid      = "Keys"
        Effect   = "Allow"
        Action   = "dynamodb:GetItem"
        Resource = [var.tables["api_keys"], var.tables["users"]]
      },
      local.log.authorizer,
    ]

    reaper = [
      local.rows.api,
      local.tickets,
      local.dead,
      local.wake,
      local.tenant,
      local.log.reaper,
    ]

    # It looks for what was lost, too. Its log is written by ECS.
    server = concat(local.front, local.names, [local.dead])

    worker = [
      local.rows.worker,
      {
        Sid      = "Tickets"
        Effect   = "Allow"
        Action   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage", "sqs:SendMessage"]
        Resource = local.lanes
      },
      local.tenant,
      {
        Sid      = "ProtectItself"
        Effect   = "Allow"
        Action   = "ecs:UpdateTaskProtection"
        Resource = var.tasks
      },
    ]
  }
}

locals {
  # Who starts a container, before anything of ours runs in it.
  starts = {
    for who, repository in var.repositories : "${who}_exec" => [
      {
        Sid      = "Token"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid      = "Image"
        Effect   = "Allow"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = repository
      },
      local.log[who],
    ]
  }
}

output "json" {
  value = { for who, statements in merge(local.statements, local.starts) : who => jsonencode({ Version = "2012-10-17", Statement = statements }) }
}
