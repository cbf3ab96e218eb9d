//! With a role, what is done for a tenant can reach what is that tenant's alone, whatever path it asks for.

use aws_sdk_s3::error::ProvideErrorMetadata as _;
use outpost_core::id::TenantId;
use outpost_core::ports::{Clock as _, Secret};
use outpost_core::store::Problem;
use serde_json::json;

use crate::emulator::strict;
use crate::house::{House, account, config, run, signed};

/// Calls IAM, which has no client here.
async fn iam(config: &aws_config::SdkConfig, account: &str, form: &[(&str, &str)]) {
    let escape = |text: &str| -> String {
        text.bytes()
            .map(
                |byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") },
            )
            .collect()
    };
    let body: Vec<String> = form.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    let headers = [("content-type", "application/x-www-form-urlencoded")];
    signed(config, account, "iam", &headers, format!("{}&Version=2010-05-08", body.join("&"))).await;
}

#[test]
fn a_role_reaches_one_tenant() {
    let Some(emulator) = strict() else { return };
    run(async {
        let account = account();
        let root = config(&emulator.endpoint(), &account).await;
        let role = format!("arn:aws:iam::{account}:role/tenant");
        let trust = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{account}:root")}, "Action": "sts:AssumeRole",
        }]});
        let policy = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": ["s3:*", "secretsmanager:*"], "Resource": "*",
        }]});
        let trust =
            [("Action", "CreateRole"), ("RoleName", "tenant"), ("AssumeRolePolicyDocument", &trust.to_string())];
        iam(&root, &account, &trust).await;
        let may = [("RoleName", "tenant"), ("PolicyName", "all"), ("PolicyDocument", &policy.to_string())];
        iam(&root, &account, &[&[("Action", "PutRolePolicy")][..], &may[..]].concat()).await;

        let house = House::of(root, account, |settings| settings.tenant_role = Some(role.clone())).await;
        let now = house.clock.now();
        let [mine, other] = [1, 2].map(|number| TenantId::new(now, &[number; 10]));
        let secret = Secret::new("sk-0123456789-0123456789".into());
        for tenant in [&mine, &other] {
            assert_eq!(house.aws.blobs.put(tenant, "job_1/log", b"log".to_vec()).await, Ok(()));
            assert_eq!(house.aws.blobs.get(tenant, "job_1/log", 99).await, Ok(Some(b"log".to_vec())));
            assert_eq!(house.aws.blobs.get(tenant, "job_1/none", 99).await, Ok(None), "none is no refusal");
            assert_eq!(house.aws.blobs.list(tenant, "", None, 9).await, Ok(vec!["job_1/log".to_owned()]));
            assert_eq!(house.aws.vault.put(tenant, "openai", &secret, now).await, Ok(()));
            assert_eq!(house.aws.vault.put(tenant, "openai", &secret, now).await, Ok(()), "again, in its place");
            assert_eq!(house.aws.vault.get(tenant, "openai").await, Ok(Some(secret.clone())));
            assert_eq!(house.aws.vault.notes(tenant).await.map(|notes| notes.len()), Ok(1));
        }
        // What a fault of ours would do: the same session, another tenant's names.
        let session = outpost_aws::for_tenant(&house.config, &house.settings, &mine).await;
        let s3 = aws_sdk_s3::config::Builder::from(&session).force_path_style(true).build();
        let s3 = aws_sdk_s3::Client::from_conf(s3);
        let secrets = aws_sdk_secretsmanager::Client::new(&session);
        for (tenant, allowed) in [(&mine, true), (&other, false)] {
            let got = s3.get_object().bucket(&house.bucket).key(format!("{tenant}/job_1/log")).send().await;
            assert_eq!(got.is_ok(), allowed, "{got:?}");
            if let Err(error) = got {
                assert_eq!(error.code(), Some("AccessDenied"));
            }
            let listed = s3.list_objects_v2().bucket(&house.bucket).prefix(format!("{tenant}/")).send().await;
            assert_eq!(listed.is_ok(), allowed, "{listed:?}");
            let told = secrets.get_secret_value().secret_id(format!("/outpost/tenants/{tenant}/openai")).send().await;
            assert_eq!(told.is_ok(), allowed, "{told:?}");
        }
        let gone = house.aws.vault.remove(&mine, "openai").await;
        assert_eq!((gone, house.aws.vault.get(&mine, "openai").await), (Ok(true), Ok(None)));
        assert_eq!(house.aws.blobs.remove(&mine, "").await, Ok(()));
        assert_eq!(house.aws.blobs.get(&other, "job_1/log", 99).await, Ok(Some(b"log".to_vec())));
        // A link is signed by the tenant's session, and dies with it.
        let link = house.aws.blobs.link(&other, "job_1/log", now.plus(std::time::Duration::from_secs(3600))).await;
        assert!(link.expect("a link").contains("X-Amz-Security-Token="));
        let far = house.aws.blobs.link(&other, "job_1/log", now.plus(std::time::Duration::from_secs(8 * 86_400))).await;
        assert!(matches!(far, Err(Problem::Broken(_))), "{far:?}");
    });
}
