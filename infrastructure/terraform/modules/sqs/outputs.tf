output "queue_urls" {
  value = {
    free_queue_url       = aws_sqs_queue.lane["free"].url
    pro_queue_url        = aws_sqs_queue.lane["pro"].url
    enterprise_queue_url = aws_sqs_queue.lane["enterprise"].url
    dlq_url              = aws_sqs_queue.dlq.url
  }
}
