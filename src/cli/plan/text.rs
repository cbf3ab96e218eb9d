//! The plan for people: waves, then what holds them up and what they need.
//!
//! Lines wrap at the width of the terminal and nothing is cut: an id that is not shown cannot be
//! selected.

use std::fmt::Write as _;

use super::super::{Failure, Output};
use super::needs::Need;
use super::{Shown, run_budget, terms_of, when};
use crate::blueprint::site::{self, Site};
use crate::blueprint::{Blueprint, Status, TaskIndex, executor, is_verify_only};
use crate::engine::capability::Outcome;
use crate::engine::secret::Standing;
use crate::plan::Edge;
use crate::report::diagnostics::counted;

/// As much as is held back before it is written: the plan of many tasks is long.
const PORTION: usize = 64 * 1024;

pub(super) fn print(shown: &Shown<'_, '_>, output: &mut Output) -> Result<(), Failure> {
    let Shown { blueprint, plan, .. } = shown;
    let mut page = Page { out: String::new(), width: output.width };
    let running: Vec<TaskIndex> = plan.running().collect();
    let waves = running.iter().filter_map(|index| plan.schedule.wave(*index)).max().unwrap_or(0);
    let implied =
        running.iter().flat_map(|index| plan.dag.waits_for(*index)).filter(|(_, edge)| *edge == Edge::Implied).count();
    page.line(0, blueprint.name());
    let mut summary = format!("{} in {}", counted(running.len(), "task"), counted(waves as usize, "wave"));
    if implied > 0 {
        summary += &format!("; an id in parentheses is a child its parent waits for ({implied})");
    }
    page.line(0, &summary);
    let longest = running.iter().map(|index| blueprint.task(*index).id.len()).max().unwrap_or(0).min(16);
    let mut by_wave: Vec<Vec<TaskIndex>> = vec![Vec::new(); waves as usize];
    for index in running {
        if let Some(wave) = plan.schedule.wave(index) {
            by_wave[wave as usize - 1].push(index);
        }
    }
    for (number, tasks) in by_wave.iter_mut().enumerate() {
        tasks.sort_unstable();
        page.heading(&format!("wave {}", number + 1));
        for index in tasks {
            page.entry(&blueprint.task(*index).id, longest, &about(shown, *index));
            if page.out.len() > PORTION {
                output.data(&page.out)?;
                page.out.clear();
            }
        }
    }
    holds(shown, &mut page);
    needs(shown, &mut page);
    output.data(&page.out)
}

/// The name of a task and everything that bears on when it runs.
fn about(shown: &Shown<'_, '_>, index: TaskIndex) -> String {
    let Shown { blueprint, plan, .. } = shown;
    let task = blueprint.task(index);
    let mut text = task.name.to_string();
    let mut mark = |words: std::fmt::Arguments<'_>| {
        // Writing to a String cannot fail.
        let _ = write!(text, " [{words}]");
    };
    let who = executor(blueprint, index);
    if who != "shell" {
        mark(format_args!("{who}"));
    }
    if let Site::Container(container) = site::of_task(blueprint, index) {
        mark(format_args!("container {}", container.image));
    }
    if task.status != Status::NotStarted {
        mark(format_args!("{}", task.status));
    }
    for lock in task.locks() {
        mark(format_args!("lock {}", lock.name));
    }
    if let Some(gate) = &task.gate {
        mark(format_args!("gate {}", when(gate)));
    }
    if let Some(condition) = task.when() {
        mark(format_args!("when {condition}"));
    }
    for (position, (need, edge)) in plan.dag.waits_for(index).into_iter().enumerate() {
        text += if position == 0 { " <- " } else { " " };
        let id = &blueprint.task(need).id;
        // Writing to a String cannot fail.
        let _ = if edge == Edge::Implied { write!(text, "({id})") } else { write!(text, "{id}") };
    }
    text
}

fn holds(shown: &Shown<'_, '_>, page: &mut Page) {
    let Shown { blueprint, plan, .. } = shown;
    let path = &plan.schedule.critical_path;
    if path.len() > 1 {
        page.heading(&format!("critical path, {}", counted(path.len(), "task")));
        page.line(2, &names(blueprint, path));
    }
    let done: Vec<TaskIndex> =
        plan.order.iter().copied().filter(|index| plan.schedule.wave(*index).is_none()).collect();
    if !done.is_empty() {
        page.heading("complete or skipped by the document, not run again");
        page.line(2, &names(blueprint, &done));
    }
    if !plan.missing.is_empty() {
        page.heading("not selected, and must be complete before");
        page.line(2, &names(blueprint, &plan.missing));
    }
    let fallbacks: Vec<(TaskIndex, TaskIndex)> = plan
        .running()
        .filter_map(|index| Some((blueprint.task(index).on_failure.as_ref()?.fallback.as_ref()?.target?, index)))
        .filter(|(fallback, _)| plan.schedule.wave(*fallback).is_some())
        .collect();
    if !fallbacks.is_empty() {
        page.heading("fallbacks, which run only where they are needed");
        let longest = fallbacks.iter().map(|(index, _)| blueprint.task(*index).id.len()).max().unwrap_or(0).min(16);
        for (fallback, caller) in fallbacks {
            page.entry(&blueprint.task(fallback).id, longest, &format!("if {} fails", blueprint.task(caller).id));
        }
    }
    let gates: Vec<(TaskIndex, &str)> = plan
        .running()
        .filter_map(|index| Some((index, blueprint.task(index).gate.as_ref()?.action.as_str())))
        .collect();
    if !gates.is_empty() {
        page.heading("gates");
        let longest = gates.iter().map(|(index, _)| blueprint.task(*index).id.len()).max().unwrap_or(0).min(16);
        for (index, action) in gates {
            page.entry(&blueprint.task(index).id, longest, action);
        }
    }
    let contention = plan.contention(blueprint);
    if !contention.is_empty() {
        page.heading("locks that will be waited for");
        for (lock, tasks) in contention {
            page.line(2, &format!("{lock}: {}", names(blueprint, &tasks)));
        }
    }
}

