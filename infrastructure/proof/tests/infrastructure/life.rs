//! An installation's whole life: the state's own bucket, all that there is, nothing to do, what somebody changed behind our
//! back, a part taken away, and the end, after which nothing is left. Beside it in the same account stands another one, with
//! everything that is off by default.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Instant;

use outpost_infrastructure::package::{Processor, pack};
use outpost_infrastructure::plan::{Plan, module};
use outpost_infrastructure::policy;
use serde_json::Value;

use crate::emulator::Emulator;
use crate::packages::{ARM64, program};
use crate::terraform::{Terraform, missing};
use crate::{cost, guide, rights, skipped, tables};

/// What all commands that plan have besides.
const QUIET: &[&str] = &["-no-color", "-parallelism=30"];
const EVERYTHING: &[&str] = &[
    "-var=enable_vpc=true",
    "-var=enable_nat=true",
    "-var=enable_alb=true",
    "-var=enable_efs=true",
    "-var=settings={OUTPOST_PUBLIC_URL=\"https://server.example.com\"}",
    "-var=worker_roles=[\"arn:aws:iam::123456789012:role/machines\"]",
];

#[test]
fn an_installation_is_made_kept_and_unmade() {
    if let Some(why) = missing() {
        return skipped(&why);
    }
    let emulator = match Emulator::start() {
        Ok(emulator) => emulator,
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "{why}");
            return skipped(&why);
        }
    };
    let began = Instant::now();
    let said = |what: &str| eprintln!("{:6.1} s  {what}", began.elapsed().as_secs_f32());
    let terraform = Terraform::new(&emulator);
    let started = terraform.run("bootstrap", &["init", "-no-color"]);
    // Where it comes from is this machine's matter; what is wrong with our files is not.
    let is_out_of_reach =
        |words: &str| words.contains("available provider packages") || words.contains("install provider");
    if started.code != 0 && is_out_of_reach(&started.stderr) {
        return skipped(&format!("Terraform gets no provider: {}", started.stderr));
    }
    started.well("init");

    let packages = terraform.folder().join("packages");
    fs::create_dir(&packages).expect("a folder");
    for name in ["api", "authorizer", "reaper"] {
        let package = pack(&program(ARM64), Processor::Arm64).expect("a package");
        fs::write(packages.join(format!("{name}.zip")), package).expect("a package is written");
    }
    let packages = format!("-var=packages={}", packages.display());

    bootstrap(&terraform);
    said("the state has a place");
    std::thread::scope(|scope| {
        let beside = scope.spawn(|| {
            beside(&terraform, &packages);
            said("the one beside it, with everything on, came and went");
        });
        alone(&terraform, &packages, &said);
        beside.join().expect("the installation beside it");
    });

    guide::compare(&terraform.ran());
    rights::deployer(&emulator.asked());
    let left = emulator.hands("inventory");
    let expected =
        ["dynamodb outpost-terraform-locks", "s3 outpost-terraform-state-123456789012"].map(str::to_owned).to_vec();
    assert_eq!(left, expected, "only the state's own things are left");
    said("nothing is left");
}

/// The state has a place, and all environments find it.
fn bootstrap(terraform: &Terraform<'_>) {
    terraform.run("bootstrap", &["apply", "-auto-approve", "-no-color", "-var=emulator=true"]).well("bootstrap");
    let outputs = outputs(terraform, "bootstrap");
    for key in ["bucket_name", "dynamodb_table", "region", "bucket_arn", "table_arn"] {
        assert!(outputs[key].is_string(), "{key}: {outputs}");
    }
    let backend = terraform.run("bootstrap", &["output", "-raw", "backend"]).well("output");
    fs::write(terraform.folder().join("backend.hcl"), backend).expect("the backend is written");
    for environment in ["emulator", "dev", "prod"] {
        let place = format!("environments/{environment}");
        let init = ["init", "-no-color", "-backend-config=../../backend.hcl"];
        terraform.run(&place, &init).well(environment);
    }
}

