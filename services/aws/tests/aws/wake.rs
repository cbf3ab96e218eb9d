//! Workers are started where there are none, as many as the tickets need, and not asked for at every job.

use std::time::Duration;

use aws_config::SdkConfig;
use outpost_aws::{Settings, Workers, open_as};
use outpost_core::id::{JobId, TenantId};
use outpost_core::ports::{Clock as _, Ticket};
use outpost_core::store::Problem;
use outpost_core::tenant::Tier;
use serde_json::{Value, json};

use crate::emulator::emulator;
use crate::house::{ENVIRONMENT, House, run, signed};

/// As whoever runs the cluster.
async fn ecs(config: &SdkConfig, account: &str, operation: &str, question: &Value) -> Value {
    let target = format!("AmazonEC2ContainerServiceV20141113.{operation}");
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", target.as_str())];
    let text = signed(config, account, "ecs", &headers, question.to_string()).await;
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn workers_are_woken_where_there_are_none() {
    let Some(emulator) = emulator() else { return };
    run(async {
        let House { aws, config, account, clock, bucket, .. } = House::make(emulator).await;
        let of = |service: &str| {
            let mut settings = Settings::new(ENVIRONMENT, &bucket);
            settings.clock = clock.clone();
            let (cluster, service) = ("outpost-workers".to_owned(), service.to_owned());
            settings.workers = Some(Workers { cluster, service, most: 4, jobs_each: 5 });
            settings
        };
        let ask = async |operation: &str, question: Value| ecs(&config, &account, operation, &question).await;
        ask("CreateCluster", json!({"clusterName": "outpost-workers"})).await;
        let container = json!({"name": "worker", "image": "worker", "memory": 512});
        ask("RegisterTaskDefinition", json!({"family": "worker", "containerDefinitions": [container]})).await;
        let service = json!({"cluster": "outpost-workers", "serviceName": "worker", "taskDefinition": "worker", "desiredCount": 0});
        ask("CreateService", service).await;
        let wanted = async || {
            let told = ask("DescribeServices", json!({"cluster": "outpost-workers", "services": ["worker"]})).await;
            told["services"][0]["desiredCount"].as_u64().expect("a number")
        };
        let set = async |count: u64| {
            let change = json!({"cluster": "outpost-workers", "service": "worker", "desiredCount": count});
            ask("UpdateService", change).await;
        };
        let fleet = open_as(&config, &of("worker")).await.expect("an installation");
        assert_eq!((fleet.wake.wake().await, wanted().await), (Ok(()), 1), "one at least");
        for number in 0..11_u8 {
            let tenant = TenantId::new(clock.now(), &[number; 10]);
            let ticket = Ticket { tenant, job: JobId::new(clock.now(), &[number; 10]), traceparent: None };
            let lane = if number % 2 == 0 { Tier::Free } else { Tier::Enterprise };
            assert_eq!(aws.queue.send(lane, &ticket).await, Ok(()));
        }
        set(0).await;
        clock.pass(Duration::from_millis(4_999));
        assert_eq!((fleet.wake.wake().await, wanted().await), (Ok(()), 0), "what was learned is believed for a while");
        clock.pass(Duration::from_millis(1));
        assert_eq!((fleet.wake.wake().await, wanted().await), (Ok(()), 3), "eleven tickets, five each");
        set(2).await;
        clock.pass(Duration::from_secs(6));
        assert_eq!((fleet.wake.wake().await, wanted().await), (Ok(()), 2), "there are some: how many is not ours");

        let none = open_as(&config, &of("nobody")).await.expect("an installation");
        for _ in 0..2 {
            // A fault is not believed for a while.
            let Err(Problem::Broken(told)) = none.wake.wake().await else { panic!("there is none") };
            assert!(told.contains("ECS") && told.contains("`nobody`") && told.contains("`outpost-workers`"), "{told}");
        }
    });
}
