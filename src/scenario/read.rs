//! YAML → [`Scenario`]s. What they say of the blueprint is checked as strictly as a blueprint: a test that asserts nothing
//! because of a slip would be worse than none.

use std::collections::{BTreeMap, BTreeSet};

use super::format::SCENARIO;
use super::script::{Attempt, Deed, Happening, Scenario, Script, Trigger};
use super::value::{before, code, decisions, keys, list, outcome, texts, time, world};
use crate::blueprint::shape::Checker;
use crate::blueprint::{Blueprint, TaskIndex};
use crate::diagnostic::{Code, Diagnostic, Severity, Span, nearest, sort};
use crate::document::origin::Origin;
use crate::document::{Entry, Node, Source, yaml};
use crate::engine::output::Values;
use crate::plan::Plan;
use crate::run::{Amounts, Hook, Program, TaskSpec};

/// All scenarios of a file, and everything that is wrong with it. `fallback` is the name of one that has none.
pub fn read<'s>(source: &'s Source, blueprint: &Blueprint<'_>, fallback: &str) -> (Vec<Scenario<'s>>, Vec<Diagnostic>) {
    let read = yaml::parse(source.text(), Origin::Base(0));
    let mut problems = read.problems;
    let mut scenarios = Vec::new();
    if read.documents.is_empty() && problems.is_empty() {
        problems.push(
            Diagnostic::whole(Code::BadScenario, "the file has no scenario")
                .help("a scenario is a mapping with `expect`; docs/TESTING.md has examples"),
        );
    }
    let several = read.documents.len() > 1;
    for (number, node) in (1..).zip(read.documents) {
        let mut checker = Checker::default();
        let is_mapping = checker.check(&node, &SCENARIO);
        for problem in &mut checker.problems {
            problem.severity = Severity::Error;
            if problem.code == Code::UnknownKey && problem.label == "ignored" {
                problem.label = "it would say nothing".into();
                problem.help = "docs/TESTING.md lists the keys of a scenario".into();
            }
        }
        let is_sound = is_mapping && checker.problems.is_empty();
        problems.append(&mut checker.problems);
        if is_sound {
            let name = if several { format!("{fallback} {number}") } else { fallback.to_owned() };
            let mut reader = Reader { blueprint, problems: Vec::new() };
            let scenario = reader.scenario(&node, name);
            if reader.problems.is_empty() {
                scenarios.extend(scenario);
            }
            problems.append(&mut reader.problems);
        }
    }
    sort(&mut problems);
    (scenarios, problems)
}

struct Reader<'b, 'd> {
    blueprint: &'b Blueprint<'d>,
    problems: Vec<Diagnostic>,
}

impl Reader<'_, '_> {
    fn bad(&mut self, span: Span, message: impl Into<String>, help: impl Into<String>) {
        self.problems.push(Diagnostic::new(Code::BadScenario, span, message.into()).help(help.into()));
    }

