//! What came of a scenario, held to what it expects. Each expectation that is not met is told at its place.

use std::collections::BTreeSet;

use serde_json::Value;

use super::play::Played;
use super::script::Scenario;
use super::value::{before, list, milliseconds, texts};
use crate::blueprint::{Blueprint, TaskIndex, duration};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::Node;
use crate::report::diagnostics::counted;
use crate::report::status::Status;
use crate::run::{Chore, Completion, Ending, Event, Failure, Phase, Standing};

/// The word for how a run ended.
pub fn end(played: &Played) -> &'static str {
    if !played.refused.is_empty() {
        return "refused";
    }
    played.run.ending().map_or("waiting", Ending::word)
}

/// Everything that is not as expected. `exit` is what `run` would exit with.
pub fn judge(scenario: &Scenario<'_>, played: &Played, blueprint: &Blueprint<'_>, exit: u8) -> Vec<Diagnostic> {
    let driver = played.run.ending().is_none().then(|| "a made-up world".to_owned());
    let status = Status::of(&played.run, blueprint, &played.started, None, driver, Vec::new());
    let statuses = status.tasks.iter().map(|task| task.status).collect();
    let mut judge = Judge { scenario, played, blueprint, statuses, wrong: Vec::new() };
    judge.whole(exit);
    judge.tasks();
    judge.times();
    judge.wrong
}

struct Judge<'j> {
    scenario: &'j Scenario<'j>,
    played: &'j Played,
    blueprint: &'j Blueprint<'j>,
    /// The words of `status --json`, by task.
    statuses: Vec<&'static str>,
    wrong: Vec<Diagnostic>,
}

impl<'j> Judge<'j> {
    fn expect(&self, key: &str) -> Option<&'j Node<'j>> {
        self.scenario.expect.get(key)
    }

    fn wrong(&mut self, at: Span, message: String, got: &str) {
        let diagnostic = Diagnostic::new(Code::NotAsExpected, at, message).label(got.to_owned());
        self.wrong.push(diagnostic.help("`--verbose` shows what happened, and when"));
    }

