//! An agent's job: what it is asked, and what its attempt comes to.
//!
//! The attempt is a process of its own below a keeper ([`hand`]): it holds the gateway and, while it runs, the provider's key;
//! the agent below it has a token that is good for this attempt only. The key comes on standard input.

pub(crate) mod hand;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use outpost_agent::attempt::{Access, JOB_VERSION, Job, Limits, OUTCOME, Outcome as Told};
use outpost_agent::classify::Class;
use outpost_agent::command::{Approval, Trust};
use outpost_agent::contract;
use outpost_agent::gate::Caps;
use outpost_agent::prompt::{Brief, Input};
use outpost_core::actions::Stream;
use outpost_core::job::{Code, Outcome, Usage, Verdict};
use outpost_core::ports::SecretKind;
use outpost_core::spec::{Port, PortKind};
use outpost_executor::{Outcome as Became, Report};
use serde::{Deserialize, Serialize};

use crate::attempt::{Attempt, OURSELVES};
use crate::ending::End;
use crate::files::{self, Left};
use crate::settings::Walls;
use crate::tell::Voices;

/// The word of the command line that leads to [`hand`].
pub(crate) const AGENT: &str = "__agent";

/// What the process is told on standard input.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    job: Job,
    caps: Caps,
    /// The provider's key, where the agent needs one.
    key: Option<String>,
    /// Where that key is good for, if it is another place than the definition's.
    upstream: Option<String>,
    walls: Option<Fence>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fence {
    required: bool,
    gateway_only: bool,
}

/// What the process leaves beside `outcome.json`.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Counted {
    input_tokens: u64,
    output_tokens: u64,
    micro_usd: u64,
}

/// It speaks as OpenAI does.
const DEEPSEEK: &str = "https://api.deepseek.com";
const COUNTED: &str = "counted.json";

impl Attempt<'_> {
    fn record_of_agent(&self) -> PathBuf {
        self.place.own().join("agent")
    }

    /// Has the agent do it.
    pub(crate) async fn agent(&mut self) -> End {
        let name = self.spec().agent.clone();
        let Some(definition) = self.worker.definitions.get(&name) else {
            return End::failed(Code::AgentMissing, &format!("this worker has no agent `{name}`"));
        };
        let needs = self.worker.desk.settings().offer.agent(&name).and_then(|agent| agent.secret);
        let key = needs.and_then(|kind| self.secrets.get(kind.as_str()));
        if let (Some(kind), None) = (needs, key) {
            let kind = SecretKind::as_str(kind);
            let told = format!("the agent `{name}` needs the secret `{kind}`, and there is none: store one");
            return End::failed(Code::SecretMissing, &told);
        }
        let order = Order {
            job: self.job_of_agent(),
            caps: self.caps(),
            upstream: needs.filter(|kind| *kind == SecretKind::Deepseek).map(|_| DEEPSEEK.to_owned()),
            key: key.map(|key| String::from_utf8_lossy(key).into_owned()),
            walls: self.walls(),
        };
        let passed = definition.env_pass.clone();
        let mut work = self.work("agent", OURSELVES);
        work.args = vec![AGENT.into()];
        let mut env: BTreeMap<_, _> = self.plain_environment();
        env.extend(passed.iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?))));
        work.env = env.into_iter().collect();
        work.stdin = match serde_json::to_vec(&order) {
            Ok(text) => Some(text),
            Err(error) => return End::Broken(error.to_string()),
        };
        work.limits = self.limits();
        let report = match self.run(work, Some(Voices { stdout: Stream::Event, stderr: Stream::Worker })).await {
            Ok(report) => report,
            Err(end) => return self.counted(end),
        };
        let told = Told::read(&self.record_of_agent());
        let end = match told {
            Ok(told) => of_agent(&report, told, self.spec().timeout_seconds),
            Err(error) => End::Broken(format!("what the agent's attempt came to cannot be read: {error}")),
        };
        self.counted(end)
    }

    /// What was used, exactly: the gateway counted it. An agent that has none tells nothing that is charged.
    fn counted(&self, end: End) -> End {
        let text = std::fs::read(self.record_of_agent().join(COUNTED)).ok();
        let counted: Option<Counted> = text.and_then(|text| serde_json::from_slice(&text).ok());
        let counted = counted.or_else(|| so_far(&self.record_of_agent())).unwrap_or_default();
        crate::ending::with(end, |outcome| {
            outcome.usage = Usage {
                input_tokens: counted.input_tokens,
                output_tokens: counted.output_tokens,
                micro_usd: counted.micro_usd,
                ..outcome.usage
            };
        })
    }

    fn caps(&self) -> Caps {
        let budget = self.spec().budget.unwrap_or_default();
        Caps { micro_usd: budget.micro_usd, tokens: budget.tokens }
    }

    fn walls(&self) -> Option<Fence> {
        let fence = self.worker.settings.fence;
        let required = fence.walls == Walls::Required;
        (fence.walls != Walls::Off).then_some(Fence { required, gateway_only: fence.gateway_only })
    }

    fn job_of_agent(&self) -> Job {
        let (id, spec) = (&self.claim.job().id, self.spec());
        let offered = self.worker.desk.settings().offer.agent(&spec.agent);
        let inputs = spec.inputs.iter().map(|(name, value)| Input {
            name: name.clone(),
            source: "the job".to_owned(),
            value: value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned),
        });
        #[expect(clippy::cast_precision_loss, reason = "dollars, for the agent's own count")]
        let budget_usd = spec.budget.and_then(|budget| budget.micro_usd).map(|micro| micro as f64 / 1e6);
        let brief = Brief {
            blueprint: "Outpost".to_owned(),
            task_id: id.to_string(),
            task_name: first_line(&spec.task),
            goal: spec.task.clone(),
            acceptance: spec.acceptance.clone(),
            inputs: inputs.collect(),
            ports: spec.ports.iter().map(port).collect(),
            ..Brief::default()
        };
        let mut env = spec.env.clone();
        env.insert("OUTPOST_JOB".to_owned(), id.to_string());
        Job {
            version: JOB_VERSION,
            agent: spec.agent.clone(),
            definitions: self.worker.settings.agents.clone(),
            folder: self.record_of_agent(),
            state: self.place.home(),
            workspace: self.place.tree(),
            brief,
            model: spec.model.clone().or_else(|| offered?.model.clone()),
            effort: None,
            approval: Approval::Full,
            // What a tenant clones may be anybody's.
            trust: Trust::Untrusted,
            access: Access::Gate,
            resume: None,
            limits: Limits { budget_usd, wall: Some(self.left().as_secs().max(1)), ..Limits::default() },
            files: Vec::new(),
            env,
            hide: Vec::new(),
        }
    }

    /// What is left of what the agent said.
    pub(crate) fn transcripts(&self) -> Vec<Left> {
        let folder = self.record_of_agent();
        let all = [
            ("transcript.jsonl", "application/x-ndjson", "stdout.jsonl"),
            ("events.jsonl", "application/x-ndjson", "events.jsonl"),
            ("stderr.log", "text/plain", "stderr.log"),
            ("outcome.json", "application/json", OUTCOME),
        ];
        let found =
            all.into_iter().filter_map(|(name, kind, file)| files::ours(name, kind, &folder.join(file)).ok()?);
        found.filter(|left| left.file.metadata().is_ok_and(|found| found.len() > 0)).collect()
    }
}

