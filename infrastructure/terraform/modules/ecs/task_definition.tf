# What a worker is, and who it is.

locals {
  architectures = { arm64 = "ARM64", x86_64 = "X86_64" }
  assume = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecs-tasks.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role" "worker" {
  name               = var.role_name
  assume_role_policy = local.assume
}

resource "aws_iam_role_policy" "worker" {
  name   = "worker"
  role   = aws_iam_role.worker.id
  policy = var.policy
}

# What ECS does for a task before the task is there.
resource "aws_iam_role" "exec" {
  name               = var.exec_role_name
  assume_role_policy = local.assume
}

resource "aws_iam_role_policy" "exec" {
  name   = "start"
  role   = aws_iam_role.exec.id
  policy = var.exec_policy
}

resource "aws_cloudwatch_log_group" "worker" {
  name              = var.logs
  retention_in_days = var.log_days
}

resource "aws_ecs_task_definition" "worker" {
  family                   = var.family
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.cpu
  memory                   = var.memory
  task_role_arn            = aws_iam_role.worker.arn
  execution_role_arn       = aws_iam_role.exec.arn

  runtime_platform {
    cpu_architecture        = local.architectures[var.architecture]
    operating_system_family = "LINUX"
  }

  dynamic "ephemeral_storage" {
    for_each = var.disk > 20 ? [var.disk] : []
    content {
      size_in_gib = ephemeral_storage.value
    }
  }

  container_definitions = jsonencode([{
    name      = "worker"
    image     = var.image
    essential = true
    # Lost jobs are looked for by the function that does nothing else.
    command = ["outpost-worker", "--aws", "--reap", "0", "--sandbox", var.sandbox]
    # All that Fargate gives after SIGTERM: what runs is handed back by then.
    stopTimeout = 120
    environment = [for name, value in var.environment : { name = name, value = value }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.worker.name
        "awslogs-region"        = var.region
        "awslogs-stream-prefix" = "worker"
      }
    }
  }])
}
