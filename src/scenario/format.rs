//! What a scenario may say, as [`Record`]s: checked like a blueprint's blocks, and listed in `docs/TESTING.md`.

use crate::blueprint::format::{need, record};
use crate::blueprint::shape::{Field, MAX_COUNT, Need, Record, Shape};
use crate::run::FailureCode;

use Shape::{Any, Duration, Filled, Flag, List, Named, OneOf, Text, Word};

const fn count(min: u32) -> Shape {
    Shape::Count { min, max: MAX_COUNT }
}

const IDS: Shape = List(&Filled);
const VALUES: Shape = Named(&Any);

pub const OUTCOMES: &[&str] = &["ok", "fail", "timeout"];
pub const WORDS: &[&str] = &["approve", "reject", "nobody", "open"];
pub const DEEDS: &[&str] = &["crash", "cancel", "resume", "rerun", "rollback"];
/// How a run stands in the end.
pub const ENDS: &[&str] =
    &["done", "failed", "rejected", "cancelled", "waiting", "rolled_back", "rollback_failed", "refused"];
/// How a task stands in the end.
pub const STATUSES: &[&str] = &[
    "not_started",
    "in_progress",
    "complete",
    "blocked",
    "skipped",
    "checkpointed",
    "unknown",
    "interrupted",
    "rolled_back",
    "rollback_failed",
    "rollback_unknown",
];
pub const CODES: &[&str] = FailureCode::WORDS;

record! { SCENARIO "scenario" {
    may  "name" Filled, "what it shows";
    may  "run" Shape::Record(&BEGINNING), "how the run is begun";
    may  "world" Shape::Record(&WORLD), "what is there, and what is not";
    may  "tasks" Named(&OneOf(&[Word(OUTCOMES), List(&OneOf(&[Word(OUTCOMES), Shape::Record(&ATTEMPT)])), Shape::Record(&SCRIPT)])), "how tasks go, by id; one that is not named succeeds at once";
    may  "gates" Named(&OneOf(&[Word(WORDS), List(&OneOf(&[Word(WORDS), Shape::Record(&DECISION)])), Shape::Record(&DECISION)])), "what people decide, by task; every gate has to be named";
    may  "hooks" Named(&Word(OUTCOMES)), "how the hooks of the run end, by name; one that is not named succeeds";
    may  "happens" List(&Shape::Record(&HAPPENING)), "what else comes about";
    must "expect" Shape::Record(&EXPECTED), "what has to be so in the end";
}}

record! { BEGINNING "beginning" {
    may "select" IDS, "the selection, as on the command line; all tasks without it";
    may "rerun" IDS, "tasks that run although the document calls them complete or skipped";
    may "jobs" count(1), "most attempts at once, `-j`";
    may "fail_fast" Flag, "whether the first blocked task ends the run";
    may "environment" Filled, "the environment of the document, `--env`";
    may "by" Filled, "who begins the run; `author` without it";
}}

record! { WORLD "world" {
    may "capabilities" Named(&OneOf(&[Flag, Text])), "capabilities and tools: `false` where one is missing, else its version or `true`; one that is not named is there";
    may "secrets" Named(&Flag), "secrets by name: `false` where no source has one; one that is not named is there";
    may "variables" Named(&Text), "environment variables, for conditions; there are no others";
    may "locks" Named(&Duration), "locks that somebody outside of the run holds, and how long from its beginning";
    may "files" Named(&Text), "files by their path as the document writes it, for the fallbacks of bindings";
}}

record! { ATTEMPT "attempt" {
    may "outcome" Word(OUTCOMES), "how it ends; `ok` without it";
    may "stage" Filled, "the stage that fails or takes too long, such as `verify:unit`; the work without it";
    may "exit_code" Shape::Count { min: 0, max: 255 }, "what a failing command exits with; 1 without it";
    may "code" Word(CODES), "the failure's code, where it is not that of the stage";
    may "message" Filled, "the failure's words";
    may "lasting" Flag, "whether to try again is in vain";
    may "takes" Duration, "how long the attempt takes; no time without it, and its limit for `timeout`";
    may "outputs" VALUES, "what it leaves, by port; without it nothing, and nobody may bind it";
    may "checkpoint" Flag, "whether it leaves a checkpoint as soon as its work has started";
}}

