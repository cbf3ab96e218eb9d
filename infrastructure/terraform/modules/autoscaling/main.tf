# More workers while there is more to do, and none after five minutes without anything.
#
#   a job comes ─► the API finds that no worker is wanted, and asks ECS for some: seconds
#   more come   ─► the alarm of a minute: one for each that works, and one for each five that wait
#   all is done ─► workers that had no ticket for five minutes: none
#
# The alarm alone would do, a minute later and, after hours of silence, up to a quarter of an hour later: SQS stops counting
# for queues that nobody uses. It is what stands behind the API.

locals {
  counts = merge([
    for lane, name in var.lanes : {
      "${lane}_ready" = { queue = name, metric = "ApproximateNumberOfMessagesVisible" }
      "${lane}_taken" = { queue = name, metric = "ApproximateNumberOfMessagesNotVisible" }
    }
  ]...)
  ready = join("+", [for lane in keys(var.lanes) : "FILL(${lane}_ready,0)"])
  taken = join("+", [for lane in keys(var.lanes) : "FILL(${lane}_taken,0)"])
}

resource "aws_appautoscaling_target" "worker" {
  service_namespace  = "ecs"
  resource_id        = "service/${var.cluster}/${var.service}"
  scalable_dimension = "ecs:service:DesiredCount"
  min_capacity       = 0
  max_capacity       = var.most
}

# Counts from what works on: an exact number that only looked at those that wait would take away who works. A worker that has
# a job protects itself besides.
resource "aws_appautoscaling_policy" "out" {
  name               = "${var.service}-out"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  resource_id        = aws_appautoscaling_target.worker.resource_id
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension

  step_scaling_policy_configuration {
    adjustment_type         = "ExactCapacity"
    cooldown                = 60
    metric_aggregation_type = "Maximum"

    # Bounds are counted from the threshold, which is one: 1 to 5 are the first five.
    dynamic "step_adjustment" {
      for_each = range(var.most)
      content {
        metric_interval_lower_bound = step_adjustment.value * var.jobs_each
        metric_interval_upper_bound = step_adjustment.value == var.most - 1 ? null : (step_adjustment.value + 1) * var.jobs_each
        scaling_adjustment          = step_adjustment.value + 1
      }
    }
  }
}

resource "aws_appautoscaling_policy" "in" {
  name               = "${var.service}-in"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.worker.service_namespace
  resource_id        = aws_appautoscaling_target.worker.resource_id
  scalable_dimension = aws_appautoscaling_target.worker.scalable_dimension

  step_scaling_policy_configuration {
    adjustment_type         = "ExactCapacity"
    cooldown                = 300
    metric_aggregation_type = "Maximum"

    step_adjustment {
      metric_interval_upper_bound = 0
      scaling_adjustment          = 0
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "backlog" {
  alarm_name          = "${var.service}-backlog"
  alarm_description   = "Jobs wait or run: as many workers as they need"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  evaluation_periods  = 1
  threshold           = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_appautoscaling_policy.out.arn]

  metric_query {
    id          = "work"
    expression  = "${local.ready}+${var.jobs_each}*(${local.taken})"
    label       = "five for each that is worked on, one for each that waits"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.counts
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/SQS"
        metric_name = metric_query.value.metric
        dimensions  = { QueueName = metric_query.value.queue }
        period      = 60
        stat        = "Maximum"
      }
    }
  }
}

# Only while there are workers: an alarm that rang already would take away, within its minute, the one that the API just asked for.
resource "aws_cloudwatch_metric_alarm" "idle" {
  alarm_name          = "${var.service}-idle"
  alarm_description   = "Workers that have nothing to do: none"
  comparison_operator = "LessThanOrEqualToThreshold"
  evaluation_periods  = 5
  threshold           = 0
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_appautoscaling_policy.in.arn]

  metric_query {
    id          = "work"
    expression  = "IF(FILL(running,0)>0,${local.ready}+${local.taken},1)"
    label       = "tickets, waiting and worked on, while there are workers"
    return_data = true
  }

  # Each task tells it once a minute.
  metric_query {
    id = "running"
    metric {
      namespace   = "AWS/ECS"
      metric_name = "CPUUtilization"
      dimensions  = { ClusterName = var.cluster, ServiceName = var.service }
      period      = 60
      stat        = "SampleCount"
    }
  }

  dynamic "metric_query" {
    for_each = local.counts
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/SQS"
        metric_name = metric_query.value.metric
        dimensions  = { QueueName = metric_query.value.queue }
        period      = 60
        stat        = "Maximum"
      }
    }
  }
}
