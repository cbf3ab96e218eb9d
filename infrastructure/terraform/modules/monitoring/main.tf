# Who is told, of what, and a page to look at.

variable "topic" {
  type = string
}

variable "email" {
  description = "Who is told; null: nobody yet."
  type        = string
}

variable "dashboard" {
  type = string
}

variable "region" {
  type = string
}

variable "lanes" {
  description = "Names of queues by tier."
  type        = map(string)
}

variable "dead" {
  type = string
}

variable "functions" {
  description = "Names of functions, by `api` and `authorizer`."
  type        = map(string)
}

variable "cluster" {
  type = string
}

variable "service" {
  type = string
}

resource "aws_sns_topic" "alerts" {
  name = var.topic
}

resource "aws_sns_topic_subscription" "email" {
  count     = var.email == null ? 0 : 1
  topic_arn = aws_sns_topic.alerts.arn
  protocol  = "email"
  endpoint  = var.email
}

resource "aws_cloudwatch_metric_alarm" "dead" {
  alarm_name          = "${var.dead}-not-empty"
  alarm_description   = "Tickets were received three times, and nobody ended their jobs"
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = var.dead }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 3
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]
}

resource "aws_cloudwatch_metric_alarm" "functions" {
  alarm_name          = "${var.functions["api"]}-fails"
  alarm_description   = "A function ends without an answer"
  evaluation_periods  = 1
  threshold           = 3
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]

  metric_query {
    id          = "all"
    expression  = join("+", [for key in keys(var.functions) : "FILL(${key},0)"])
    label       = "errors"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = var.functions
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/Lambda"
        metric_name = "Errors"
        dimensions  = { FunctionName = metric_query.value }
        period      = 300
        stat        = "Sum"
      }
    }
  }
}

# Workers that do not come, whatever the reason: no capacity, no image, no right.
resource "aws_cloudwatch_metric_alarm" "waiting" {
  alarm_name          = "${var.service}-waiting"
  alarm_description   = "A ticket has waited for a quarter of an hour"
  evaluation_periods  = 3
  threshold           = 900
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alerts.arn]

  metric_query {
    id          = "oldest"
    expression  = "MAX([${join(",", [for lane in keys(var.lanes) : "FILL(${lane},0)"])}])"
    label       = "seconds"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = var.lanes
    content {
      id = metric_query.key
      metric {
        namespace   = "AWS/SQS"
        metric_name = "ApproximateAgeOfOldestMessage"
        dimensions  = { QueueName = metric_query.value }
        period      = 60
        stat        = "Maximum"
      }
    }
  }
}

locals {
  widgets = [
    {
      title = "Tickets that wait"
      metrics = concat(
        [for name in values(var.lanes) : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", name]],
        [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.dead]],
      )
    },
    {
      title   = "Age of the oldest ticket"
      metrics = [for name in values(var.lanes) : ["AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName", name]]
    },
    {
      title   = "Calls of functions"
      metrics = [for name in values(var.functions) : ["AWS/Lambda", "Invocations", "FunctionName", name]]
    },
    {
      title   = "Milliseconds, 99 of 100"
      metrics = [for name in values(var.functions) : ["AWS/Lambda", "Duration", "FunctionName", name, { stat = "p99" }]]
    },
    {
      title   = "Processor and memory of workers, per cent"
      metrics = [for metric in ["CPUUtilization", "MemoryUtilization"] : ["AWS/ECS", metric, "ClusterName", var.cluster, "ServiceName", var.service]]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "main" {
  dashboard_name = var.dashboard
  dashboard_body = jsonencode({
    widgets = [for index, widget in local.widgets : {
      type       = "metric"
      x          = (index % 2) * 12
      y          = floor(index / 2) * 6
      width      = 12
      height     = 6
      properties = merge(widget, { region = var.region, view = "timeSeries", period = 60 })
    }]
  })
}

output "topic_arn" {
  value = aws_sns_topic.alerts.arn
}
