//! What a plan costs a month while nobody does anything.
//!
//! Each kind of resource either has a price here or is known to have none: one that is neither is a fault, so that nothing
//! that costs comes in unseen. What is kept (logs, rows, images) is assumed, and said with the line.

use std::collections::BTreeMap;

use crate::plan::{Plan, Resource};
use crate::prices::{HOURS, Prices};

/// What an installation may cost while it is idle.
pub const LIMIT: f64 = 15.0;

/// A part of the bill.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub part: &'static str,
    /// What is counted, and what is assumed of it.
    pub why: String,
    pub dollars: f64,
}

/// What costs nothing by being there.
const FREE: &[&str] = &[
    "aws_apigatewayv2_api",
    "aws_apigatewayv2_api_mapping",
    "aws_apigatewayv2_authorizer",
    "aws_apigatewayv2_domain_name",
    "aws_apigatewayv2_integration",
    "aws_apigatewayv2_route",
    "aws_apigatewayv2_stage",
    "aws_appautoscaling_policy",
    "aws_appautoscaling_target",
    "aws_cloudwatch_event_target",
    "aws_default_security_group",
    "aws_ecr_lifecycle_policy",
    "aws_ecs_cluster_capacity_providers",
    "aws_ecs_task_definition",
    "aws_efs_access_point",
    "aws_efs_mount_target",
    "aws_iam_policy",
    "aws_iam_role",
    "aws_iam_role_policy",
    "aws_iam_role_policy_attachment",
    "aws_internet_gateway",
    "aws_kms_alias",
    "aws_lambda_function",
    "aws_lambda_function_event_invoke_config",
    "aws_lambda_permission",
    "aws_lb_listener",
    "aws_lb_target_group",
    "aws_route_table",
    "aws_route_table_association",
    "aws_s3_bucket_cors_configuration",
    "aws_s3_bucket_lifecycle_configuration",
    "aws_s3_bucket_ownership_controls",
    "aws_s3_bucket_policy",
    "aws_s3_bucket_public_access_block",
    "aws_s3_bucket_server_side_encryption_configuration",
    "aws_secretsmanager_secret_version",
    "aws_security_group",
    "aws_sns_topic",
    "aws_sns_topic_subscription",
    "aws_sqs_queue",
    "aws_sqs_queue_redrive_allow_policy",
    "aws_subnet",
    "aws_vpc",
];

/// Gigabytes of images, of files, of rows in a table, of a group of logs, in an installation that was used and lies still.
const IMAGES: f64 = 4.0;
const FILES: f64 = 5.0;
const ROWS: f64 = 0.1;
const LOGS: f64 = 0.02;

/// The lines of a month, the dearest first.
pub fn idle(plan: &Plan, prices: &Prices) -> Result<Vec<Line>, String> {
    of(&plan.resources(), prices)
}

/// What one module of a plan costs.
pub fn module(plan: &Plan, name: &str, prices: &Prices) -> Result<Vec<Line>, String> {
    let mut resources = plan.resources();
    resources.retain(|resource| resource.module() == name);
    of(&resources, prices)
}

fn of(resources: &[&Resource], prices: &Prices) -> Result<Vec<Line>, String> {
    let mut sums: BTreeMap<(&'static str, String), (u32, f64)> = BTreeMap::new();
    let (mut unknown, mut dashboards) = (Vec::new(), 0);
    for resource in resources {
        for line in lines(resource, resources, prices, &mut dashboards, &mut unknown)? {
            let sum = sums.entry((line.part, line.why)).or_default();
            *sum = (sum.0 + 1, sum.1 + line.dollars);
        }
    }
    if !unknown.is_empty() {
        return Err(format!("what these cost is not known; `bill.rs` is to say it: {}", unknown.join(", ")));
    }
    let mut lines: Vec<Line> = sums
        .into_iter()
        .map(|((part, why), (count, dollars))| Line {
            part,
            why: if count > 1 { format!("{count} × {why}") } else { why },
            dollars,
        })
        .collect();
    lines.sort_by(|one, other| other.dollars.total_cmp(&one.dollars).then_with(|| one.part.cmp(other.part)));
    Ok(lines)
}

#[must_use]
pub fn total(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.dollars).sum()
}