/// What an attempt had used that was killed before it could count.
fn so_far(folder: &Path) -> Option<Counted> {
    let spent = Told::spent_so_far(folder).ok()??;
    let usage = spent.usage.unwrap_or_default();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "dollars are not negative, and far from the bound"
    )]
    let micro_usd = (spent.cost_usd.unwrap_or_default().max(0.0) * 1e6).ceil() as u64;
    Some(Counted { input_tokens: usage.input.saturating_add(usage.cached), output_tokens: usage.output, micro_usd })
}

fn port(port: &Port) -> contract::Port {
    let kind = match port.kind {
        PortKind::String => contract::PortKind::String,
        PortKind::Integer => contract::PortKind::Integer,
        PortKind::Number => contract::PortKind::Number,
        PortKind::Boolean => contract::PortKind::Boolean,
        PortKind::Path => contract::PortKind::Path,
        PortKind::Json => contract::PortKind::Json,
    };
    let Port { name, description, optional, .. } = port.clone();
    contract::Port { name, kind, description, optional }
}

fn first_line(task: &str) -> String {
    task.trim().lines().next().unwrap_or_default().chars().take(100).collect()
}

/// How an attempt of an agent ended that nobody pulled the reins of.
fn of_agent(report: &Report, told: Option<Told>, seconds: u32) -> End {
    let Some(told) = told else {
        return match &report.outcome {
            Became::TimedOut => End::timed_out(seconds),
            other => End::Broken(format!(
                "its agent's attempt ended as {other:?} and left no outcome: {}",
                report.stderr.tail
            )),
        };
    };
    if report.outcome == Became::TimedOut || told.class == Class::TimedOut {
        return End::timed_out(seconds);
    }
    let outputs = told.answer.map(|answer| answer.outputs).unwrap_or_default();
    let message = if told.class == Class::Done && !told.text.is_empty() { told.text } else { told.message };
    let (result, code) = match code(told.class) {
        None => (Verdict::Succeeded, None),
        Some(code) => (Verdict::Failed, Some(code)),
    };
    End::Over(Box::new(Outcome {
        result,
        code,
        message,
        exit_code: told.exit,
        outputs,
        usage: Usage::default(),
        artifacts: Vec::new(),
    }))
}

/// Each class of an end has one code.
fn code(class: Class) -> Option<Code> {
    Some(match class {
        Class::Done => return None,
        Class::Auth => Code::ProviderRefused,
        Class::Config => Code::AgentMissing,
        Class::Budget => Code::BudgetExceeded,
        Class::RateLimit | Class::Transient => Code::ProviderBusy,
        Class::NeedsHuman => Code::NeedsHuman,
        Class::TimedOut => Code::Timeout,
        Class::MaxTurns
        | Class::Truncated
        | Class::GaveUp
        | Class::SessionLost
        | Class::SessionConflict
        | Class::Stalled
        | Class::Looping
        | Class::Killed
        | Class::RefusedTool
        | Class::NoResult
        | Class::AgentError
        | Class::Blocked => Code::AgentFailed,
    })
}
