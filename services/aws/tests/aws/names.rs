//! What is not there is named, with the service and the operation, and nothing of whoever asked.

use outpost_aws::{Settings, open_as};
use outpost_core::store::Problem;

use crate::emulator::{SECRET, emulator};
use crate::house::{ENVIRONMENT, House, run};

fn told<T: std::fmt::Debug>(answer: Result<T, Problem>, named: &[&str]) {
    let told = answer.expect_err("a fault");
    assert!(matches!(told, Problem::Broken(_)), "{told:?}");
    let told = told.to_string();
    assert!(named.iter().all(|name| told.contains(name)), "{told}");
    assert!(!told.contains(SECRET), "{told}");
}

#[test]
fn what_is_not_there_is_named() {
    let Some(emulator) = emulator() else { return };
    run(async {
        let house = House::make(emulator).await;
        assert_eq!(house.aws.house.ready().await, Ok(()));

        let mut elsewhere = Settings::new("nowhere", "no-such-bucket");
        let aws = open_as(&house.config, &elsewhere).await.expect("queues are the same");
        told(aws.house.ready().await, &["DynamoDB", "GetItem", "`outpost-users-nowhere`", "not there"]);
        let tenant = "6bdd64cb-5e12-4024-b3c1-d2b14ca77705".parse().expect("an id");
        told(aws.blobs.put(&tenant, "a", vec![1]).await, &["S3", "PutObject", "`no-such-bucket`", "not there"]);
        elsewhere.queues[1] = "outpost-nowhere".into();
        told(open_as(&house.config, &elsewhere).await, &["SQS", "GetQueueUrl", "`outpost-nowhere`", "not there"]);

        // One table of six.
        let client = aws_sdk_dynamodb::Client::new(&house.config);
        let gone = format!("outpost-audit-{ENVIRONMENT}");
        client.delete_table().table_name(&gone).send().await.expect("deleted");
        told(house.aws.house.ready().await, &["`outpost-audit-test`"]);
    });
}