fn needs(shown: &Shown<'_, '_>, page: &mut Page) {
    let Shown { blueprint, plan, needs, .. } = shown;
    if !needs.executors.is_empty() {
        page.heading("executors");
        for need in &needs.executors {
            page.line(2, &format!("{}: {}", need.name, of_tasks(need, need.here.as_ref().map(outcome))));
        }
        let verified = plan.running().filter(|index| is_verify_only(blueprint, *index)).count();
        if verified > 0 {
            page.line(
                2,
                &format!("{} without `run` and without an agent: verified, not done", counted(verified, "task")),
            );
        }
    }
    agents(shown, page);
    if !needs.engines.is_empty() {
        page.heading("containers");
        for need in &needs.engines {
            let here = need.here.as_ref().map_or_else(|why| format!("MISSING here: {why}"), |()| "is here".to_owned());
            page.line(2, &format!("{}: {}", need.name, of_tasks(need, Some(here))));
        }
    }
    if !needs.capabilities.is_empty() {
        page.heading("capabilities");
        for need in &needs.capabilities {
            page.line(2, &format!("{}: {}", need.name, of_tasks(need, Some(outcome(&need.here)))));
        }
    }
    if !needs.secrets.is_empty() {
        page.heading("secrets");
        for need in &needs.secrets {
            let here = match need.here {
                Standing::Present => "has a value here",
                Standing::Missing => "MISSING here",
                Standing::Remote => "asked for when the run starts",
            };
            page.line(2, &format!("{}: {}", need.name, of_tasks(need, Some(here.to_owned()))));
        }
    }
}

/// On which terms agents would work.
fn agents(shown: &Shown<'_, '_>, page: &mut Page) {
    let Shown { blueprint, plan, .. } = shown;
    let agents: Vec<(TaskIndex, String)> =
        plan.running().filter_map(|index| Some((index, terms_of(shown, index)?.told()))).collect();
    if agents.is_empty() {
        return;
    }
    page.heading("agents");
    let longest = agents.iter().map(|(index, _)| blueprint.task(*index).id.len()).max().unwrap_or(0).min(16);
    for (index, told) in &agents {
        page.entry(&blueprint.task(*index).id, longest, told);
    }
    let budget = run_budget(blueprint);
    if !budget.is_unbounded() {
        page.line(2, &format!("all of them together: at most {}, then a person is asked", budget.plain()));
    }
}

fn of_tasks<N, T>(need: &Need<N, T>, here: Option<String>) -> String {
    let tasks = if need.tasks.is_empty() { "the settings".to_owned() } else { counted(need.tasks.len(), "task") };
    here.map_or_else(|| tasks.clone(), |here| format!("{here} ({tasks})"))
}

fn outcome(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Present(Some(version)) => format!("{version} is here"),
        Outcome::Present(None) => "is here".to_owned(),
        Outcome::Missing => "MISSING here".to_owned(),
        Outcome::Unfit(version) => format!("MISSING here, which has {version}"),
        Outcome::Unclear => "is here, its version is not clear".to_owned(),
    }
}

fn names(blueprint: &Blueprint<'_>, tasks: &[TaskIndex]) -> String {
    tasks.iter().map(|index| blueprint.task(*index).id.as_str()).collect::<Vec<_>>().join(" ")
}

struct Page {
    out: String,
    width: usize,
}

impl Page {
    fn heading(&mut self, text: &str) {
        let bold = anstyle::Style::new().bold();
        let above = std::mem::take(&mut self.out);
        self.line(0, text);
        let heading = std::mem::replace(&mut self.out, above);
        self.out.push('\n');
        for line in heading.lines() {
            // Writing to a String cannot fail.
            let _ = writeln!(self.out, "{bold}{line}{bold:#}");
        }
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.wrap(&" ".repeat(indent), indent, text);
    }

    /// `  T1.2  what it is`, wrapped under its text.
    fn entry(&mut self, id: &str, longest: usize, text: &str) {
        self.wrap(&format!("  {id:longest$}  "), longest + 4, text);
    }

    fn wrap(&mut self, first: &str, indent: usize, text: &str) {
        let mut line = first.to_owned();
        let mut room = false;
        for word in text.split_whitespace() {
            if room && line.chars().count() + 1 + word.chars().count() > self.width {
                self.out += line.trim_end();
                self.out.push('\n');
                line = " ".repeat(indent);
                room = false;
            }
            if room {
                line.push(' ');
            }
            // What a document says must not steer the terminal.
            line.extend(word.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
            room = true;
        }
        self.out += line.trim_end();
        self.out.push('\n');
    }
}