fn outputs(terraform: &Terraform<'_>, place: &str) -> Value {
    let text = terraform.run(place, &["output", "-json"]).well("output");
    let all: BTreeMap<String, Value> = serde_json::from_str(&text).expect("outputs");
    all.into_iter().map(|(name, output)| (name, output["value"].clone())).collect()
}

/// Twice the same makes nothing new.
fn unchanged(terraform: &Terraform<'_>, place: &str, settings: &[&str]) {
    let planned = terraform.run(place, &[&["plan", "-detailed-exitcode"], QUIET, settings].concat());
    assert_eq!(planned.code, 0, "{place} changes by itself:\n{}\n{}", planned.stdout, planned.stderr);
}

/// What a plan would do: `action address`.
fn planned(events: &[Value]) -> BTreeSet<String> {
    let of = |event: &Value| {
        let change = &event["change"];
        Some(format!("{} {}", change["action"].as_str()?, change["resource"]["addr"].as_str()?))
    };
    events.iter().filter(|event| event["type"] == "planned_change").filter_map(of).collect()
}

/// With everything on, in an account where the other one is.
fn beside(terraform: &Terraform<'_>, packages: &str) {
    let place = "environments/dev";
    // Policies of buckets with conditions are what no emulator keeps to.
    let settings = [EVERYTHING, &["-var=emulator=true", packages]].concat();
    let full = Plan::read(&terraform.plan(place, &[QUIET, &settings].concat())).expect("a plan");
    let plain = terraform.plan("environments/prod", &[QUIET, &[packages]].concat());
    let plain = Plan::read(&plain).expect("a plan");
    tables::compare(&full, "dev");
    tables::compare(&plain, "prod");
    protected(&plain);
    rights::compare(&plain);
    cost::compare(&plain, &full);
    terraform.run(place, &[&["apply", "-auto-approve"], QUIET, &["tfplan"]].concat()).well("apply with everything");
    unchanged(terraform, place, &settings);
    // Now that all of it is known.
    let kept = terraform.plan(place, &[QUIET, &settings].concat());
    let kept = Plan::read(&kept).expect("a plan");
    assert_eq!(rights::compare(&kept), rights::all());
    server(&kept);
    machines(&kept);
    terraform
        .run(place, &[&["destroy", "-auto-approve", "-refresh=false"], QUIET, &settings].concat())
        .well("destroy with everything");
}

/// The server behind the load balancer believes it and nobody else, and is known by the name that was set.
fn server(plan: &Plan) {
    let all = plan.resources();
    let task = all.iter().find(|one| one.address.ends_with("aws_ecs_task_definition.server")).expect("a task");
    let containers: Value = serde_json::from_str(task.text("container_definitions")).expect("JSON");
    let set = containers[0]["environment"].as_array().expect("variables");
    let of = |name: &str| set.iter().find(|one| one["name"] == name).map(|one| one["value"].as_str().expect("a text"));
    assert_eq!((of("OUTPOST_PROXIES"), of("OUTPOST_PUBLIC_URL")), (Some("1"), Some("https://server.example.com")));
    let api = all.iter().find(|one| one.address.ends_with("aws_lambda_function.this[\"api\"]")).expect("a function");
    let own = api.values["environment"][0]["variables"]["OUTPOST_PUBLIC_URL"].as_str().expect("an address");
    assert!(own.contains("execute-api"), "the function has its own: {own}");
}

/// Workers that stand elsewhere may become the tenant's role, and others may not.
fn machines(plan: &Plan) {
    let all = plan.resources();
    let role = all.iter().find(|one| one.address == "module.secrets.aws_iam_role.tenant").expect("a role");
    let policy: Value = serde_json::from_str(role.text("assume_role_policy")).expect("JSON");
    let callers = policy["Statement"][0]["Condition"]["ArnEquals"]["aws:PrincipalArn"].as_array().expect("roles");
    let names = callers.iter().map(|arn| arn.as_str().and_then(|arn| arn.rsplit('/').next()).unwrap_or_default());
    let ours = ["outpost-api-dev", "outpost-reaper-dev", "outpost-worker-dev", "outpost-control-plane-dev"];
    assert_eq!(names.collect::<BTreeSet<_>>(), ours.into_iter().chain(["machines"]).collect());
}

