//! Telling people what happens, beside the work: what is due is sent, and what became of it is written down like all
//! else. And the other way round: decisions that stand in variables of this process.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use super::Driver;
use super::signals::Signals;
use crate::blueprint::TaskIndex;
use crate::blueprint::model::{Channel, GateTimeout};
use crate::document::Source;
use crate::engine::bench::{Bench, shell};
use crate::engine::error::Broken;
use crate::engine::moment::now;
use crate::engine::notice::{About, Command, Desk, Due, Facts, Said, Told, Way, line, said};
use crate::journal::Journal as _;
use crate::run::{Event, GateDecision, Mode, Moment, OnTimeout, Refusal};

/// How long a driver that has nothing else to do waits for notices: a little longer than an attempt may take.
const LEAVE: Duration = Duration::from_secs(11);
/// And then for commands that run: a little longer than they have.
const LAST: Duration = Duration::from_secs(10);

/// What a driver has to do with notices.
pub(super) struct Notices {
    pub(super) desk: Desk,
    /// Whether a decision may stand in a variable.
    has_variables: bool,
    /// Gates whose variables were looked at: those of a process do not change.
    read: BTreeSet<(u32, Moment)>,
    counts: Counts,
}

/// How many letters were told, and how many could not be.
pub type Counts = (usize, usize);

impl Notices {
    pub(super) fn new(bench: &Bench<'_>, source: &Source) -> Self {
        let facts = Facts {
            run: bench.files.id().to_owned(),
            file: source.name().to_owned(),
            directory: bench.root.clone(),
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        };
        let gates = bench.blueprint.tasks.iter().filter_map(|task| task.gate.as_deref());
        let has_variables = gates.flat_map(|gate| &gate.notify).any(|notice| notice.to.channel == Channel::Env);
        Self { desk: Desk::new(facts, bench.blueprint), has_variables, read: BTreeSet::new(), counts: (0, 0) }
    }
}

