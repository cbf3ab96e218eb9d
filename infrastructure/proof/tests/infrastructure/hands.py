"""What a person does in the console behind Terraform's back: `inventory` says what there is, `meddle` changes three things,
`secret` looks at what the API has, and `put` puts keys of the payment provider beside it, twice."""

import json
import sys

import boto3


def client(service):
    return boto3.client(service, region_name="us-east-1")


def inventory():
    """All that bears our name, as `service name`."""
    asked = [
        ("dynamodb", "list_tables", {}, lambda a: a["TableNames"]),
        ("sqs", "list_queues", {}, lambda a: a.get("QueueUrls", [])),
        ("s3", "list_buckets", {}, lambda a: [b["Name"] for b in a["Buckets"]]),
        ("iam", "list_roles", {}, lambda a: [r["RoleName"] for r in a["Roles"]]),
        ("iam", "list_policies", {"Scope": "Local"}, lambda a: [p["PolicyName"] for p in a["Policies"]]),
        ("lambda", "list_functions", {}, lambda a: [f["FunctionName"] for f in a["Functions"]]),
        ("apigatewayv2", "get_apis", {}, lambda a: [i["Name"] for i in a["Items"]]),
        ("logs", "describe_log_groups", {}, lambda a: [g["logGroupName"] for g in a["logGroups"]]),
        # One that was deleted can be asked for by its name for a while.
        ("ecs", "describe_clusters", {"clusters": ["outpost-workers", "outpost-workers-dev"]},
         lambda a: [c["clusterName"] for c in a["clusters"] if c["status"] == "ACTIVE"]),
        ("ecr", "describe_repositories", {}, lambda a: [r["repositoryName"] for r in a["repositories"]]),
        ("sns", "list_topics", {}, lambda a: [t["TopicArn"] for t in a["Topics"]]),
        ("cloudwatch", "describe_alarms", {}, lambda a: [m["AlarmName"] for m in a["MetricAlarms"]]),
        ("cloudwatch", "list_dashboards", {}, lambda a: [d["DashboardName"] for d in a["DashboardEntries"]]),
        ("kms", "list_aliases", {}, lambda a: [k["AliasName"] for k in a["Aliases"]]),
        ("secretsmanager", "list_secrets", {}, lambda a: [s["Name"] for s in a["SecretList"]]),
        ("events", "list_rules", {}, lambda a: [r["Name"] for r in a["Rules"]]),
        ("application-autoscaling", "describe_scalable_targets", {"ServiceNamespace": "ecs"},
         lambda a: [t["ResourceId"] for t in a["ScalableTargets"]]),
        ("elbv2", "describe_load_balancers", {}, lambda a: [b["LoadBalancerName"] for b in a["LoadBalancers"]]),
        ("efs", "describe_file_systems", {}, lambda a: [f["CreationToken"] for f in a["FileSystems"]]),
        ("ec2", "describe_security_groups", {}, lambda a: [g["GroupName"] for g in a["SecurityGroups"]]),
        ("ec2", "describe_vpcs", {},
         lambda a: [t["Value"] for v in a["Vpcs"] for t in v.get("Tags", []) if t["Key"] == "Name"]),
        # It has no name but the tags of all.
        ("ec2", "describe_nat_gateways", {},
         lambda a: ["outpost-nat-" + t["Value"] for n in a["NatGateways"] if n["State"] != "deleted"
                    for t in n["Tags"] if t["Key"] == "Environment"]),
    ]
    for service, operation, words, names in asked:
        for name in names(getattr(client(service), operation)(**words)):
            if "outpost" in name:
                print(service, name)


def meddle():
    """A worker may do everything with files, a log is kept for ever, and nobody hears of dead tickets."""
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
    client("iam").put_role_policy(RoleName="outpost-worker", PolicyName="worker", PolicyDocument=json.dumps(policy))
    client("logs").delete_retention_policy(logGroupName="/ecs/outpost-worker")
    client("cloudwatch").delete_alarms(AlarmNames=["outpost-jobs-dlq-not-empty"])


SECRET = "/outpost/platform/api"


def value():
    return json.loads(client("secretsmanager").get_secret_value(SecretId=SECRET)["SecretString"])


def secret():
    """The emulator's, which are good for nothing: a name and a text a line."""
    for name, text in value().items():
        print(name, text)


def put():
    """With each value the one before loses its label, and the one before that is gone."""
    for key in ["of yesterday", "of today"]:
        new = json.dumps(value() | {"OUTPOST_STRIPE_KEY": key})
        client("secretsmanager").put_secret_value(SecretId=SECRET, SecretString=new)


{"inventory": inventory, "meddle": meddle, "secret": secret, "put": put}[sys.argv[1]]()
