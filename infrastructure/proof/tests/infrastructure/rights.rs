//! Who may do what: the actions that the programs' calls need, written down by hand from the adapters and from what they are
//! documented to call, and held against the policies of a plan.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use outpost_infrastructure::plan::Plan;
use outpost_infrastructure::policy::{Right, rights};
use serde_json::Value;

use crate::root;

const ROWS: &[&str] = &[
    "dynamodb:BatchGetItem",
    "dynamodb:ConditionCheckItem",
    "dynamodb:DeleteItem",
    "dynamodb:GetItem",
    "dynamodb:PutItem",
    "dynamodb:Query",
    "dynamodb:UpdateItem",
];
const LOG: &[&str] = &["logs:CreateLogStream", "logs:PutLogEvents"];
const DEAD: &[&str] = &["sqs:DeleteMessage", "sqs:ReceiveMessage"];
const WAKE: &[&str] = &["ecs:DescribeServices", "ecs:UpdateService"];
const PULL: &[&str] = &[
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchGetImage",
    "ecr:GetAuthorizationToken",
    "ecr:GetDownloadUrlForLayer",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
];

/// By policy, as Terraform calls it.
fn needed() -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let set = |lists: &[&[&'static str]]| lists.concat().into_iter().collect();
    let front: &[&str] = &[
        "dynamodb:Scan",
        "secretsmanager:GetSecretValue",
        "sqs:GetQueueAttributes",
        "sqs:SendMessage",
        "sts:AssumeRole",
    ];
    BTreeMap::from([
        ("module.lambda.aws_iam_role_policy.this[\"api\"]", set(&[ROWS, LOG, WAKE, front])),
        ("module.lambda.aws_iam_role_policy.this[\"authorizer\"]", set(&[&["dynamodb:GetItem"], LOG])),
        (
            "module.lambda.aws_iam_role_policy.this[\"reaper\"]",
            set(&[ROWS, LOG, WAKE, DEAD, &["sqs:GetQueueAttributes", "sqs:SendMessage", "sts:AssumeRole"]]),
        ),
        (
            "module.ecs.aws_iam_role_policy.worker",
            set(&[
                ROWS,
                &[
                    "ecs:UpdateTaskProtection",
                    "sqs:ChangeMessageVisibility",
                    "sqs:DeleteMessage",
                    "sqs:ReceiveMessage",
                    "sqs:SendMessage",
                    "sts:AssumeRole",
                ],
            ]),
        ),
        ("module.ecs.aws_iam_role_policy.exec", set(&[PULL])),
        ("module.alb[0].aws_iam_role_policy.server", set(&[ROWS, WAKE, DEAD, front])),
        ("module.alb[0].aws_iam_role_policy.exec", set(&[PULL])),
        ("module.api_gateway.aws_iam_role_policy.gateway", set(&[&["lambda:InvokeFunction"]])),
        (
            "module.secrets.aws_iam_policy.tenant_secrets",
            set(&[&[
                "ssm:DeleteParameter",
                "ssm:DeleteParameters",
                "ssm:GetParameter",
                "ssm:GetParameters",
                "ssm:GetParametersByPath",
                "ssm:PutParameter",
            ]]),
        ),
        (
            "module.secrets.aws_iam_role_policy.tenant_files",
            set(&[&["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"]]),
        ),
    ])
}

/// What AWS cannot limit to a thing of ours.
const EVERYWHERE: &[&str] = &["ecr:GetAuthorizationToken"];

/// Each policy of a plan allows what its program calls, on things of ours, and nothing besides. The policies of which something
/// is not known before they are applied are not in it; the second value says which were looked at.
pub(crate) fn compare(plan: &Plan) -> BTreeSet<String> {
    let needed = needed();
    let mut seen = BTreeSet::new();
    for resource in plan.resources() {
        let known = ["aws_iam_role_policy", "aws_iam_policy"].contains(&resource.kind.as_str());
        if !known || resource.text("policy").is_empty() {
            continue;
        }
        let address = resource.address.as_str();
        let rights = rights(resource.text("policy")).expect("a policy");
        let actions: BTreeSet<&str> = rights.iter().map(|right| right.action.as_str()).collect();
        // The key of one's own is there in some installations.
        let actions: BTreeSet<&str> = actions.into_iter().filter(|action| !action.starts_with("kms:")).collect();
        let expected = needed.get(address).unwrap_or_else(|| panic!("nobody wrote down what `{address}` is for"));
        assert_eq!(&actions, expected, "{address}");
        for Right { action, resource } in &rights {
            assert!(!action.contains('*'), "{address} allows `{action}`");
            let ours = resource.contains("outpost") || resource.contains(":key/");
            assert!(ours || EVERYWHERE.contains(&action.as_str()), "{address} allows `{action}` on `{resource}`");
        }
        seen.insert(address.to_owned());
    }
    seen
}

/// Whoever deploys may ask what Terraform asked. `deployer.json` is for what is on by default: what the optional modules ask of
/// networks, load balancers and file systems is left out, and services that name no operation in a request are.
pub(crate) fn deployer(asked: &BTreeSet<String>) {
    let text = fs::read_to_string(root().join("infrastructure/deployer.json")).expect("deployer.json");
    let allowed = rights(&text).expect("a policy");
    let may = |action: &str| {
        let all = format!("{}:*", action.split(':').next().unwrap_or_default());
        allowed.iter().any(|right| right.action == action || right.action == all)
    };
    let (mut seen, mut refused) = (0, Vec::new());
    for line in asked {
        let (service, operation) = line.split_once(' ').expect("two words");
        let service = match service {
            "monitoring" => "cloudwatch",
            "ec2" | "elasticloadbalancing" | "elasticfilesystem" => continue,
            other => other,
        };
        let action = format!("{service}:{operation}");
        seen += 1;
        if !may(&action) {
            refused.push(action);
        }
    }
    assert_eq!(refused, [""; 0], "`deployer.json` does not allow what Terraform asked for");
    assert!(seen > 60, "{asked:?}");
    assert!(!may("iam:CreateUser") && !may("iam:CreateAccessKey"), "it makes no users");
}

#[test]
fn whoever_deploys_makes_keys_of_ours_only() {
    let text = fs::read_to_string(root().join("infrastructure/deployer.json")).expect("deployer.json");
    let policy: Value = serde_json::from_str(&text).expect("JSON");
    let statements = policy["Statement"].as_array().expect("statements");
    let new = statements.iter().find(|one| one["Action"].to_string().contains("kms:CreateKey")).expect("a statement");
    // The provider makes a key and gives it its tags in one call, and AWS asks for both rights.
    assert_eq!(new["Action"], serde_json::json!(["kms:CreateKey", "kms:TagResource"]));
    assert_eq!(new["Condition"]["StringEquals"]["aws:RequestTag/Project"], "outpost");
    let versions = fs::read_to_string(root().join("infrastructure/terraform/versions.tf")).expect("versions.tf");
    assert!(versions.contains("tags = { Project = \"outpost\""), "each thing has the tag that is asked for");
}

/// Actions that a text has: `s3:GetObject` as it is, or what stands in backticks behind one, as `PutObject` there.
fn actions(text: &str) -> BTreeSet<String> {
    let mut service = "";
    let mut found = BTreeSet::new();
    for word in text.split(['`', '"']) {
        let (of, operation) = word.split_once(':').unwrap_or((service, word));
        let known = ["kms", "s3", "secretsmanager", "ssm"].contains(&of);
        let whole = operation.chars().all(char::is_alphanumeric) && operation.starts_with(char::is_uppercase);
        // The one condition that looks like an action.
        if known && whole && operation != "ViaService" {
            service = of;
            found.insert(format!("{of}:{operation}"));
        }
    }
    found
}

#[test]
fn what_the_role_of_a_tenant_may_is_written_down() {
    let page = fs::read_to_string(root().join("services/aws/README.md")).expect("services/aws/README.md");
    let row = page.lines().find(|line| line.starts_with("| the tenant's role |")).expect("a row");
    let files = fs::read_to_string(root().join("infrastructure/terraform/modules/secrets/iam.tf")).expect("iam.tf");
    // Whatever the layout.
    let quoted: BTreeSet<String> =
        actions(&files).into_iter().filter(|one| files.contains(&format!("\"{one}\""))).collect();
    assert!(quoted.len() > 15, "{quoted:?}");
    assert_eq!(actions(row), quoted);
}

/// How many policies an installation has, with everything on.
pub(crate) fn all() -> BTreeSet<String> {
    needed().into_keys().map(str::to_owned).collect()
}
