//! What becomes of the plan when somebody says no, nobody says anything, podman is missing, or the runner dies: played, not
//! executed.

use super::{BLUEPRINT, Checkout};

/// What each task leaves that another one takes.
const LEFT: &str = r#"
  T0.1.1: {outputs: {bucket_arn: "arn:aws:s3:::outpost-terraform-state-123456789012"}}
  T0.1.2: {outputs: {table_arn: "arn:aws:dynamodb:us-east-1:123456789012:table/outpost-terraform-locks"}}
  T0.1.3: {outputs: {backend_file: backend.hcl}}
  T0.1: {outputs: {backend_config: {bucket_name: b, dynamodb_table: t, region: us-east-1}}}
  T0.2.5: {outputs: {table_arns: &tables {users_table_arn: "arn:u", api_keys_table_arn: "arn:k", jobs_table_arn: "arn:j", usage_table_arn: "arn:e"}}}
  T0.2: {outputs: {table_arns: *tables}}
  T0.3.1: {outputs: {module_path: main.tf}}
  T0.3: {outputs: {secrets_prefix: /outpost/tenants}}
  T1.1.1: {outputs: {package: authorizer.zip}}
  T1.1.3: {outputs: {packages: {api: api.zip, reaper: reaper.zip}}}
  T1.1: {outputs: {api_endpoint: {api_url: "https://api.example.com", api_id: a, stage: $default}}}
  T1.2: {outputs: {endpoints: {register: "https://api.example.com/v1/auth/register", api_keys: "https://api.example.com/v1/auth/api-keys"}}}
  T2.1.2: {outputs: {queue_urls: &queues {free_queue_url: "https://q/f", pro_queue_url: "https://q/p", enterprise_queue_url: "https://q/e", dlq_url: "https://q/d"}}}
  T2.1: {outputs: {queue_urls: *queues}}
  T2.2.2: {outputs: {repository_uri: 123456789012.dkr.ecr.us-east-1.amazonaws.com/outpost-worker}}
  T2.2.4: {outputs: {task_definition_arn: "arn:aws:ecs:us-east-1:123456789012:task-definition/outpost-worker:1"}}
  T2.2.5: {outputs: {service_arn: "arn:aws:ecs:us-east-1:123456789012:service/outpost-workers/outpost-worker-service"}}
  T2.2: {outputs: {ecs_resources: {cluster_arn: c, service_arn: s, task_definition_arn: t}}}
  T2.3: {outputs: {worker_path: outpost-worker}}
  T3.1.1: {outputs: {stripe_ids: {pro_product: p, pro_price: price_1, enterprise_product: e, prices: "pro=price_1"}}}
  T3.1: {outputs: {stripe_endpoints: {subscribe: s, portal: p, webhook: w}}}
  T3.2: {outputs: {metering_module: services/core/src/tenant.rs}}
  T4.1: {outputs: {test_results: {passed: true}}}
  T4.2.1: {outputs: {plan_file: tfplan, digest: "sha256:0000000000000000000000000000000000000000000000000000000000000000", changes: {create: [], update: [], delete: []}}}
  T4.2.2: {outputs: {outputs: {api_gateway_url: u, ecs_cluster_arn: c, sqs_queue_urls: {}}}}
  T4.2.3: {outputs: {verification_report: {a: true, b: true, c: true, d: true, e: true, f: true}}}
"#;
const IMAGE: &str = r#"
  T2.2.1: {outputs: {image_uri: "localhost/outpost-worker:emulated"}}
  T2.2.3: {outputs: {image_uri: "outpost-worker@sha256:0000000000000000000000000000000000000000000000000000000000000000"}}
"#;

/// Name, tasks beside those that leave something, and the rest.
const SCENARIOS: [(&str, &str, &str); 6] = [
    (
        "both say yes",
        IMAGE,
        "gates: {T4.2.1: approve, T4.2: approve}
expect:
  run: done
  exit_code: 0
  others: complete
  gates: [T4.2.1, T4.2]
  order: [T4.1 before T4.2.1, T4.2.1 before T4.2.2, T4.2.3 before T4.2, T4.1.1 before T4.1.3, T4.1.2 before T4.1.3]
  hooks: [on_start, on_exit]",
    ),
    (
        "the plan is turned down: all before it stands, nothing after it begins",
        IMAGE,
        "gates: {T4.2.1: {decide: reject, comment: a table would go}, T4.2: open}
expect:
  run: rejected
  exit_code: 4
  tasks: {T4.2.1: {status: blocked, error: E_GATE_REJECTED}, T4.2.2: not_started, T4.2.3: not_started, T4.2: not_started}
  others: complete
  gates: [T4.2.1]",
    ),
    (
        "nobody looks at the plan",
        IMAGE,
        "gates: {T4.2.1: nobody, T4.2: open}
expect:
  run: rejected
  exit_code: 4
  tasks: {T4.2.1: blocked, T4.2.2: not_started, T4.2.3: not_started, T4.2: not_started}
  others: complete",
    ),
    (
        "the last word is no: it is applied, and no tenant is told",
        IMAGE,
        "gates: {T4.2.1: approve, T4.2: reject}
expect:
  run: rejected
  tasks: {T4.2: {status: blocked, attempts: 0}}
  others: complete
  gates: [T4.2.1, T4.2]",
    ),
    (
        "without podman two are skipped",
        "",
        "world: {capabilities: {podman: false}}
gates: {T4.2.1: approve, T4.2: approve}
expect:
  run: done
  tasks: {T2.2.1: skipped, T2.2.3: skipped, T2.2.4: complete}
  others: complete",
    ),
    (
        "the runner dies while it applies, and all of it is undone in the end",
        IMAGE,
        "gates: {T4.2.1: approve, T4.2: approve}
happens: [{do: crash, on: T4.2.2 run}, {do: crash, on: T2.2.5 run}, {do: rollback, on: end}]
expect:
  run: rolled_back
  exit_code: 5
  tasks: {T4.2.2: {attempts: 2}, T2.2.5: {attempts: 2}}
  others: rolled_back",
    ),
];

#[test]
fn each_scenario_goes_as_it_should() {
    let checkout = Checkout::new();
    for (name, tasks, rest) in SCENARIOS {
        let lines = LEFT.lines().chain(tasks.lines()).filter(|line| !line.is_empty());
        let tasks = lines.collect::<Vec<_>>().join("\n");
        let scenario = format!("name: \"{name}\"\nrun: {{environment: emulator}}\ntasks:\n{tasks}\n{rest}\n");
        checkout.project.write("scenario.yaml", &scenario);
        checkout.outpost(&["test", BLUEPRINT, "--scenario", "scenario.yaml"]).with(0);
    }
    assert!(checkout.project.run_folder().is_none() && !checkout.house("").exists(), "something was executed");
}
