# The API as a server behind a load balancer, off unless asked for: about 35 dollars a month while nobody comes. It can keep
# answers open, which a function cannot: logs as a stream.

variable "name" {
  type = string
}

variable "region" {
  type = string
}

variable "cluster" {
  type = string
}

variable "vpc_id" {
  type = string
}

variable "subnet_ids" {
  type = list(string)
}

variable "cidr" {
  type = string
}

variable "certificate_arn" {
  description = "For TLS; null: plain HTTP, for trying it out."
  type        = string
}

variable "role_name" {
  type = string
}

variable "exec_role_name" {
  type = string
}

variable "policy" {
  type = string
}

variable "exec_policy" {
  type = string
}

variable "image" {
  type = string
}

variable "environment" {
  type = map(string)
}

variable "logs" {
  type = string
}

variable "log_days" {
  type = number
}

variable "architecture" {
  type = string
}

locals {
  port   = 8080
  tls    = var.certificate_arn != null
  assume = jsonencode({ Version = "2012-10-17", Statement = [{ Effect = "Allow", Principal = { Service = "ecs-tasks.amazonaws.com" }, Action = "sts:AssumeRole" }] })
}

resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "From everywhere to the load balancer"
  vpc_id      = var.vpc_id

  ingress {
    description = local.tls ? "HTTPS" : "HTTP"
    from_port   = local.tls ? 443 : 80
    to_port     = local.tls ? 443 : 80
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }

  egress {
    description = "The server"
    from_port   = local.port
    to_port     = local.port
    protocol    = "tcp"
    cidr_blocks = [var.cidr]
  }
}

resource "aws_security_group" "server" {
  name        = var.name
  description = "From the load balancer; out over TLS"
  vpc_id      = var.vpc_id

  ingress {
    description     = "The load balancer"
    from_port       = local.port
    to_port         = local.port
    protocol        = "tcp"
    security_groups = [aws_security_group.balancer.id]
  }

  egress {
    description = "AWS, webhooks, the payment provider"
    from_port   = 443
    to_port     = 443
    protocol    = "tcp"
    cidr_blocks = ["0.0.0.0/0"]
  }
}

resource "aws_lb" "this" {
  name                       = var.name
  load_balancer_type         = "application"
  subnets                    = var.subnet_ids
  security_groups            = [aws_security_group.balancer.id]
  drop_invalid_header_fields = true
  # Longer than a log is waited for.
  idle_timeout = 120
}

resource "aws_lb_target_group" "server" {
  name                 = var.name
  port                 = local.port
  protocol             = "HTTP"
  target_type          = "ip"
  vpc_id               = var.vpc_id
  deregistration_delay = 30

  health_check {
    path    = "/health"
    matcher = "200"
  }
}

resource "aws_lb_listener" "this" {
  load_balancer_arn = aws_lb.this.arn
  port              = local.tls ? 443 : 80
  protocol          = local.tls ? "HTTPS" : "HTTP"
  certificate_arn   = var.certificate_arn
  ssl_policy        = local.tls ? "ELBSecurityPolicy-TLS13-1-2-2021-06" : null

  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.server.arn
  }
}

resource "aws_iam_role" "server" {
  name               = var.role_name
  assume_role_policy = local.assume
}

resource "aws_iam_role_policy" "server" {
  name   = "server"
  role   = aws_iam_role.server.id
  policy = var.policy
}

resource "aws_iam_role" "exec" {
  name               = var.exec_role_name
  assume_role_policy = local.assume
}

resource "aws_iam_role_policy" "exec" {
  name   = "start"
  role   = aws_iam_role.exec.id
  policy = var.exec_policy
}

resource "aws_cloudwatch_log_group" "server" {
  name              = var.logs
  retention_in_days = var.log_days
}

resource "aws_ecs_task_definition" "server" {
  family                   = var.name
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = 256
  memory                   = 512
  task_role_arn            = aws_iam_role.server.arn
  execution_role_arn       = aws_iam_role.exec.arn

  runtime_platform {
    cpu_architecture        = var.architecture == "arm64" ? "ARM64" : "X86_64"
    operating_system_family = "LINUX"
  }

  container_definitions = jsonencode([{
    name      = "server"
    image     = var.image
    essential = true
    command   = ["outpost-api", "--aws", "--listen", "0.0.0.0:${local.port}"]
    environment = [for name, value in merge(
      {
        OUTPOST_PUBLIC_URL = "${local.tls ? "https" : "http"}://${aws_lb.this.dns_name}"
        # The load balancer is the one that says who asks.
        OUTPOST_PROXIES = "1"
      },
      var.environment,
    ) : { name = name, value = value }]
    portMappings = [{ containerPort = local.port, hostPort = local.port, protocol = "tcp" }]
    logConfiguration = {
      logDriver = "awslogs"
      options = {
        "awslogs-group"         = aws_cloudwatch_log_group.server.name
        "awslogs-region"        = var.region
        "awslogs-stream-prefix" = "server"
      }
    }
  }])
}

resource "aws_ecs_service" "server" {
  name            = var.name
  cluster         = var.cluster
  task_definition = aws_ecs_task_definition.server.arn
  desired_count   = 1
  launch_type     = "FARGATE"

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [aws_security_group.server.id]
    assign_public_ip = true
  }

  load_balancer {
    target_group_arn = aws_lb_target_group.server.arn
    container_name   = "server"
    container_port   = local.port
  }

  depends_on = [aws_lb_listener.this, aws_iam_role_policy.server, aws_iam_role_policy.exec]
}

output "dns_name" {
  value = aws_lb.this.dns_name
}
