//! The suites of the ports, each case in an account of its own.

use std::path::Path;
use std::time::Duration;

use outpost_aws::Layout;
use outpost_core::conformance::{Case, Subject};
use outpost_core::moment::Moment;
use outpost_core::ports::{Blobs, Clock as _, Queue, Vault};
use outpost_core::store::{House as AllTenants, Pending, Store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::emulator::{Emulator, emulator};
use crate::house::{House, account, config, run};
use crate::proxy::endpoint;

outpost_core::conformance!(with);

#[derive(Debug)]
struct There {
    emulator: &'static Emulator,
    house: House,
    folder: tempfile::TempDir,
}

impl Subject for There {
    fn store(&self) -> &dyn Store {
        &*self.house.aws.store
    }

    fn house(&self) -> &dyn AllTenants {
        &*self.house.aws.house
    }

    fn queue(&self) -> &dyn Queue {
        &*self.house.aws.queue
    }

    fn blobs(&self) -> &dyn Blobs {
        &*self.house.aws.blobs
    }

    fn vault(&self) -> &dyn Vault {
        &*self.house.aws.vault
    }

    fn now(&self) -> Moment {
        self.house.clock.now()
    }

    fn pass(&self, time: Duration) -> Pending<'_, ()> {
        self.house.clock.pass(time);
        self.emulator.ahead(&self.house.account, self.house.clock.ahead());
        Box::pin(async {})
    }

    fn pause(&self) -> Pending<'_, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(20)))
    }

    /// Asks for the very text of the link: no client makes another one of it.
    fn fetch<'a>(&'a self, link: &'a str) -> Pending<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            let (host, path) = link.strip_prefix("http://").expect("a link").split_once('/').expect("a path");
            let mut stream = TcpStream::connect(host).await.expect("a service");
            let asked = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
            stream.write_all(asked.as_bytes()).await.expect("asked");
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.expect("an answer");
            let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
            let head = String::from_utf8_lossy(&answer[..end]).to_lowercase();
            if !head.starts_with("http/1.1 200") {
                return None;
            }
            assert!(head.contains("content-disposition: attachment; filename=\"file.txt\""), "{head}");
            Some(answer[end + 4..].to_vec())
        })
    }

    /// What lists of the account show; values of secrets are what nobody can look at without asking for them.
    fn holds(&self, bytes: &[u8]) -> bool {
        let shown = std::thread::scope(|scope| scope.spawn(|| run(self.shown())).join().expect("no panic"));
        shown.as_bytes().windows(bytes.len()).any(|window| window == bytes)
    }

    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl There {
    async fn shown(&self) -> String {
        let secrets = aws_sdk_secretsmanager::Client::new(&self.house.config).list_secrets().send().await;
        let mut shown = format!("{:?}", secrets.expect("a list"));
        let parameters = aws_sdk_ssm::Client::new(&self.house.config).describe_parameters().send().await;
        shown += &format!("{:?}", parameters.expect("a list"));
        let dynamodb = aws_sdk_dynamodb::Client::new(&self.house.config);
        for table in dynamodb.list_tables().send().await.expect("a list").table_names() {
            shown += &format!("{:?}", dynamodb.scan().table_name(table).send().await.expect("items"));
        }
        shown
    }
}

fn with(case: Case) {
    with_layout(Layout::default(), case);
}

pub(crate) fn with_layout(layout: Layout, case: Case) {
    let Some(emulator) = emulator() else { return };
    run(async {
        let account = account();
        let config = config(&endpoint(emulator), &account).await;
        let house = House::of(config, account, |settings| settings.layout = layout).await;
        let folder = tempfile::tempdir().expect("a folder");
        case(&There { emulator, house, folder }).await;
    });
}

/// What the suite cannot know: that a look into what is stored finds what is there.
#[test]
fn a_look_into_the_account_finds_what_is_there() {
    with(|subject| {
        Box::pin(async move {
            let tenant = outpost_core::id::TenantId::new(subject.now(), &[1; 10]);
            let secret = outpost_core::ports::Secret::new("sk-0123456789-0123456789".into());
            assert!(!subject.holds(b"hook-canary"));
            subject.vault().put(&tenant, "hook-canary", &secret, subject.now()).await.expect("put");
            assert!(subject.holds(b"hook-canary") && subject.holds(tenant.as_str().as_bytes()));
        })
    });
}