/// What holds for an installation that people live from.
fn protected(plan: &Plan) {
    let all = plan.resources();
    let of = |kind: &str| all.iter().filter(|resource| resource.kind == kind).collect::<Vec<_>>();
    assert!(of("aws_dynamodb_table").iter().all(|table| table.values["deletion_protection_enabled"] == true));
    assert!(of("aws_s3_bucket").iter().all(|bucket| bucket.values["force_destroy"] == false));
    assert_eq!(of("aws_s3_bucket_policy").len(), 1, "files are reached over TLS only");
    assert!(of("aws_secretsmanager_secret_version")[0].values["secret_string_wo"].is_null(), "no plan has the secret");
    let authorizer = of("aws_apigatewayv2_authorizer");
    assert_eq!(authorizer[0].values["authorizer_result_ttl_in_seconds"], 0, "a revoked key opens nothing at once");
    let stage = &of("aws_apigatewayv2_stage")[0].values["default_route_settings"][0];
    let limits = ["throttling_burst_limit", "throttling_rate_limit"].map(|key| stage[key].as_f64());
    assert_eq!(limits, [Some(100.0), Some(50.0)]);
    let lanes: Vec<_> = of("aws_sqs_queue").into_iter().filter(|queue| queue.address.contains("lane")).collect();
    assert_eq!(lanes.len(), 3);
    for lane in lanes {
        let whole = |key: &str| lane.number(key);
        assert_eq!((whole("visibility_timeout_seconds"), whole("receive_wait_time_seconds")), (300.0, 20.0));
        assert_eq!(whole("message_retention_seconds"), 1_209_600.0);
        assert_eq!(lane.values["sqs_managed_sse_enabled"], true);
    }
    let worker = of("aws_ecs_service")[0];
    assert_eq!(worker.number("desired_count"), 0.0, "no worker while there is nothing to do");
    let strategy = worker.values["capacity_provider_strategy"].to_string();
    assert!(strategy.contains("FARGATE_SPOT"), "{strategy}");
    steps(plan);
}

/// One worker for each five that wait, to the last step, with neither a gap nor an overlap.
fn steps(plan: &Plan) {
    let all = plan.resources();
    let out = all.iter().find(|policy| policy.address.ends_with("aws_appautoscaling_policy.out")).expect("a policy");
    let scaling = &out.values["step_scaling_policy_configuration"][0];
    assert_eq!(scaling["adjustment_type"], "ExactCapacity");
    let steps = scaling["step_adjustment"].as_array().expect("steps");
    let bound = |step: &Value, key: &str| step[key].as_str().and_then(|text| text.parse::<f64>().ok());
    let workers = |work: f64| {
        // The alarm rings from one on, and bounds are counted from there.
        let fits = |step: &&Value| {
            bound(step, "metric_interval_lower_bound").is_none_or(|lower| work - 1.0 >= lower)
                && bound(step, "metric_interval_upper_bound").is_none_or(|upper| work - 1.0 < upper)
        };
        let found: Vec<_> = steps.iter().filter(fits).collect();
        assert_eq!(found.len(), 1, "{work}: {found:?}");
        found[0]["scaling_adjustment"].as_f64().expect("a number")
    };
    for work in 1..=150 {
        let work = f64::from(work);
        assert_eq!(workers(work), (work / 5.0).ceil().min(20.0), "{work}");
    }
    let reaper =
        all.iter().find(|one| one.address.ends_with("aws_lambda_function.this[\"reaper\"]")).expect("a function");
    assert_eq!(
        reaper.values["environment"][0]["variables"]["JOBS_PER_WORKER"], "5",
        "the API counts as the alarm does"
    );
    let idle = all.iter().find(|alarm| alarm.address.ends_with("aws_cloudwatch_metric_alarm.idle")).expect("an alarm");
    assert_eq!((idle.number("evaluation_periods"), idle.number("threshold")), (5.0, 0.0), "five minutes of nothing");
    // It may ring only while there are workers: else it takes away one that was just asked for.
    assert_eq!(idle.text("treat_missing_data"), "notBreaching");
    let queries = idle.values["metric_query"].as_array().expect("queries");
    let of = |id: &str| queries.iter().find(|query| query["id"] == id).unwrap_or_else(|| panic!("no `{id}`"));
    let lanes = ["enterprise", "free", "pro"];
    let filled = |what: &str| lanes.map(|lane| format!("FILL({lane}_{what},0)")).join("+");
    let expected = format!("IF(FILL(running,0)>0,{}+{},1)", filled("ready"), filled("taken"));
    assert_eq!(of("work")["expression"], expected);
    let running = &of("running")["metric"][0];
    let told = ["namespace", "metric_name", "stat"].map(|key| running[key].as_str().unwrap_or_default());
    assert_eq!(told, ["AWS/ECS", "CPUUtilization", "SampleCount"]);
    assert_eq!(running["dimensions"]["ServiceName"], "outpost-worker-service");
}

