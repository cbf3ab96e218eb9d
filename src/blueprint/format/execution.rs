//! The keys of the execution block, and of all that stands in it.

use super::site::{FLEET, SSM};
use super::task::{AGENT, BUDGET};
use super::{ANYTHING, EXECS, EXIT_CODE, ISOLATIONS, LOCK_MODES, NEWS_CHANNELS, OCCASIONS, TEXTS};
use crate::blueprint::shape::{Field, Need, Record, Shape};

use Shape::{Any, Duration, Filled, Flag, List, Named, OneOf, Path, Template, Text, Word};

record! { EXECUTION "execution block" {
    may "shell" Filled, "the shell of all commands";
    may "shell_flags" TEXTS, "its flags, such as `-e`";
    may "exec" Word(EXECS), "whether a shell is left out that would only start a program (extension)";
    may "isolation" Word(ISOLATIONS), "whether commands work in worktrees of their own, unless a task says otherwise (extension)";
    may "max_parallel_tasks" Shape::Count { min: 1, max: 100_000 }, "tasks that run at once";
    may "resource_locks" List(&OneOf(&[Filled, Shape::Record(&LOCK)])), "the locks tasks may ask for";
    may "preflight_checks" List(&OneOf(&[Filled, Shape::Record(&PREFLIGHT)])), "commands that must pass before anything runs";
    may "secret_resolution" Shape::Record(&SECRETS), "where secrets come from";
    may "logging" Shape::Record(&LOGGING), "how the run is logged";
    may "storage" Shape::Record(&STORAGE), "where outputs and checkpoints are kept";
    may "compatibility_mode" Word(&["strict", "v1_migration"]), "`v1_migration` accepts v1 spellings silently";
    may "hierarchy" Word(&["auto", "rollup", "none"]), "how `T1` and `T1.1` relate (extension)";
    may "executor" Filled, "who does the work unless a task says otherwise (extension)";
    may "agent" Shape::Record(&AGENT), "the terms of agents unless a task says otherwise (extension)";
    may "run_budget" Shape::Record(&BUDGET), "what the agents of a run may use together, all tasks and attempts (extension)";
    may "ssm" Shape::Record(&SSM), "the machines of the executor `ssm`, unless a task says otherwise (extension)";
    may "outpost" Shape::Record(&FLEET), "the service of the executor `outpost`, unless a task says otherwise (extension)";
    may "rollback" Word(&["manual", "ask", "auto"]), "whether a run that fails undoes what it did (extension)";
    may "hooks" Shape::Record(&HOOKS), "commands for moments of the run (extension)";
    may "environments" Named(&Named(&Template)), "variables chosen with `--env` (extension)";
    may "notify" OneOf(&[Shape::Record(&NEWS), List(&Shape::Record(&NEWS))]), "who is told how the run goes (extension)";
    may "smtp" Shape::Record(&SMTP), "the server that sends email (extension)";
    may "parallelism" Shape::Record(&PARALLELISM), "2.1's `max_parallel_tasks`";
    may "retry_policy" Shape::Record(&RETRY_POLICY), "2.1's default for `on_failure`";
    inert "lock_arbitration" ANYTHING, "2.1's lock tuning; locks here are fair and cannot deadlock";
    inert "observability" ANYTHING, "2.1's metrics and tracing";
    inert "budget" ANYTHING, "2.1's cost limits";
}}

record! { NEWS "run notification" {
    may  "on" List(&Word(OCCASIONS)), "what of; `gate`, `failed` and `done` without it";
    must "channel" Word(NEWS_CHANNELS), "how the person is told";
    may  "recipient" Filled, "the address of `email`, the channel of `slack`";
    may  "url" Template, "the address of `webhook` and of `slack`";
    may  "secret" Template, "signs what `webhook` sends";
    may  "headers" Named(&Template), "headers that `webhook` sends";
    may  "command" Filled, "what `command` runs";
    may  "message" Text, "the words of the message";
}}

record! { SMTP "mail server" {
    must "url" Template, "its address: `smtps://HOST`, or `smtp://HOST` with STARTTLS";
    may  "from" Filled, "whom the email comes from";
    may  "username" Template, "who we are to it";
    may  "password" Template, "the proof of it";
}}

record! { PARALLELISM "parallelism" {
    may "max_concurrent_tasks" Shape::Count { min: 1, max: 100_000 }, "tasks that run at once";
    inert "strategy" Any, "2.1's scheduling hint";
}}