    fn scenario<'s>(&mut self, node: &Node<'s>, fallback: String) -> Option<Scenario<'s>> {
        let begin = node.get("run");
        let names = |key: &str| begin.and_then(|begin| begin.get(key)).map(texts).unwrap_or_default();
        let at = begin.map_or(node.span, |begin| begin.span);
        let plan = match Plan::again(self.blueprint, &names("select"), &names("rerun")) {
            Ok(plan) => plan,
            Err(error) => {
                self.bad(at, error.to_string(), "a selection is what the command line of `run` takes");
                return None;
            }
        };
        if let [first, ..] = plan.missing[..] {
            let id = &self.blueprint.task(first).id;
            let message = format!("the selected tasks wait for `{id}`, which is not selected and not complete");
            self.bad(at, message, "select with `+TASK` to run what a task waits for as well");
        }
        let jobs = begin.and_then(|begin| begin.get("jobs")).and_then(Node::as_number);
        // What the machine has must not make a difference.
        let program = Program::of(self.blueprint, &plan, jobs, Amounts::default());
        let fail_fast = begin.and_then(|begin| begin.get("fail_fast")).and_then(Node::as_bool).unwrap_or(false);
        let program = Program { fail_fast, ..program };
        let text = |key: &str| begin.and_then(|begin| begin.get(key)).and_then(Node::text).map(str::to_owned);
        let environment = text("environment");
        if let Some(name) = &environment
            && !self.blueprint.execution.environments.iter().any(|known| known.name.as_str() == name)
        {
            self.bad(at, format!("there is no environment `{name}`"), "the document lists `execution.environments`");
        }
        let scripts = self.by_task(node.get("tasks"), |reader, index, entry| {
            reader.script(&program.tasks[index.get()], index, &entry.value)
        });
        let gates = self.by_task(node.get("gates"), |reader, index, entry| {
            if program.tasks[index.get()].gate.is_none() {
                reader.bad(
                    entry.key.span,
                    format!("`{}` has no gate", entry.key),
                    "remove it, or add `human_required`",
                );
            }
            decisions(&entry.value)
        });
        let open: Vec<&str> = plan
            .running()
            .filter(|index| program.tasks[index.get()].gate.is_some() && !gates.contains_key(index))
            .map(|index| self.blueprint.task(index).id.as_str())
            .collect();
        if !open.is_empty()
            && node.get("expect").and_then(|expect| expect.get("run")).is_none_or(|run| run.text() != Some("refused"))
        {
            let at = node.entry("gates").map_or(node.span, |entry| entry.key.span);
            let message = format!("nobody says what becomes of the gates of {}", open.join(", "));
            let first = open[0].to_owned();
            self.bad(at, message, format!("add `gates: {{{first}: approve}}`, or `reject`, `nobody` or `open`"));
        }
        let happens = list(node.get("happens"));
        let happens = happens.iter().filter_map(|one| self.happening(one, &program)).collect();
        let hooks = node.get("hooks").and_then(Node::as_map).unwrap_or_default();
        for entry in hooks {
            if !Hook::ALL.iter().any(|hook| entry.key.value == hook.word()) {
                let words: Vec<&str> = Hook::ALL.iter().map(|hook| hook.word()).collect();
                self.bad(
                    entry.key.span,
                    format!("there is no hook `{}`", entry.key),
                    format!("hooks are {}", words.join(", ")),
                );
            }
        }
        let hooks = hooks.iter().map(|entry| (entry.key.to_string(), outcome(&entry.value))).collect();
        let world = node.get("world").map(world).unwrap_or_default();
        for (name, at) in node.get("world").and_then(|world| world.get("locks")).map(keys).unwrap_or_default() {
            if self.blueprint.execution.lock(&name).is_none() {
                self.bad(
                    at,
                    format!("the document declares no lock `{name}`"),
                    "its locks are `execution.resource_locks`",
                );
            }
        }
        let expect = node.get("expect")?.clone();
        self.expected(&expect);
        Some(Scenario {
            name: node.get("name").and_then(Node::text).map_or(fallback, str::to_owned),
            plan,
            program,
            by: text("by").unwrap_or_else(|| "author".to_owned()),
            environment,
            world,
            scripts,
            gates,
            hooks,
            happens,
            expect,
        })
    }

    /// The task of an id that is written somewhere.
    fn task(&mut self, id: &str, at: Span) -> Option<TaskIndex> {
        let found = self.blueprint.indices().find(|index| self.blueprint.task(*index).id.as_str() == id);
        if found.is_none() {
            let known = self.blueprint.tasks.iter().map(|task| task.id.as_str());
            let problem = Diagnostic::new(Code::BadScenario, at, format!("the blueprint has no task `{id}`"));
            self.problems.push(match nearest(id, known) {
                Some(meant) => problem.label(format!("did you mean `{meant}`?")).help("name a task of the blueprint"),
                None => problem.help("name a task of the blueprint, by its `task_id`"),
            });
        }
        found
    }

    fn by_task<'s, T>(
        &mut self,
        node: Option<&Node<'s>>,
        mut read: impl FnMut(&mut Self, TaskIndex, &Entry<'s>) -> T,
    ) -> BTreeMap<TaskIndex, T> {
        let mut found = BTreeMap::new();
        for entry in node.and_then(Node::as_map).unwrap_or_default() {
            if let Some(index) = self.task(&entry.key, entry.key.span) {
                let value = read(self, index, entry);
                found.insert(index, value);
            }
        }
        found
    }

    fn script(&mut self, spec: &TaskSpec, index: TaskIndex, node: &Node<'_>) -> Script {
        if let Some(items) = node.as_list() {
            let attempts = items.iter().map(|item| self.attempt(spec, index, item)).collect();
            return Script { attempts, ..Script::default() };
        }
        let word = |key: &str| node.get(key).map(outcome).unwrap_or_default();
        let attempts = match node.get("attempts") {
            Some(listed) => {
                let known = ["attempts", "left", "rollback", "on_success"];
                if let Some(other) =
                    node.as_map().into_iter().flatten().find(|entry| !known.contains(&&*entry.key.value))
                {
                    let message = format!("`{}` stands beside `attempts`: which attempt is meant?", other.key);
                    self.bad(other.key.span, message, "move it into the attempts that it is about");
                }
                list(Some(listed)).iter().map(|item| self.attempt(spec, index, item)).collect()
            }
            None => vec![self.attempt(spec, index, node)],
        };
        Script {
            attempts,
            left: node.get("left").map(|node| self.values(index, node)),
            rollback: word("rollback"),
            on_success: word("on_success"),
        }
    }

    fn attempt(&mut self, spec: &TaskSpec, index: TaskIndex, node: &Node<'_>) -> Attempt {
        let text = |key: &str| node.get(key).and_then(Node::text);
        let stage = text("stage").map(str::to_owned);
        if let (Some(stage), Some(at)) = (&stage, node.get("stage")) {
            let words = spec.stages.iter().map(|stage| stage.word());
            if !words.clone().any(|word| word == stage) {
                let stages: Vec<&str> = words.collect();
                let message = format!("`{}` has no stage `{stage}`", spec.id);
                self.bad(at.span, message, format!("its stages are {}", stages.join(", ")));
            }
        }
        Attempt {
            outcome: if node.as_map().is_some() { node.get("outcome").map(outcome) } else { Some(outcome(node)) }
                .unwrap_or_default(),
            stage,
            exit_code: node.get("exit_code").and_then(Node::as_number),
            code: text("code").and_then(code),
            message: text("message").map(str::to_owned),
            lasting: node.get("lasting").and_then(Node::as_bool).unwrap_or(false),
            takes: time(node, "takes"),
            outputs: node.get("outputs").map(|node| self.values(index, node)),
            checkpoint: node.get("checkpoint").and_then(Node::as_bool).unwrap_or(false),
        }
    }

    /// Values by port.
    fn values(&mut self, index: TaskIndex, node: &Node<'_>) -> Values {
        let task = self.blueprint.task(index);
        let known: BTreeSet<&str> = task.ports().iter().map(|port| port.name.as_str()).collect();
        for (name, at) in keys(node) {
            if !known.contains(name.as_str()) {
                let problem = Diagnostic::new(Code::BadScenario, at, format!("`{}` has no port `{name}`", task.id));
                let problem = match nearest(&name, known.iter().copied()) {
                    Some(meant) => problem.label(format!("did you mean `{meant}`?")),
                    None => problem,
                };
                self.problems.push(problem.help("its ports are those of its `output`"));
            }
        }
        node.as_map().unwrap_or_default().iter().map(|entry| (entry.key.to_string(), entry.value.to_json())).collect()
    }

    fn happening(&mut self, node: &Node<'_>, program: &Program) -> Option<Happening> {
        let text = |key: &str| node.get(key).and_then(Node::text);
        let trigger = match (time(node, "at"), node.get("on")) {
            (Some(at), None) => Trigger::At(at),
            (None, Some(on)) => {
                self.trigger(on, node.get("attempt").and_then(Node::as_number).unwrap_or(1), program)?
            }
            _ => {
                self.bad(node.span, "when does this happen?", "write `at`, a time, or `on`, an occasion, and not both");
                return None;
            }
        };
        let deed = match text("do")? {
            "crash" => Deed::Crash { down: time(node, "down").unwrap_or(0) },
            "cancel" => Deed::Cancel,
            "rollback" => Deed::Rollback,
            "rerun" => {
                let Some(task) = node.get("task") else {
                    self.bad(node.span, "which task is ordered again?", "add `task`");
                    return None;
                };
                self.task(task.text()?, task.span)?;
                Deed::Rerun(task.text()?.to_owned())
            }
            _ => Deed::Resume,
        };
        Some(Happening { trigger, deed, by: text("by").unwrap_or("operator").to_owned() })
    }

    fn trigger(&mut self, node: &Node<'_>, attempt: u32, program: &Program) -> Option<Trigger> {
        let text = node.text()?.trim();
        if text == "end" {
            return Some(Trigger::End);
        }
        let (task, stage) =
            text.split_once(char::is_whitespace).map_or((text, None), |(id, rest)| (id, Some(rest.trim())));
        let index = self.task(task, node.span)?;
        let stages = &program.tasks[index.get()].stages;
        if let Some(stage) = stage.filter(|stage| !stages.iter().any(|known| known.word() == *stage)) {
            let words: Vec<&str> = stages.iter().map(|stage| stage.word()).collect();
            self.bad(
                node.span,
                format!("`{task}` has no stage `{stage}`"),
                format!("its stages are {}", words.join(", ")),
            );
        }
        Some(Trigger::On { task: task.to_owned(), stage: stage.map(str::to_owned), attempt })
    }

    /// What is expected must speak of tasks that exist.
    fn expected(&mut self, node: &Node<'_>) {
        self.by_task(node.get("tasks"), |reader, _, entry| {
            if let Some(fallback) = entry.value.get("fallback") {
                reader.task(fallback.text().unwrap_or_default(), fallback.span);
            }
        });
        for key in ["gates", "rolled_back"] {
            for item in list(node.get(key)) {
                self.task(item.text().unwrap_or_default(), item.span);
            }
        }
        for item in list(node.get("together")).iter().flat_map(|group| list(Some(group))) {
            self.task(item.text().unwrap_or_default(), item.span);
        }
        for item in list(node.get("order")) {
            match item.text().and_then(before) {
                Some((first, second)) => {
                    self.task(first, item.span);
                    self.task(second, item.span);
                }
                None => self.bad(item.span, "this is no order of two tasks", "write `T0.1 before T0.2`"),
            }
        }
        if node.as_map().is_some_and(<[_]>::is_empty) {
            self.bad(node.span, "nothing is expected", "say at least how the `run` ends");
        }
    }
}
