//! `outpost-bp check`: every problem of a document in one pass.

use std::fmt::Write as _;

use clap::{Args, ValueEnum};
use clap_complete::engine::ArgValueCompleter;

use super::complete;
use super::load::{Loaded, load};
use super::replace::replace;
use super::{Exit, Failure, Output};
use crate::blueprint::{self, Blueprint, Reading};
use crate::diagnostic::{Diagnostic, Severity, sort};
use crate::plan::{Dag, check_files};
use crate::report::diagnostics::{Checked, Style, counted, github, human, json, sarif};

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// Blueprints to check; `-` reads standard input
    #[arg(required = true, value_name = "FILE", add = ArgValueCompleter::new(complete::files()))]
    files: Vec<String>,
    /// Turn warnings into errors
    #[arg(long)]
    strict: bool,
    /// Mend what can be mended without judgement: the authored dependency graph, v1 spellings,
    /// durations, missing fence ends. Every other byte stays
    #[arg(long)]
    fix: bool,
    /// The same as `--format json`
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// How to print the problems
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Format>,
    /// Show every warning in full, and the blocks that are kept as data
    #[arg(long, short)]
    verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
    Sarif,
    /// Annotations of GitHub Actions; the default when run there
    Github,
}

/// What is known of one file after it was read.
struct File {
    loaded: Loaded,
    tasks: usize,
    dialect: String,
    summary: String,
    /// The blocks kept as data, a line each.
    kept: String,
    diagnostics: Vec<Diagnostic>,
}

pub(super) fn run(args: &CheckArgs, output: &mut Output) -> Result<Exit, Failure> {
    let format = match args.format {
        Some(format) => format,
        None if args.json => Format::Json,
        None if output.in_github_actions => Format::Github,
        None => Format::Human,
    };
    let mut files = Vec::with_capacity(args.files.len());
    let mut all_read = true;
    for path in &args.files {
        let loaded = match load(path) {
            Ok(loaded) => loaded,
            // It must not hide what is wrong with the others.
            Err(unreadable) => {
                output.complain(&unreadable.into());
                all_read = false;
                continue;
            }
        };
        let loaded = if args.fix { mend(path, loaded, output)? } else { loaded };
        files.push(examine(loaded, args));
    }
    let checked: Vec<Checked<'_>> = files
        .iter()
        .map(|file| Checked {
            source: &file.loaded.source,
            tasks: file.tasks,
            dialect: file.dialect.clone(),
            diagnostics: &file.diagnostics,
        })
        .collect();
    match format {
        Format::Json => output.json(&json(&checked, all_read))?,
        Format::Sarif => output.json(&sarif(&checked))?,
        Format::Github => {
            for document in &checked {
                output.data(&github(document))?;
            }
        }
        Format::Human => {
            for (document, file) in checked.iter().zip(&files) {
                let problems = human(document, Style { all: args.verbose, width: output.width });
                output.data(&(problems + &verdict(document, &file.summary) + &file.kept))?;
            }
        }
    }
    Ok(if all_read && checked.iter().all(Checked::is_ok) { Exit::Done } else { Exit::Invalid })
}

/// Reads a source and gathers all of its diagnostics, those of the plan included.
pub(super) fn diagnose<'s>(loaded: &'s Loaded, strict: bool) -> Reading<'s> {
    let mut reading = blueprint::read(&loaded.source, strict);
    let dag = Dag::of(&reading.draft, &reading.links);
    let mut more = check_files(&reading.draft, &dag);
    if strict {
        for diagnostic in &mut more {
            diagnostic.severity = Severity::Error;
        }
    }
    reading.diagnostics.extend(more);
    if let Some(refusal) = &loaded.refusal {
        // What follows the bytes that are no text was not read: only they are worth a word.
        reading.diagnostics = vec![refusal.clone()];
    }
    sort(&mut reading.diagnostics);
    reading
}

/// The blueprint of a document without errors, and what else there is to say about it. The errors of another are shown.
pub(super) fn valid<'s>(
    loaded: &'s Loaded,
    refused: &str,
    output: &mut Output,
) -> Result<(Blueprint<'s>, Vec<Diagnostic>), Failure> {
    let reading = diagnose(loaded, false);
    let (tasks, dialect) = (reading.draft.tasks.len(), reading.draft.dialect.to_string());
    let (blueprint, diagnostics) = reading.into_blueprint();
    if let Some(blueprint) = blueprint {
        return Ok((blueprint, diagnostics));
    }
    let checked = Checked { source: &loaded.source, tasks, dialect, diagnostics: &diagnostics };
    output.note(&human(&checked, Style { all: false, width: output.width }));
    Err(Failure::new(
        format!("`{}` has errors and {refused}", loaded.source.name()),
        "mend the errors above; `outpost-bp graph` draws what could be read",
    ))
}

fn examine(loaded: Loaded, args: &CheckArgs) -> File {
    let reading = diagnose(&loaded, args.strict);
    let tasks = reading.draft.tasks.len();
    let dialect = reading.draft.dialect.to_string();
    let summary = format!("{}, BSF {dialect}, {}", counted(tasks, "task"), counted(reading.links.edges(), "edge"));
    let mut kept = String::new();
    if args.verbose {
        for block in &reading.draft.data {
            let line = loaded.source.position(block.span.start).line;
            let keys = if block.keys.is_empty() { "a list or text".to_owned() } else { block.keys.join(", ") };
            // What a document says must not steer the terminal.
            let keys = keys.replace(char::is_control, "\u{fffd}");
            // Writing to a String cannot fail.
            let _ = writeln!(kept, "  line {line}: kept as data: {keys}");
        }
    }
    let diagnostics = reading.diagnostics;
    File { tasks, dialect, summary, kept, diagnostics, loaded }
}

fn verdict(document: &Checked<'_>, summary: &str) -> String {
    let (errors, warnings) = (document.count(Severity::Error), document.count(Severity::Warning));
    let found = match (errors, warnings) {
        (0, 0) => "ok".to_owned(),
        (0, warnings) => format!("ok with {}", counted(warnings, "warning")),
        (errors, 0) => counted(errors, "error"),
        (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    format!("{}: {found} ({summary})\n", document.source.name())
}

/// Makes the mechanical edits and writes the file.
fn mend(path: &str, loaded: Loaded, output: &mut Output) -> Result<Loaded, Failure> {
    if path == "-" {
        return Err(Failure::new("`--fix` needs a file to write to", "save the blueprint and name the file"));
    }
    if loaded.refusal.is_some() {
        return Ok(loaded);
    }
    let Some(mended) = blueprint::mend(&loaded.source) else {
        return Ok(loaded);
    };
    replace(path, mended.source.text())?;
    output.note(&format!("{path}: {} mended\n", counted(mended.problems, "problem")));
    Ok(Loaded { source: mended.source, refusal: None })
}