record! { RETRY_POLICY "retry policy" {
    may "max_retries" Shape::Count { min: 0, max: 1000 }, "attempts after the first";
    may "max_attempts" Shape::Count { min: 1, max: 1001 }, "attempts in all";
    may "retry_delay" Duration, "time before the next attempt";
    may "delay" Duration, "the same as `retry_delay`";
    inert "backoff" Any, "2.1's back-off; delays here grow and are jittered";
    inert "backoff_multiplier" Any, "2.1's back-off; delays here grow and are jittered";
}}

record! { LOCK "lock" {
    must "name" Filled, "the name tasks ask for";
    may  "type" Word(LOCK_MODES), "held alone, or by several";
    may  "mode" Word(LOCK_MODES), "the same as `type`";
    may  "max_holders" Shape::Count { min: 1, max: 1_000_000 }, "how many may hold a shared lock";
    may  "description" Text, "what it protects";
}}

record! { PREFLIGHT "preflight check" {
    must "command" Filled, "the command";
    may  "expected_exit_code" EXIT_CODE, "the exit code that counts as passed";
    may  "error_message" Text, "what to tell the person when it fails";
    may  "name" Text, "what is checked";
    may  "timeout" Duration, "the longest it may take";
}}

record! { SECRETS "secret resolution" {
    may "on_missing" Word(&["abort", "prompt", "skip_task", "use_default"]), "what happens when a secret is not found";
    may "sources" List(&Shape::Record(&SECRET_SOURCE)), "where to look, in this order";
}}

record! { SECRET_SOURCE "secret source" {
    must "type" Word(&["env", "file", "vault", "aws_ssm"]), "the kind of source";
    may  "prefix" Text, "put before the name";
    may  "path" Filled, "the file, or the path inside the vault";
    may  "address" Template, "the address of the vault";
    may  "region" Filled, "the AWS region";
    may  "profile" Filled, "the AWS profile";
}}

record! { HOOKS "hooks" {
    may "on_start" OneOf(&[Filled, Shape::Record(&HOOK)]), "before the first task";
    may "on_waiting" OneOf(&[Filled, Shape::Record(&HOOK)]), "when only people can make it go on";
    may "on_success" OneOf(&[Filled, Shape::Record(&HOOK)]), "when all is done";
    may "on_failure" OneOf(&[Filled, Shape::Record(&HOOK)]), "when it ends in another way";
    may "on_exit" OneOf(&[Filled, Shape::Record(&HOOK)]), "at its end, after everything else";
}}

record! { HOOK "hook" {
    must "command" Filled, "what is carried out";
    may  "timeout" Duration, "the longest it may take";
    may  "stays" Flag, "whether what it leaves running stays, if it ends well (extension)";
}}

record! { LOGGING "logging" {
    may "format" Word(&["json", "text", "ndjson"]), "how records are written";
    may "level" Word(&["debug", "info", "warn", "error"]), "the least level that is written";
    may "destination" Word(&["stdout", "stderr", "file", "syslog"]), "where they go";
    may "file_path" Path, "the file of `destination: file`";
    may "include_timestamps" Flag, "begin with the time";
    may "include_task_context" Flag, "name the task in every record";
}}

record! { STORAGE "storage" {
    may "mode" Word(&["shared_fs", "object_store", "hybrid"]), "where data is kept";
    may "shared_path" Path, "the directory of `shared_fs`";
    may "backend" Word(&["s3", "gcs", "azure"]), "the object store; `s3` is carried out";
    may "bucket" Filled, "its bucket";
    may "region" Filled, "its region";
    may "prefix" Path, "put before every key";
    may "endpoint" Filled, "its address, when it is not AWS";
    may "checkpoint_storage" Word(&["shared_fs", "object_store"]), "where `hybrid` keeps checkpoints";
    may "artifact_storage" Word(&["shared_fs", "object_store"]), "where `hybrid` keeps outputs";
    may "credentials" Shape::Record(&STORAGE_CREDENTIALS), "whose credentials are used";
    may "encryption" Shape::Record(&ENCRYPTION), "how objects are encrypted";
    may "versioning" Flag, "keep old versions";
}}

record! { STORAGE_CREDENTIALS "storage credentials" {
    may "source" Word(&["env", "iam_role", "file"]), "where they come from";
    may "credentials_file" Path, "the file";
}}

record! { ENCRYPTION "encryption" {
    may "enabled" Flag, "whether objects are encrypted";
    may "kms_key_id" Template, "the key";
}}
