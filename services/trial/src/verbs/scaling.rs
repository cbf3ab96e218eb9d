//! `scaling`: workers come with jobs and go after them. How many are wanted is asked of a command, so that this program speaks
//! to no cloud.

use std::process::Stdio;
use std::time::{Duration, Instant};

use clap::Args;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::house::{House, Wish};
use crate::metric::{SCALE_DOWN, SCALE_UP};
use crate::options::duration;
use crate::report::{Fault, Report, Stop, say};

/// For one answer of the command.
const ANSWER: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(crate) struct Scaling {
    /// A command of the shell that prints how many workers are wanted
    #[arg(long, value_name = "COMMAND")]
    desired_command: String,
    /// Jobs that are submitted
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    jobs: u32,
    /// How soon after the first job a worker has to be wanted
    #[arg(long, value_name = "DURATION", default_value = "PT60S", value_parser = duration)]
    scale_within: Duration,
    /// How soon after the last job none is wanted any more
    #[arg(long, value_name = "DURATION", default_value = "PT15M", value_parser = duration)]
    idle_within: Duration,
}

impl Scaling {
    async fn desired(&self) -> Result<u64, Fault> {
        let mut command = Command::new("sh");
        command.args(["-c", &self.desired_command]).stdin(Stdio::null()).stderr(Stdio::inherit()).kill_on_drop(true);
        // What opens the service is none of its business.
        command.env_remove("OUTPOST_TRIAL_ADMIN_KEY").env_remove("OUTPOST_TRIAL_SECRET");
        let late =
            |_| Fault::wrong(format!("`{}` has not answered within {} s", self.desired_command, ANSWER.as_secs()));
        let output = timeout(ANSWER, command.output()).await.map_err(late)?;
        let output = output.map_err(|error| Fault::wrong(format!("`sh` cannot be run: {error}")))?;
        let text = String::from_utf8_lossy(&output.stdout);
        match text.trim().parse() {
            Ok(number) if output.status.success() => Ok(number),
            _ => Err(Fault::wrong(format!(
                "`{}` ended with {} and printed no number: `{}`",
                self.desired_command,
                output.status,
                text.trim()
            ))),
        }
    }

    /// Asks until it is as it should be; none where that is too late.
    async fn wait(&self, since: Instant, within: Duration, fits: fn(u64) -> bool) -> Result<Option<Duration>, Fault> {
        let mut before = None;
        loop {
            let desired = self.desired().await?;
            let passed = since.elapsed();
            if before != Some(desired) {
                say(&format!("        {desired} wanted after {:.0} s", passed.as_secs_f64()));
                before = Some(desired);
            }
            if fits(desired) {
                return Ok(Some(passed));
            }
            if passed + PAUSE > within {
                return Ok(None);
            }
            sleep(PAUSE).await;
        }
    }
}

pub(crate) async fn run(house: &House, report: &mut Report, scaling: &Scaling) -> Result<(), Stop> {
    let idle = |wanted| wanted == 0;
    let first = async {
        let waited = scaling.wait(Instant::now(), scaling.idle_within, idle).await?;
        waited.ok_or_else(|| Fault::wrong("workers are wanted before there is a job, and stay"))
    };
    report.check("no worker is wanted at first", first).await?;
    let wish = Wish { tier: Some("enterprise"), active: Some(u64::from(scaling.jobs)) };
    let ada = report.check("a tenant comes", house.tenant("ada", wish)).await?;
    let agent = report.check("the service offers an agent to it", house.agent(&ada)).await?;
    report.check("it stores a secret", house.store_secret(&ada, &agent)).await?;

    let mut ids = Vec::new();
    let began = Instant::now();
    ids.push(report.check("it submits a job", house.submit(&ada, &agent, &house.word("job-1"))).await?);
    let up =
        report.check("workers are counted", scaling.wait(began, scaling.scale_within, |wanted| wanted > 0)).await?;
    let goal = SCALE_UP.within(scaling.scale_within.as_secs_f64());
    report.metric(match up {
        Some(up) => goal.measured(up.as_secs_f64(), "from the first job until a worker is wanted"),
        None => goal.missed("no worker is wanted"),
    });
    let all = async {
        for number in 2..=scaling.jobs {
            ids.push(house.submit(&ada, &agent, &house.word(&format!("job-{number}"))).await?);
        }
        for id in &ids {
            house.ended(&ada, id).await?;
        }
        Ok(ids.len())
    };
    let count = report.check("all jobs end", all).await?;
    report.note(format!("{count} jobs"));
    let down = scaling.wait(Instant::now(), scaling.idle_within, idle);
    let down = report.check("workers are counted again", down).await?;
    let goal = SCALE_DOWN.within(scaling.idle_within.as_secs_f64());
    report.metric(match down {
        Some(down) => goal.measured(down.as_secs_f64(), "from the end of the last job until no worker is wanted"),
        None => goal.missed("workers are wanted still"),
    });
    Ok(())
}
