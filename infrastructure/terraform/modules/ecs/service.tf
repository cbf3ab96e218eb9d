# How many of them there are: none, until the API asks for some, or a queue does.

data "aws_vpc" "default" {
  count   = var.network == null ? 1 : 0
  default = true
}

data "aws_subnets" "default" {
  count = var.network == null ? 1 : 0
  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.default[0].id]
  }
}

locals {
  network = var.network != null ? var.network : {
    vpc_id     = data.aws_vpc.default[0].id
    subnet_ids = data.aws_subnets.default[0].ids
    public     = true
  }
}

# Nothing comes in, and what goes out goes over TLS: an address of its own costs half a cent an hour while a worker runs, a
# NAT gateway 33 dollars a month while none does.
resource "aws_security_group" "worker" {
  name        = var.family
  description = "Workers: out over TLS, nothing in"
  vpc_id      = local.network.vpc_id

  egress {
    description = "AWS, models, repositories"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_ecs_service" "worker" {
  name                  = var.service
  cluster               = aws_ecs_cluster.workers.id
  task_definition       = aws_ecs_task_definition.worker.arn
  desired_count         = 0
  wait_for_steady_state = false
  propagate_tags        = "SERVICE"

  capacity_provider_strategy {
    capacity_provider = "FARGATE_SPOT"
    weight            = 7
  }

  capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 3
  }

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = local.network.subnet_ids
    security_groups  = [aws_security_group.worker.id]
    assign_public_ip = local.network.public
  }

  # How many are wanted is for the API and for the alarms to say.
  lifecycle {
    ignore_changes = [desired_count]
  }

  depends_on = [aws_ecs_cluster_capacity_providers.workers, aws_iam_role_policy.worker, aws_iam_role_policy.exec]
}

# Rules for a service end with it: they belong to this module, so that taking it away takes nothing else.
module "autoscaling" {
  source    = "../autoscaling"
  cluster   = aws_ecs_cluster.workers.name
  service   = aws_ecs_service.worker.name
  lanes     = var.lanes
  most      = var.most
  jobs_each = var.jobs_each
}
