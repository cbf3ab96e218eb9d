# Where workers stand, most of them on capacity that AWS may take back.

resource "aws_ecs_cluster" "workers" {
  name = var.cluster

  # Counted by task and metric, all month long: more than all the rest of an idle installation.
  setting {
    name  = "containerInsights"
    value = "disabled"
  }
}

resource "aws_ecs_cluster_capacity_providers" "workers" {
  cluster_name       = aws_ecs_cluster.workers.name
  capacity_providers = ["FARGATE", "FARGATE_SPOT"]

  default_capacity_provider_strategy {
    capacity_provider = "FARGATE_SPOT"
    weight            = 7
  }

  default_capacity_provider_strategy {
    capacity_provider = "FARGATE"
    weight            = 3
  }
}
