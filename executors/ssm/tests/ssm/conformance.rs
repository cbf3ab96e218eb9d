//! The suite that every executor passes. What this one does otherwise is in `can`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outpost_executor::conformance::{Can, Case, Subject};
use outpost_executor::{Executor, Pending, Token, Work};
use outpost_ssm::Ssm;

use crate::stage::{Stage, on_tokio};

outpost_executor::conformance!(with);

struct Remote {
    stage: Stage,
    place: PathBuf,
    ssm: Ssm,
}

fn with(case: Case) {
    let stage = Stage::new();
    on_tokio(async {
        let mut subject = Remote { place: stage.place(), ssm: stage.ssm(), stage };
        case(&mut subject).await;
    });
}

impl Subject for Remote {
    fn executor(&self) -> &dyn Executor {
        &self.ssm
    }

    fn work(&self, script: &str, token: Token) -> Work {
        self.stage.work_of(script, token)
    }

    fn restart(&mut self) {
        self.ssm = self.stage.ssm();
    }

    fn can(&self) -> Can {
        Can {
            tell_signals: false,
            find_the_nameless: has_cgroups(),
            die_with_the_runner: false,
            start_a_token_once: true,
            tell_old_output: true,
            // Without a bucket.
            keep: 12_000,
        }
    }

    fn folder(&self) -> &Path {
        &self.place
    }

    fn pause(&self) -> Pending<'_, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(10)))
    }

    fn connect(&self, up: bool) -> bool {
        self.stage.cloud.set_down(!up);
        true
    }
}

/// Whether this user may make a cgroup here.
pub(crate) fn has_cgroups() -> bool {
    let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(own) = own.lines().find_map(|line| line.strip_prefix("0::")) else { return false };
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].iter().any(|root| {
        let folder = format!("{root}{}", own.trim_end_matches('/'));
        let probe = format!("{folder}/outpost-test-{}", std::process::id());
        Path::new(&folder).join("cgroup.procs").exists()
            && fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).is_ok()
    })
}