fn lines(
    resource: &Resource,
    all: &[&Resource],
    prices: &Prices,
    dashboards: &mut u32,
    unknown: &mut Vec<String>,
) -> Result<Vec<Line>, String> {
    let one = |part, why: String, dollars| Ok(vec![Line { part, why, dollars }]);
    let price = |name| prices.of(name);
    match resource.kind.as_str() {
        kind if FREE.contains(&kind) => Ok(Vec::new()),
        "aws_kms_key" => one(
            "KMS",
            "key of one's own; a dollar more after each of its first two turnings".into(),
            price("key_month")?,
        ),
        "aws_secretsmanager_secret" => one("Secrets Manager", "secret of the API".into(), price("secret_month")?),
        "aws_ssm_parameter" if resource.text("tier") != "Advanced" => {
            one("Parameter Store", "standard parameter".into(), price("parameter_month")?)
        }
        "aws_cloudwatch_metric_alarm" => {
            let metrics = metrics(resource);
            let why = format!("alarm on {metrics} metric{}", if metrics == 1 { "" } else { "s" });
            one("CloudWatch alarms", why, f64::from(metrics) * price("alarm_metric_month")?)
        }
        "aws_cloudwatch_dashboard" => {
            *dashboards += 1;
            // The first three of an account are given away whatever its age.
            let dollars = if *dashboards > 3 { price("dashboard_month")? } else { 0.0 };
            one("CloudWatch dashboards", "dashboard; three are free".into(), dollars)
        }
        "aws_cloudwatch_log_group" => {
            one("CloudWatch logs", format!("group with {LOGS} GB kept"), LOGS * price("log_gb_month")?)
        }
        "aws_cloudwatch_event_rule" => reaper(resource, prices),
        "aws_dynamodb_table" => {
            if resource.text("billing_mode") != "PAY_PER_REQUEST" {
                unknown.push(format!("`{}` with capacity of its own", resource.address));
            }
            let dollars = ROWS * (price("dynamodb_gb_month")? + price("dynamodb_backup_gb_month")?);
            one("DynamoDB", format!("table with {ROWS} GB and its backup, paid by request"), dollars)
        }
        "aws_s3_bucket" => one("S3", format!("bucket with {FILES} GB"), FILES * price("s3_gb_month")?),
        "aws_ecr_repository" => one("ECR", format!("repository with {IMAGES} GB"), IMAGES * price("ecr_gb_month")?),
        "aws_ecs_cluster" => {
            if resource.values["setting"].to_string().contains("enabled") {
                unknown.push(format!("`{}` with Container Insights", resource.address));
            }
            Ok(Vec::new())
        }
        "aws_ecs_service" => service(resource, all, prices),
        "aws_nat_gateway" => one("NAT", "gateway, by the hour, without traffic".into(), HOURS * price("nat_hour")?),
        "aws_eip" => one("IPv4", "address by the hour".into(), HOURS * price("ipv4_hour")?),
        "aws_lb" => {
            let zones = resource.values["subnets"].as_array().map_or(2, Vec::len).max(2);
            let dollars = HOURS * (price("load_balancer_hour")? + count(zones) * price("ipv4_hour")?);
            one("Load balancer", format!("by the hour, with {zones} addresses, without traffic"), dollars)
        }
        "aws_efs_file_system" => one("EFS", "file system, empty".into(), 0.0),
        "aws_vpc_endpoint" if resource.text("vpc_endpoint_type") == "Gateway" => Ok(Vec::new()),
        "aws_vpc_endpoint" => {
            let zones = resource.values["subnet_ids"].as_array().map_or(2, Vec::len).max(1);
            let dollars = HOURS * count(zones) * price("interface_endpoint_hour")?;
            one("Endpoints", format!("interface in {zones} zones"), dollars)
        }
        "aws_lambda_provisioned_concurrency_config" => {
            let kept = resource.number("provisioned_concurrent_executions");
            let dollars = kept * 0.25 * HOURS * 3600.0 * price("provisioned_gb_second_arm64")?;
            one("Lambda", format!("{kept} kept warm, of 256 MB"), dollars)
        }
        _ => {
            unknown.push(format!("`{}`", resource.address));
            Ok(Vec::new())
        }
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// An alarm is paid by the metrics that it looks at.
fn metrics(alarm: &Resource) -> u32 {
    let queries = alarm.values["metric_query"].as_array().map_or(&[][..], Vec::as_slice);
    let asked = queries.iter().filter(|query| query["metric"].as_array().is_some_and(|metric| !metric.is_empty()));
    u32::try_from(asked.count()).unwrap_or(u32::MAX).max(1)
}

/// What comes by the clock works also when nobody else does.
fn reaper(rule: &Resource, prices: &Prices) -> Result<Vec<Line>, String> {
    let schedule = rule.text("schedule_expression");
    let minutes: f64 = schedule
        .strip_prefix("rate(")
        .and_then(|rest| rest.split_whitespace().next())
        .filter(|_| schedule.contains("minute"))
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| format!("`{}`: how often `{schedule}` is, is not known", rule.address))?;
    let runs = HOURS * 60.0 / minutes;
    let million = runs / 1e6;
    let mut lines = Vec::new();
    let mut add = |part, why: String, dollars| lines.push(Line { part, why, dollars });
    let seconds = prices.of("function_gb_second_arm64")?;
    // A second of it is the wait for dead tickets.
    let function = million * prices.of("function_million")? + runs * 0.25 * 1.1 * seconds;
    add("Lambda", format!("{runs:.0} runs of the reaper, 1.1 s with 256 MB each"), function);
    add("DynamoDB", "5 reads by each of them".into(), million * 5.0 * prices.of("dynamodb_read_million")?);
    add("SQS", "4 requests by each of them".into(), million * 4.0 * prices.of("queue_million")?);
    add("CloudWatch logs", "half a kilobyte by each of them".into(), runs * 0.5e-6 * prices.of("log_gb")?);
    Ok(lines)
}

/// Containers that are wanted at all times.
fn service(service: &Resource, all: &[&Resource], prices: &Prices) -> Result<Vec<Line>, String> {
    let wanted = service.number("desired_count");
    let task = all
        .iter()
        .find(|other| other.kind == "aws_ecs_task_definition" && other.module() == service.module())
        .ok_or_else(|| format!("`{}` has no task definition in its module", service.address))?;
    let arm = task.values["runtime_platform"][0]["cpu_architecture"] != "X86_64";
    let name = |of| format!("container_{of}_hour_{}", if arm { "arm64" } else { "x86_64" });
    let (cpu, memory) = (task.number("cpu") / 1024.0, task.number("memory") / 1024.0);
    let hour = cpu * prices.of(&name("vcpu"))? + memory * prices.of(&name("gb"))? + prices.of("ipv4_hour")?;
    Ok(vec![Line {
        part: "Fargate",
        why: format!("`{}`: {wanted} wanted, of {cpu} processors and {memory} GB", service.text("name")),
        dollars: wanted * HOURS * hour,
    }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(resources: &[serde_json::Value]) -> Plan {
        Plan::read(&json!({"planned_values": {"root_module": {"resources": resources}}}).to_string()).expect("a plan")
    }

    fn resource(kind: &str, values: &serde_json::Value) -> serde_json::Value {
        json!({"address": format!("module.m.{kind}.x"), "type": kind, "mode": "managed", "values": values})
    }

    fn cost(resources: &[serde_json::Value]) -> Result<f64, String> {
        Ok(total(&idle(&plan(resources), &Prices::known()?)?))
    }

    #[test]
    fn what_costs_too_much_by_being_there_breaks_the_limit() {
        let task = resource("aws_ecs_task_definition", &json!({"cpu": "256", "memory": "512"}));
        for (kind, values) in [("aws_nat_gateway", json!({})), ("aws_lb", json!({"subnets": ["a", "b"]}))] {
            let dollars = cost(&[resource(kind, &values)]).expect("a bill");
            assert!(dollars > LIMIT, "{kind}: {dollars}");
        }
        let two = resource("aws_ecs_service", &json!({"name": "s", "desired_count": 2}));
        assert!(cost(&[two, task.clone()]).expect("a bill") > LIMIT);
        let none = resource("aws_ecs_service", &json!({"name": "s", "desired_count": 0}));
        assert_eq!(cost(&[none, task]), Ok(0.0));
    }

    #[test]
    fn an_alarm_is_paid_by_metric_and_a_clock_by_its_runs() {
        let query = |metric: &serde_json::Value| json!({"id": "m", "metric": metric});
        let queries = json!([query(&json!([])), query(&json!([{}])), query(&json!([{}]))]);
        let alarm = resource("aws_cloudwatch_metric_alarm", &json!({"metric_query": queries}));
        assert_eq!(cost(&[alarm]), Ok(0.2));
        let each = |rate: &str| cost(&[resource("aws_cloudwatch_event_rule", &json!({"schedule_expression": rate}))]);
        let (often, seldom) = (each("rate(1 minute)").expect("a bill"), each("rate(5 minutes)").expect("a bill"));
        assert!((often / seldom - 5.0).abs() < 1e-9, "{often} {seldom}");
        assert!(each("cron(0 10 * * ? *)").is_err());
    }

    #[test]
    fn what_nobody_gave_a_price_is_refused() {
        let table = json!({"billing_mode": "PROVISIONED"});
        let cluster = json!({"setting": [{"name": "containerInsights", "value": "enabled"}]});
        for (kind, values) in [
            ("aws_redshift_cluster", &json!({})),
            ("aws_dynamodb_table", &table),
            ("aws_ecs_cluster", &cluster),
            ("aws_ssm_parameter", &json!({"tier": "Advanced"})),
        ] {
            let refused = cost(&[resource(kind, values)]).expect_err("no price");
            assert!(refused.contains(kind), "{refused}");
        }
    }
}