/// The one that stands alone, from its beginning to its end.
fn alone(terraform: &Terraform<'_>, packages: &str, said: &(impl Fn(&str) + Sync)) {
    let place = "environments/emulator";
    let with = |words: &[&'static str]| words.iter().copied().map(str::to_owned).collect::<Vec<String>>();
    let run = |words: &[&'static str]| {
        let words = [with(words), with(QUIET), vec![packages.to_owned()]].concat();
        terraform.run(place, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    run(&["apply", "-auto-approve"]).well("apply");
    said("all of it is there");
    unchanged(terraform, place, &[packages]);
    said("a second plan has nothing to do");
    shapes(&outputs(terraform, place));
    let state = terraform.run(place, &["state", "pull"]).well("state");
    let made = secret(terraform);
    assert_eq!(
        made.keys().collect::<Vec<_>>(),
        ["OUTPOST_CURSOR_KEY", "OUTPOST_INVITATIONS"],
        "what a front door needs"
    );
    let (key, invitation) = (&made["OUTPOST_CURSOR_KEY"], &made["OUTPOST_INVITATIONS"]);
    assert!(key.len() == 64 && key.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')), "64 hexadecimal digits");
    assert!(invitation.len() == 32 && invitation.chars().all(|c| c.is_ascii_alphanumeric()), "one, without a comma");
    assert!(!state.contains(key) && !state.contains(invitation), "the state does not know them");
    alone_each(&state);

    terraform.hands("put");
    let put = secret(terraform);
    assert_eq!((put.len(), put["OUTPOST_STRIPE_KEY"].as_str()), (3, "of today"));
    unchanged(terraform, place, &[packages]);
    run(&["apply", "-auto-approve"]).well("apply again");
    assert_eq!(secret(terraform), put, "what somebody put stays");
    said("what was put into the secret is let be");

    terraform.hands("meddle");
    let (code, events) = terraform.events(place, &["plan", "-json", "-detailed-exitcode", "-out=repair", packages]);
    let expected = [
        "create module.monitoring.aws_cloudwatch_metric_alarm.dead",
        "update module.ecs.aws_cloudwatch_log_group.worker",
        "update module.ecs.aws_iam_role_policy.worker",
    ];
    assert_eq!((code, planned(&events)), (2, expected.map(str::to_owned).into_iter().collect()), "what was changed");
    terraform.run(place, &[&["apply"], QUIET, &["repair"]].concat()).well("repair");
    unchanged(terraform, place, &[packages]);
    said("what somebody changed was seen and put right");

    let before = terraform.hands("inventory");
    run(&["destroy", "-auto-approve", "-refresh=false", "-target=module.dynamodb"]).well("a rollback");
    let after = terraform.hands("inventory");
    let gone: Vec<_> = before.iter().filter(|name| !after.contains(name) && !name.contains("-dev")).collect();
    assert_eq!(gone.len(), 6, "the six tables and nothing else: {gone:?}");
    assert!(gone.iter().all(|name| name.starts_with("dynamodb outpost-")), "{gone:?}");
    said("a part was taken away, and only that");

    run(&["destroy", "-auto-approve", "-refresh=false"]).well("destroy");
    assert_eq!(terraform.run(place, &["state", "list"]).well("state"), "");
    said("all of it is gone");
}

/// What the API has of its own, by name.
fn secret(terraform: &Terraform<'_>) -> BTreeMap<String, String> {
    let lines = terraform.hands("secret").into_iter();
    lines.map(|line| line.split_once(' ').map(|(name, text)| (name.into(), text.into())).expect("two words")).collect()
}

/// Outputs as those who read them expect them.
fn shapes(outputs: &Value) {
    let texts = |of: &Value, keys: &[&str]| {
        for key in keys {
            assert!(of[key].as_str().is_some_and(|text| !text.is_empty()), "`{key}` of {of}");
        }
    };
    let tables = ["users_table_arn", "api_keys_table_arn", "jobs_table_arn", "usage_table_arn"];
    texts(&outputs["dynamodb_table_arns"], &tables);
    texts(&outputs["sqs_queue_urls"], &["free_queue_url", "pro_queue_url", "enterprise_queue_url", "dlq_url"]);
    texts(&outputs["api_gateway"], &["api_url", "api_id", "stage"]);
    texts(&outputs["ecs"], &["cluster_arn", "service_arn", "task_definition_arn"]);
    let plain = ["api_gateway_url", "artifacts_bucket", "ecs_cluster_arn", "secrets_kms_key_arn", "secrets_policy_arn"];
    texts(outputs, &plain);
    texts(&outputs["worker_environment"], &["AWS_REGION", "S3_ARTIFACTS_BUCKET", "SQS_QUEUE_FREE", "TENANT_ROLE_ARN"]);
    assert!(policy::rights(outputs["worker_policy"].as_str().expect("a policy")).is_ok());
    assert_eq!(outputs["secrets_prefix"], "/outpost/tenants");
    assert!(!outputs.to_string().contains("CURSOR_KEY"), "no secret is an output");
}

/// By the dependencies that the state has: taking a module away takes nothing of another one. Two are there for others.
fn alone_each(state: &str) {
    let state: Value = serde_json::from_str(state).expect("a state");
    let mut dependents: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut modules = BTreeSet::new();
    for resource in state["resources"].as_array().expect("resources").iter().filter(|one| one["mode"] == "managed") {
        let own = module(resource["module"].as_str().unwrap_or_default()).to_owned();
        for instance in resource["instances"].as_array().expect("instances") {
            for other in instance["dependencies"].as_array().into_iter().flatten() {
                let other = other.as_str().filter(|other| !other.contains("data.")).map(module).unwrap_or_default();
                if other != own && !other.is_empty() {
                    dependents.entry(other.to_owned()).or_default().insert(own.clone());
                }
            }
        }
        modules.insert(own);
    }
    let all = ["api_gateway", "dynamodb", "ecr", "ecs", "endpoint", "lambda", "monitoring", "s3", "secrets", "sqs"];
    assert_eq!(modules, all.map(str::to_owned).into_iter().collect());
    let expected =
        BTreeMap::from([("endpoint".to_owned(), BTreeSet::from(["api_gateway".to_owned(), "lambda".to_owned()]))]);
    // A switch that is off leaves its name in a dependency, and nothing behind it.
    dependents.retain(|name, _| modules.contains(name));
    assert_eq!(dependents, expected, "module by who stands on it");
}
