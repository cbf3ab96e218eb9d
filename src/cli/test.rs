//! `outpost-bp test`: a blueprint tried against scenarios. No command is executed, and no time passes.

use std::path::Path;

use clap::Args;
use clap_complete::engine::ArgValueCompleter;
use serde_json::{Value, json};

use super::check::valid;
use super::load::load;
use super::{Exit, Failure, Output, complete};
use crate::blueprint::Blueprint;
use crate::diagnostic::{Code, Diagnostic};
use crate::document::Source;
use crate::engine::driver::Outlook;
use crate::report::diagnostics::{Checked, Style, counted, human};
use crate::report::stream::Told;
use crate::report::table::one_line;
use crate::scenario::{Play, Played, Scenario, elapsed, end, judge, read};

#[derive(Args, Debug)]
pub(super) struct TestArgs {
    /// The blueprint
    #[arg(add = ArgValueCompleter::new(complete::files()))]
    file: String,
    /// A file of scenarios; more than one may be named
    #[arg(long, short, value_name = "FILE", required = true, num_args = 1.., add = ArgValueCompleter::new(complete::files()))]
    scenario: Vec<String>,
    /// Show what happened in every scenario, with the time of the play
    #[arg(long, short)]
    verbose: bool,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// A scenario that was played, and what is wrong with it; or a file of scenarios that cannot be read.
struct Tried<'s> {
    file: &'s Source,
    /// Nothing for a file.
    name: String,
    played: Option<Played>,
    exit: u8,
    wrong: Vec<Diagnostic>,
}

pub(super) fn run(args: &TestArgs, output: &mut Output) -> Result<Exit, Failure> {
    let loaded = load(&args.file)?;
    let (blueprint, _) = valid(&loaded, "is not tried", output)?;
    let files = args.scenario.iter().map(|path| load(path)).collect::<Result<Vec<_>, _>>()?;
    let mut tried = Vec::new();
    for file in &files {
        let stem = Path::new(file.source.name()).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let (scenarios, mut problems) = read(&file.source, &blueprint, &stem.unwrap_or_default());
        problems.extend(file.refusal.clone());
        if !problems.is_empty() {
            tried.push(Tried { file: &file.source, name: String::new(), played: None, exit: 2, wrong: problems });
        }
        tried.extend(scenarios.iter().map(|scenario| attempt(&file.source, scenario, &blueprint)));
    }
    if args.json {
        output.json(&as_json(&args.file, &tried, args.verbose))?;
    } else {
        output.data(&told(&tried, args.verbose, output.width))?;
    }
    Ok(verdict(&tried))
}

fn verdict(tried: &[Tried<'_>]) -> Exit {
    if tried.iter().any(|one| one.played.is_none()) {
        Exit::Invalid
    } else if tried.iter().all(|one| one.wrong.is_empty()) {
        Exit::Done
    } else {
        Exit::Failed
    }
}

fn attempt<'s>(file: &'s Source, scenario: &Scenario<'_>, blueprint: &Blueprint<'_>) -> Tried<'s> {
    let name = scenario.name.clone();
    match Play::new(scenario, blueprint).play() {
        Ok(played) => {
            let exit = exit(&played).code();
            let wrong = judge(scenario, &played, blueprint, exit);
            Tried { file, name, played: Some(played), exit, wrong }
        }
        Err(reason) => {
            let problem = Diagnostic::whole(Code::BadScenario, format!("`{name}` cannot be played: {reason}"));
            Tried { file, name, played: None, exit: 2, wrong: vec![problem] }
        }
    }
}

/// How `run`, or the last `resume`, would have exited.
fn exit(played: &Played) -> Exit {
    if !played.refused.is_empty() {
        return Exit::Unprepared;
    }
    let outlook = played.run.ending().map_or(Outlook::Waiting, Outlook::Ended);
    Exit::of(outlook, &played.run)
}