impl Driver<'_> {
    /// Decisions that stand in variables: whether there were any. Each gate is asked for once.
    pub(super) fn read_variables(&mut self) -> Result<bool, Broken> {
        if !self.notices.has_variables || self.run.mode() != Mode::Going {
            return Ok(false);
        }
        let mut has_any = false;
        let open: Vec<(TaskIndex, Moment, String)> =
            self.run.open_gates().map(|(index, gate)| (index, gate.opened, gate.digest.clone())).collect();
        for (index, opened, digest) in open {
            let blueprint = self.bench.blueprint;
            let Some(gate) = blueprint.task(index).gate.as_deref() else {
                continue;
            };
            let all = gate.notify.iter().map(|notice| &notice.to).filter(|to| to.channel == Channel::Env);
            let variables: Vec<(&str, bool)> =
                all.filter_map(|to| Some((to.variable.as_deref()?, to.any_value))).collect();
            if variables.is_empty() || !self.notices.read.insert((index.0, opened)) {
                continue;
            }
            let mut is_set = false;
            for &(variable, any_value) in &variables {
                let said = said(std::env::var_os(variable).as_deref(), any_value);
                is_set |= said != Said::Nothing;
                has_any |= self.hear(index, variable, said, &digest);
            }
            let consequence = match gate.on_missing {
                Some(GateTimeout::Abort) => OnTimeout::Abort,
                Some(GateTimeout::Skip) => OnTimeout::Skip,
                Some(GateTimeout::Continue) => OnTimeout::Continue,
                // It waits like every gate.
                None => continue,
            };
            if !is_set {
                let events = self.run.gate_unset(self.clock, index, variables[0].0, consequence).unwrap_or_default();
                let stops = events.iter().any(|event| matches!(event, Event::Stopping { .. }));
                self.happened(events);
                has_any = true;
                if stops {
                    self.flush()?;
                    self.cancel();
                }
            }
        }
        Ok(has_any)
    }

    /// Whether what a variable says is taken.
    fn hear(&mut self, index: TaskIndex, variable: &str, said: Said, digest: &str) -> bool {
        let task = self.bench.task(index).id.to_string();
        let (approved, digest) = match said {
            Said::Nothing => return false,
            Said::Yes => (true, digest.to_owned()),
            Said::YesTo(digest) => (true, digest),
            Said::No => (false, digest.to_owned()),
            Said::Unclear => {
                self.watcher.remark(&format!(
                    "`{variable}` is set and says neither `approve` nor `reject`: {task} waits for a person"
                ));
                return false;
            }
        };
        let by = format!("env:{variable}");
        let decision =
            GateDecision { task: task.clone(), approved, by, comment: String::new(), digest, set: Vec::new() };
        // Who begins a run, or goes on with it, sets its variables: that is not somebody else.
        let own = self.bench.task(index).gate.as_ref().is_some_and(|gate| gate.self_approval == Some(false));
        let told = if approved && own { Err(Refusal::Own) } else { self.run.decided(self.clock, decision) };
        match told {
            Ok(events) => {
                self.happened(events);
                true
            }
            Err(Refusal::Repeated(_)) => false,
            Err(refusal) => {
                self.watcher.remark(&format!("`{variable}` decides nothing of {task}: {refusal}"));
                false
            }
        }
    }

    /// Sends what is due. Nobody waits for it.
    pub(super) fn tell(&mut self) {
        for (due, letter) in self.notices.desk.take(self.bench.blueprint, &self.run, now()) {
            if due.to.channel == Channel::Console {
                self.watcher.call(&line(&letter));
                self.told(Told { key: due.key, channel: due.channel, problem: None });
            } else {
                let way = self.way(&due);
                self.notices.desk.send(&due, letter, way);
            }
        }
    }

    fn way(&self, due: &Due<'_>) -> Result<Way, String> {
        let lookup = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let secrets = &self.bench.secrets;
        let task = match due.about {
            About::Gate(index, _) => Some(self.bench.task(index)),
            About::Waiting | About::Ended(_) => None,
        };
        let command = |text: &str| {
            let (program, args) = shell(self.bench.blueprint, task);
            let (text, variables) = secrets.carry(text);
            Command {
                executor: self.hands.shell(),
                program,
                args,
                text,
                variables,
                secrets: secrets.hidden().clone(),
                directory: self.bench.root.clone(),
                folder: Path::new(self.bench.files.folder()).to_owned(),
            }
        };
        Way::to(due.to, self.bench.blueprint, secrets, &lookup, command)
    }

    /// Tells what is due, waits for it, and leaves the run as it is.
    pub async fn remind(&mut self) -> Result<Counts, Broken> {
        let mut signals = Signals::listen()?;
        self.tell();
        self.see_off(&mut signals).await?;
        self.journal.sync()?;
        Ok(self.notices.counts)
    }

    /// What became of a notice, to be written down with the rest of the turn.
    pub(super) fn told(&mut self, told: Told) {
        let Told { key, channel, problem } = told;
        let problem = problem.map(|problem| self.bench.secrets.clean(problem));
        let count = if problem.is_none() { &mut self.notices.counts.0 } else { &mut self.notices.counts.1 };
        *count += 1;
        let again = problem.as_ref().map(|problem| format!("nobody was told by {channel}: {problem}"));
        let events = self.run.noticed(now(), key, channel, problem).unwrap_or_default();
        // The journal has it from the last time.
        if let Some(again) = again.filter(|_| events.is_empty()) {
            self.watcher.remark(&again);
        }
        self.happened(events);
    }

    /// Waits a moment for notices that are on their way. A signal ends the wait: what was not told then is tried
    /// again by who takes the run up.
    pub(super) async fn see_off(&mut self, signals: &mut Signals) -> Result<(), Broken> {
        self.notices.desk.hurry();
        self.await_told(LEAVE, signals).await;
        self.close_desk(signals).await;
        self.flush()
    }

    /// Hears what became of notices for so long, or until a signal: whether it heard of all of them.
    async fn await_told(&mut self, patience: Duration, signals: &mut Signals) -> bool {
        let patience = sleep(patience);
        tokio::pin!(patience);
        loop {
            tokio::select! {
                biased;
                told = self.notices.desk.told() => match told {
                    Some(told) => self.told(told),
                    None => return true,
                },
                _ = signals.next() => return false,
                () = &mut patience => return false,
            }
        }
    }

    /// Sends nothing any more, and hears what became of what was sent: a command that is broken off halfway would be
    /// called failed, and told again by the next driver. A signal ends the wait.
    pub(super) async fn close_desk(&mut self, signals: &mut Signals) {
        self.notices.desk.close();
        if self.await_told(LAST, signals).await {
            return;
        }
        for told in self.notices.desk.give_up().await {
            self.told(told);
        }
    }
}