    fn id(&self, index: TaskIndex) -> &'j str {
        self.blueprint.task(index).id.as_str()
    }

    fn find(&self, id: &str) -> Option<TaskIndex> {
        self.played.run.find(id)
    }

    /// Two lists of names that should be the same.
    fn same(&mut self, key: &str, what: &str, got: &[String]) {
        let Some(node) = self.expect(key) else {
            return;
        };
        let wanted = texts(node);
        if wanted != got {
            let name = |names: &[String]| if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            let message = format!("{what} are {}, not {}", name(got), name(&wanted));
            self.wrong(node.span, message, &format!("got: {}", name(got)));
        }
    }

    fn whole(&mut self, exit: u8) {
        let got = end(self.played);
        if let Some(node) = self.expect("run")
            && let Some(wanted) = node.text().filter(|wanted| *wanted != got)
        {
            let why = self.reason();
            self.wrong(node.span, format!("the run is {got}, not {wanted}{why}"), &format!("got: {got}"));
        }
        if let Some(node) = self.expect("exit_code")
            && node.as_number::<u8>() != Some(exit)
        {
            let message = format!("`run` exits with {exit}, not {}", node.text().unwrap_or_default());
            self.wrong(node.span, message, &format!("got: {exit}"));
        }
        for node in list(self.expect("refused")) {
            let wanted = node.text().unwrap_or_default();
            if !self.played.refused.iter().any(|line| line.contains(wanted)) {
                let got = if self.played.refused.is_empty() {
                    "the run was not refused".to_owned()
                } else {
                    self.played.refused.join("; ")
                };
                self.wrong(node.span, format!("no reason why the run did not begin says `{wanted}`"), &got);
            }
        }
        let opened = self.names(|event| match event {
            Event::GateOpened { task, .. } => Some(task.clone()),
            _ => None,
        });
        self.same("gates", "the gates that opened", &opened);
        let undone = self.names(|event| match event {
            Event::ChoreEnded { chore: Chore::Rollback { task }, failure: None, .. } => Some(task.clone()),
            _ => None,
        });
        self.same("rolled_back", "the tasks that were undone", &undone);
        let hooks = self.names(|event| match event {
            Event::ChoreStarted { chore: Chore::Hook { hook }, .. } => Some(hook.word().to_owned()),
            _ => None,
        });
        self.same("hooks", "the hooks that were carried out", &hooks);
    }

    fn names(&self, name: impl Fn(&Event) -> Option<String>) -> Vec<String> {
        self.played.events.iter().filter_map(|(_, event)| name(event)).collect()
    }

    /// What made a run end in another way than it should, as far as the first failure tells.
    fn reason(&self) -> String {
        if let Some(line) = self.played.refused.first() {
            return format!(": {line}");
        }
        let failed = self.played.run.indices().find_map(|index| match &self.played.run.task(index).phase {
            Phase::Blocked(failure) => Some(format!(": {} failed: {}", self.id(index), failure.message)),
            _ => None,
        });
        failed.or_else(|| Some(format!(": it waits for {}", self.played.run.waiting()?.join(", ")))).unwrap_or_default()
    }

    fn tasks(&mut self) {
        let mut named = BTreeSet::new();
        for entry in self.expect("tasks").and_then(Node::as_map).unwrap_or_default() {
            let Some(index) = self.find(&entry.key) else {
                continue;
            };
            named.insert(index);
            match entry.value.as_map() {
                None => self.status(index, &entry.value),
                Some(_) => self.standing(index, &entry.value),
            }
        }
        if let Some(node) = self.expect("others") {
            let others = self.scenario.plan.running().filter(|index| !named.contains(index));
            for index in others.collect::<Vec<_>>() {
                self.status(index, node);
            }
        }
    }

    fn status(&mut self, index: TaskIndex, node: &Node<'_>) {
        let (got, wanted) = (self.statuses[index.get()], node.text().unwrap_or_default());
        if got != wanted {
            let why = self.why(index).map_or_else(String::new, |why| format!(": {why}"));
            let message = format!("{} is {got}, not {wanted}{why}", self.id(index));
            self.wrong(node.span, message, &format!("got: {got}"));
        }
    }

    /// Why a task stands where it does.
    fn why(&self, index: TaskIndex) -> Option<String> {
        let state = self.played.run.task(index);
        match &state.phase {
            Phase::Skipped(reason) => Some(reason.clone()),
            Phase::Waiting => {
                let unmet: Vec<&str> = self.played.run.unmet(index).map(|need| self.id(need)).collect();
                (!unmet.is_empty()).then(|| format!("it waits for {}", unmet.join(", ")))
            }
            _ => self.failure(index).map(|failure| failure.message.clone()),
        }
    }

    fn failure(&self, index: TaskIndex) -> Option<&'j Failure> {
        let state = self.played.run.task(index);
        match &state.phase {
            Phase::Blocked(failure) => Some(failure),
            _ => state.last_failure.as_deref(),
        }
    }

    fn standing(&mut self, index: TaskIndex, node: &Node<'_>) {
        let (id, state) = (self.id(index), self.played.run.task(index));
        if let Some(status) = node.get("status") {
            self.status(index, status);
        }
        if let Some(wanted) = node.get("attempts")
            && wanted.as_number() != Some(state.attempts)
        {
            let message = format!(
                "{id} had {}, not {}",
                counted(state.attempts as usize, "attempt"),
                wanted.text().unwrap_or_default()
            );
            self.wrong(wanted.span, message, &format!("got: {}", state.attempts));
        }
        if let Some(wanted) = node.get("because") {
            let (words, why) = (wanted.text().unwrap_or_default(), self.why(index).unwrap_or_default());
            if !why.contains(words) {
                let got = if why.is_empty() { "no reason".to_owned() } else { why };
                self.wrong(wanted.span, format!("the reason for {id} does not say `{words}`"), &format!("got: {got}"));
            }
        }
        if let Some(wanted) = node.get("error") {
            let got = self.failure(index).map_or_else(|| "no failure".to_owned(), |failure| failure.code.to_string());
            if wanted.text() != Some(&got) {
                let message = format!("{id} has {got}, not {}", wanted.text().unwrap_or_default());
                self.wrong(wanted.span, message, &format!("got: {got}"));
            }
        }
        if let Some(wanted) = node.get("how") {
            let got = match state.phase {
                Phase::Complete(Completion::Done) => "done",
                Phase::Complete(Completion::Verified) => "verified",
                Phase::Complete(Completion::Collected) => "collected",
                _ => "not complete",
            };
            if wanted.text() != Some(got) {
                let message = format!("{id} is {got}, not {}", wanted.text().unwrap_or_default());
                self.wrong(wanted.span, message, &format!("got: {got}"));
            }
        }
        let given = self.played.inputs.get(&index);
        for entry in node.get("inputs").and_then(Node::as_map).unwrap_or_default() {
            let (wanted, got) = (entry.value.to_json(), given.and_then(|inputs| inputs.get(&*entry.key.value)));
            if got != Some(&wanted) {
                let got = got.map_or_else(|| "nothing".to_owned(), Value::to_string);
                let message = format!("{id} is given {got} as `{}`, not {wanted}", entry.key);
                self.wrong(entry.value.span, message, &format!("got: {got}"));
            }
        }
        if let Some(wanted) = node.get("on_success") {
            let chore = self.played.run.chore(&Chore::OnSuccess { task: id.to_owned() });
            let is_done = chore.is_some_and(|state| state.standing == Standing::Done);
            if wanted.as_bool() != Some(is_done) {
                let got = if is_done { "carried out" } else { "not carried out" };
                self.wrong(wanted.span, format!("the `on_success` of {id} is {got}"), &format!("got: {got}"));
            }
        }
        if let Some(wanted) = node.get("fallback") {
            let got = state.replaced_by.as_deref().unwrap_or("nobody");
            if wanted.text() != Some(got) {
                let message = format!("{got} did the work of {id}, not {}", wanted.text().unwrap_or_default());
                self.wrong(wanted.span, message, &format!("got: {got}"));
            }
        }
    }

    fn times(&mut self) {
        for node in list(self.expect("order")) {
            let Some((first, second)) = node.text().and_then(before) else {
                continue;
            };
            let over = self.played.events.iter().rposition(|(_, event)| is_over(event, first));
            let began = self
                .played
                .events
                .iter()
                .position(|(_, event)| matches!(event, Event::StageStarted { task, .. } if task == second));
            let problem = match (over, began) {
                (_, None) => format!("{second} never started"),
                (None, _) => format!("{first} was never over"),
                (Some(over), Some(began)) if over > began => format!("{second} started before {first} was over"),
                _ => continue,
            };
            self.wrong(node.span, problem.clone(), &problem);
        }
        for node in list(self.expect("together")) {
            let wanted: BTreeSet<TaskIndex> = texts(node).iter().filter_map(|id| self.find(id)).collect();
            if !self.played.together.iter().any(|working| working.is_superset(&wanted)) {
                let message = format!("{} were never under way at the same time", texts(node).join(", "));
                self.wrong(node.span, message, "never at the same time");
            }
        }
        let most = self.played.together.iter().map(BTreeSet::len).max().unwrap_or(0);
        if let Some(node) = self.expect("max_parallel")
            && node.as_number::<usize>().is_some_and(|allowed| most > allowed)
        {
            let message =
                format!("{most} attempts were under way at once, not {} at most", node.text().unwrap_or_default());
            self.wrong(node.span, message, &format!("got: {most}"));
        }
        let took = self.played.duration();
        let shown = duration::write(std::time::Duration::from_millis(took));
        for (key, is_wrong, word) in [
            ("duration", (|took, wanted| took != wanted) as fn(u64, u64) -> bool, ""),
            ("within", |took, wanted| took > wanted, "at most "),
        ] {
            if let Some(node) = self.expect(key)
                && milliseconds(node).is_some_and(|wanted| is_wrong(took, wanted))
            {
                let message = format!("the run took {shown}, not {word}{}", node.text().unwrap_or_default());
                self.wrong(node.span, message, &format!("got: {shown}"));
            }
        }
    }
}

/// Whether a task is over with this event.
fn is_over(event: &Event, id: &str) -> bool {
    match event {
        Event::TaskCompleted { task, .. } | Event::TaskSkipped { task, .. } | Event::TaskBlocked { task, .. } => {
            task == id
        }
        _ => false,
    }
}