record! { SCRIPT "task script" {
    may "attempts" List(&OneOf(&[Word(OUTCOMES), Shape::Record(&ATTEMPT)])), "its attempts in order; the last one stands for all that follow";
    may "outcome" Word(OUTCOMES), "how every attempt ends, where `attempts` are not listed";
    may "stage" Filled, "as in an attempt";
    may "exit_code" Shape::Count { min: 0, max: 255 }, "as in an attempt";
    may "code" Word(CODES), "as in an attempt";
    may "message" Filled, "as in an attempt";
    may "lasting" Flag, "as in an attempt";
    may "takes" Duration, "as in an attempt";
    may "outputs" VALUES, "as in an attempt";
    may "checkpoint" Flag, "as in an attempt";
    may "left" VALUES, "what it left before the run, by port, where the document calls it complete";
    may "rollback" Word(OUTCOMES), "how undoing it ends; `ok` without it";
    may "on_success" Word(OUTCOMES), "how its `on_success` ends; `ok` without it";
}}

record! { DECISION "decision" {
    must "decide" Word(WORDS), "`nobody` lets the time run out; with `open` the scenario ends where the run waits for it";
    may  "by" Filled, "who; the first approver without it, or somebody who did not begin the run";
    may  "after" Duration, "how long after the gate opened";
    may  "comment" Text, "why";
    may  "set" Named(&Text), "values for the task";
}}

record! { HAPPENING "happening" {
    must "do" Word(DEEDS), "`crash` kills the runner";
    may  "at" Duration, "when, from the beginning of the run";
    may  "on" Filled, "or with what: `T0.1`, `T0.1 run` or `T0.1 verify:unit` when that has just started, `end` when nothing goes on any more";
    may  "attempt" count(1), "which attempt of the task in `on`; the first one without it";
    may  "down" Duration, "how long nobody drives the run after a `crash`";
    may  "task" Filled, "the task of a `rerun`";
    may  "by" Filled, "who; `operator` without it";
}}

record! { EXPECTED "expectation" {
    may "run" Word(ENDS), "how the run ends; `refused` if it does not begin";
    may "exit_code" Shape::Count { min: 0, max: 255 }, "what `outpost-bp run` exits with";
    may "tasks" Named(&OneOf(&[Word(STATUSES), Shape::Record(&STANDING)])), "how tasks stand, by id";
    may "others" Word(STATUSES), "how all tasks stand that `tasks` does not name";
    may "order" List(&Filled), "`T0.1 before T0.2`: the first one is over when the second one starts";
    may "together" List(&List(&Filled)), "tasks that are under way at the same time";
    may "max_parallel" count(1), "the most attempts that are under way at once";
    may "duration" Duration, "how long the run takes";
    may "within" Duration, "how long the run takes at most";
    may "gates" List(&Filled), "the gates that opened, in order";
    may "rolled_back" List(&Filled), "the tasks that are undone, in order";
    may "hooks" List(&Filled), "the hooks of the run that are carried out, in order";
    may "refused" List(&Filled), "words that stand in the reasons why the run did not begin";
}}

record! { STANDING "expected task" {
    may "status" Word(STATUSES), "how it stands";
    may "attempts" count(0), "how many attempts it had";
    may "because" Filled, "words that stand in the reason why it was skipped, blocked or failed last";
    may "error" Word(CODES), "the code of that failure";
    may "how" Word(&["done", "verified", "collected"]), "how it came to be complete";
    may "inputs" VALUES, "what its last attempt was given, by name; others do not count";
    may "on_success" Flag, "whether its `on_success` was carried out";
    may "fallback" Filled, "the task that did its work";
}}