fn told(tried: &[Tried<'_>], verbose: bool, width: usize) -> String {
    let mut text = String::new();
    for one in tried {
        if let Some(played) = &one.played {
            let word = if one.wrong.is_empty() { "ok    " } else { "FAILED" };
            let times = elapsed(played.run.latest());
            text += &format!("{word}  {}  ({}, {times})\n", one_line(&one.name), end(played));
            if verbose {
                text += &log(played);
            }
            for line in &played.idle {
                text += &format!("        note: {}\n", one_line(line));
            }
        }
        if !one.wrong.is_empty() {
            let checked = Checked { source: one.file, tasks: 0, dialect: String::new(), diagnostics: &one.wrong };
            text += &format!("\n{}", human(&checked, Style { all: true, width }));
        }
    }
    text + &total(tried)
}

fn total(tried: &[Tried<'_>]) -> String {
    let (files, scenarios): (Vec<_>, Vec<_>) =
        tried.iter().partition(|one| one.played.is_none() && one.name.is_empty());
    let fine = scenarios.iter().filter(|one| one.wrong.is_empty()).count();
    let unplayed = scenarios.iter().filter(|one| one.played.is_none()).count();
    let otherwise = scenarios.len() - fine - unplayed;
    let mut text = format!("{}: {fine} as expected", counted(scenarios.len(), "scenario"));
    if otherwise > 0 {
        text += &format!(", {otherwise} otherwise");
    }
    if unplayed > 0 {
        text += &format!(", {unplayed} could not be played");
    }
    if !files.is_empty() {
        text += &format!("; {} with errors", counted(files.len(), "file"));
    }
    text + "\n"
}

/// What happened, each line with its time.
fn log(played: &Played) -> String {
    let lines = played.refused.iter().map(|line| format!("    {}\n", one_line(line)));
    let events =
        played.log.iter().map(|(at, line)| format!("    {:>12}  {}\n", elapsed(*at), one_line(line).trim_end()));
    lines.chain(events).collect()
}

fn as_json(blueprint: &str, tried: &[Tried<'_>], verbose: bool) -> Value {
    let scenarios: Vec<Value> = tried
        .iter()
        .map(|one| {
            let problems = one.wrong.iter().map(|problem| {
                let place = problem.span.map_or(0, |span| span.start);
                let place = one.file.position(place);
                json!({
                    "code": problem.code.number(),
                    "message": problem.message,
                    "help": problem.help,
                    "line": place.line,
                    "column": place.column,
                })
            });
            let mut row = json!({
                "file": one.file.name(),
                "name": one.name,
                "ok": one.wrong.is_empty(),
                "end": one.played.as_ref().map(end),
                "exit_code": one.played.is_some().then_some(one.exit),
                "duration_ms": one.played.as_ref().map(Played::duration),
                "notes": one.played.as_ref().map_or(&[][..], |played| &played.idle),
                "problems": problems.collect::<Vec<_>>(),
            });
            if let (true, Some(played)) = (verbose, &one.played) {
                let lines = played.log.iter().map(|(at, text)| json!({ "at": elapsed(*at), "text": text }));
                row["log"] = lines.collect::<Vec<_>>().into();
                let told = (1..).zip(&played.events).map(|(number, (at, event))| Told {
                    number,
                    at: *at,
                    event: event.clone(),
                });
                let events = told.filter_map(|told| serde_json::from_str(&told.line()?).ok());
                row["events"] = events.collect::<Vec<Value>>().into();
            }
            row
        })
        .collect();
    json!({ "blueprint": blueprint, "ok": tried.iter().all(|one| one.wrong.is_empty()), "scenarios": scenarios })
}

#[cfg(test)]
mod tests {
    use super::{Tried, total, verdict};
    use crate::cli::Exit;
    use crate::diagnostic::{Code, Diagnostic};
    use crate::document::Source;

    #[test]
    fn what_cannot_be_played_is_no_file_with_errors() {
        let file = Source::from_bytes("s.yaml", Vec::new()).0;
        let one = |name: &str| Tried {
            file: &file,
            name: name.to_owned(),
            played: None,
            exit: 2,
            wrong: vec![Diagnostic::whole(Code::BadScenario, "it comes to no end")],
        };
        assert_eq!(verdict(&[one("endless")]), Exit::Invalid);
        assert_eq!(total(&[one("endless")]), "1 scenario: 0 as expected, 1 could not be played\n");
        let both = [one(""), one("endless")];
        assert_eq!(total(&both), "1 scenario: 0 as expected, 1 could not be played; 1 file with errors\n");
    }
}
