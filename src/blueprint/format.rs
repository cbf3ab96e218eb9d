//! The Blueprint Standard Format, 2.0.2 with the v1 and 2.1 spellings and our extensions, as
//! [`Record`]s: every key, its form, and one sentence about it.
//!
//! This is the only list of keys. The checker, `outpost-bp schema` and the reference read it.

use super::shape::{Field, MAX_COUNT, Need, Record, Shape};

macro_rules! record {
    ($(#[$meta:meta])* $name:ident $title:literal { $($need:ident $key:literal $shape:expr, $doc:literal;)* }) => {
        $(#[$meta])*
        pub static $name: Record = Record {
            title: $title,
            fields: &[$(Field { key: $key, shape: $shape, need: need!($need), doc: $doc }),*],
        };
    };
}

macro_rules! need {
    (must) => {
        Need::Must
    };
    (strict) => {
        Need::Strict
    };
    (may) => {
        Need::May
    };
    (inert) => {
        Need::Inert
    };
    (legacy_timeout) => {
        Need::Legacy("timeout")
    };
    (legacy_task_timeout) => {
        Need::Legacy("execution_context.timeout")
    };
    (legacy_delay) => {
        Need::Legacy("retry_delay")
    };
}

pub(crate) use {need, record};

use Shape::{
    Amount, Any, Cores, Duration, Filled, Flag, JsonSchema, List, Named, OneOf, Path, Seconds, Size, Status, TaskId,
    Template, Text, Word,
};

const fn count(min: u32) -> Shape {
    Shape::Count { min, max: MAX_COUNT }
}

const EXIT_CODE: Shape = Shape::Count { min: 0, max: 255 };
const TEXTS: Shape = List(&Text);
const NAMES: Shape = List(&Filled);
const ANYTHING: Shape = Named(&Any);

/// The stages of a verification, in the order they run.
pub const STAGES: [&str; 4] = ["smoke", "unit", "integration", "e2e"];
pub const LOCATIONS: &[&str] = &["stdout", "file", "memory", "network"];
pub const FORMATS: &[&str] = &["json", "yaml", "text", "binary"];
pub const VALUE_TYPES: &[&str] = &["json", "yaml", "text", "file_path", "none"];
pub const JSON_TYPES: &[&str] = &["string", "integer", "number", "boolean", "array", "object"];
pub const LOCK_MODES: &[&str] = &["exclusive", "shared"];
/// How somebody is told of a gate; `command` is an extension.
pub const CHANNELS: &[&str] = &["email", "slack", "webhook", "env", "console", "command"];
/// How somebody is told of a run, and of a gate that waits for long: nobody is asked for a decision there.
pub const NEWS_CHANNELS: &[&str] = &["email", "slack", "webhook", "console", "command"];
/// What `execution.notify` may tell of.
pub const OCCASIONS: &[&str] = &["gate", "waiting", "failed", "done", "cancelled", "rolled_back"];
/// Executors that come with the tool; definition files may add more.
pub const EXECUTORS: &[&str] = &["shell", "claude", "codex", "gemini", "aider", "grok", "ssm", "outpost", "manual"];

record! { TASK "task block" {
    must   "task_id" TaskId, "the unique name of the task, such as `T1.2`";
    must   "name" Filled, "what the task does, in a line";
    strict "status" Status, "where the task stands; `complete` and `skipped` are not run again";
    strict "dependencies" List(&OneOf(&[Filled, Shape::Record(&DEPENDENCY)])), "tasks that must be complete before this one starts";
    strict "interface" Shape::Record(&INTERFACE), "what the task needs and what it leaves";
    strict "acceptance_criteria" TEXTS, "what must be true when the task is done";
    strict "input_bindings" Named(&OneOf(&[Filled, Shape::Record(&BINDING)])), "data this task takes from the ports of others";
    strict "output" Shape::Record(&OUTPUT), "where the task leaves its data, and under which ports";
    strict "rollback" OneOf(&[Filled, Shape::Record(&ROLLBACK)]), "the command that undoes the task";
    may    "verification" Shape::Record(&VERIFICATION), "commands that show the task is done, from quick to thorough";
    may    "test_command" Filled, "v1's single verification; becomes `verification.unit`";
    may    "run" Filled, "the shell command that does the work (extension)";
    may    "executor" Filled, "who does the work: an agent, `shell`, `ssm`, `outpost`, `manual`, or a defined name (extension)";
    may    "when" Filled, "a jq condition over `env`, `capabilities` and `tasks`; the task is skipped when it does not hold (extension)";
    may    "required_capabilities" NAMES, "tools the executor must have, with versions: `python3.11`, `node>=18`";
    may    "resources" Shape::Record(&RESOURCES), "processors, memory, locks and the time limit of the task";
    may    "execution_context" Shape::Record(&CONTEXT), "directory, environment and shell of the commands";
    may    "on_failure" Shape::Record(&ON_FAILURE), "what happens when the task fails";
    may    "on_success" Filled, "a command to run after the task is complete";
    may    "human_required" Shape::Record(&GATE), "a person must decide before (or after) the task";
    may    "handoff" Shape::Record(&HANDOFF), "checkpoints, and how an interrupted task goes on";
    may    "idempotent" Flag, "whether the task may safely be started again";
    may    "assignee" Text, "who should do it; an executor's name chooses that executor";
    may    "estimated_sessions" Amount, "expected effort";
    may    "files_to_create" List(&Path), "files that must exist when the task is done";
    may    "files_to_modify" List(&Path), "files the task changes";
    may    "notes" OneOf(&[Text, TEXTS]), "anything a person should know";
    may    "example" Any, "an example, for people";
    may    "description" Text, "more words about the task";
    may    "priority" Any, "kept; the order of the document decides";
    may    "parallel_group" Filled, "tasks that are meant to run at once; a hint";
    may    "track" Filled, "a label for people";
    legacy_task_timeout "timeout_seconds" Seconds, "v1's `execution_context.timeout`";
}}

record! { DEPENDENCY "typed dependency" {
    must "task" TaskId, "the task to wait for";
    may  "type" Word(&["data", "completion", "resource"]), "what is needed of it";
    may  "output_port" Filled, "the port whose data is needed";
    may  "resource" Filled, "the lock it must have released";
}}

record! { INTERFACE "interface" {
    may "input" OneOf(&[Text, Any]), "what the task needs, in words";
    may "output" OneOf(&[Text, Any]), "what the task leaves, in words";
    may "input_type" Word(VALUE_TYPES), "the form of the input";
    may "output_type" Word(VALUE_TYPES), "the form of the output";
    may "input_schema" JsonSchema, "what the input must satisfy";
    may "output_schema" JsonSchema, "what the output must satisfy";
    may "example_input" Any, "an example, for people and agents";
    may "example_output" Any, "an example, for people and agents";
    may "inputs" List(&OneOf(&[Filled, Shape::Record(&INTERFACE_ITEM)])), "2.1's list of inputs";
    may "outputs" List(&OneOf(&[Filled, Shape::Record(&INTERFACE_ITEM)])), "2.1's list of outputs; they become ports";
}}

record! { INTERFACE_ITEM "interface item" {
    must "name" Filled, "the name of the input or output";
    may  "type" Filled, "its type";
    may  "description" Text, "what it is";
    may  "required" Flag, "whether it must be there";
    may  "schema" JsonSchema, "what it must satisfy";
    may  "path" Path, "where it stands";
    may  "source" Filled, "where it comes from";
    may  "default" Any, "its value when nothing is given";
}}

record! { BINDING "input binding" {
    must "source" TaskId, "the task the data comes from";
    may  "output_port" Filled, "the port of the source; may be left out when it has one port";
    may  "transfer" Word(LOCATIONS), "how the data travels";
    may  "required" Flag, "whether the task may start without it";
    may  "transform" Shape::Record(&TRANSFORM), "a jq expression applied to the data";
    may  "fallback" Shape::Record(&FALLBACK), "how the data travels when memory cannot";
    may  "description" Text, "what it is";
}}

record! { TRANSFORM "transform" {
    must "language" Word(&["jq"]), "`jq`";
    must "expression" Filled, "the jq expression";
}}

record! { FALLBACK "fallback" {
    must "transfer" Word(LOCATIONS), "how the data travels instead";
    may  "format" Word(&["json", "yaml"]), "how it is written";
    may  "path" Path, "where it is written";
}}

record! { OUTPUT "output block" {
    must "location" Word(LOCATIONS), "where the output goes";
    may  "path" Path, "the file of the output";
    may  "format" Word(FORMATS), "how the file is written";
    may  "ports" Named(&OneOf(&[Filled, Shape::Record(&PORT)])), "named parts of the output that other tasks bind";
    may  "cleanup" Shape::Record(&CLEANUP), "when the output is removed";
    may  "network" Shape::Record(&NETWORK), "where `location: network` sends it";
    may  "description" Text, "what it is";
}}

record! { PORT "port" {
    must "type" Filled, "the type of the data: `json`, `string`, `integer`, `file_path`, …";
    may  "schema" JsonSchema, "what the data must satisfy";
    may  "value" Any, "a fixed value";
    may  "description" Text, "what it is";
}}

record! { CLEANUP "cleanup block" {
    may "ttl" Duration, "how long the output stays";
    may "policy" Word(&["after_creation", "after_consumers", "after_blueprint", "never"]), "when that time starts";
    may "on_blueprint_complete" Word(&["delete", "keep", "archive"]), "what happens when the run succeeds";
    may "on_blueprint_failure" Word(&["delete", "keep", "archive"]), "what happens when the run fails";
    may "archive_path" Path, "where it is archived";
}}

record! { NETWORK "network block" {
    must "protocol" Word(&["s3", "http", "https", "sqs", "kafka"]), "the protocol";
    must "endpoint" Path, "the address";
    may  "auth" Shape::Record(&AUTH), "how to authenticate";
    may  "timeout" Duration, "the longest a transfer may take";
    may  "retry" Shape::Record(&NETWORK_RETRY), "how often a transfer is tried";
}}

record! { AUTH "auth block" {
    must "type" Word(&["aws_credentials", "bearer_token", "api_key", "none"]), "the kind of credential";
    may  "secret_ref" Template, "the secret, as `${secrets.NAME}`";
    may  "header" Filled, "the header of an api key";
}}

record! { NETWORK_RETRY "retry block" {
    may "max_attempts" count(1), "attempts in all";
    may "delay" Duration, "time between attempts";
}}

record! { ROLLBACK "rollback" {
    may "command" Filled, "the command that undoes the task";
    may "strategy" Filled, "how it is undone, in a word";
    may "timeout" Duration, "the longest it may take";
    may "irreversible" Flag, "nothing undoes the task, and whoever rolls back is told (extension)";
    may "max_retries" Shape::Count { min: 0, max: 1000 }, "attempts after the first (extension)";
    may "retry_delay" Duration, "time before the next attempt (extension)";
    may "description" Text, "what it does";
}}

record! { VERIFICATION "verification" {
    may "smoke" OneOf(&[Filled, Shape::Record(&STAGE)]), "a quick check, seconds";
    may "unit" OneOf(&[Filled, Shape::Record(&STAGE)]), "unit tests, minutes";
    may "integration" OneOf(&[Filled, Shape::Record(&STAGE)]), "tests with real neighbours";
    may "e2e" OneOf(&[Filled, Shape::Record(&STAGE)]), "tests of the whole";
}}

record! { STAGE "verification stage" {
    must "command" Filled, "exits 0 when the task is done";
    may  "timeout" Duration, "the longest it may take";
    may  "expected_exit_code" EXIT_CODE, "the exit code that counts as passed";
    may  "requires_resources" NAMES, "locks it needs";
    may  "optional" Flag, "record a failure, but do not fail the task";
    may  "description" Text, "what it shows";
    legacy_timeout "timeout_seconds" Seconds, "v1's `timeout`";
}}

record! { RESOURCES "resources" {
    may "cpu" Cores, "processors the task uses";
    may "memory" Size, "memory the task uses";
    may "gpu" count(0), "graphics processors the task uses";
    may "disk" Size, "disk the task uses";
    may "locks" List(&OneOf(&[Filled, Shape::Record(&LOCK_REQUEST)])), "locks held while the task runs";
    may "timeout" Duration, "the longest an attempt may take, its verification included";
    may "lock_timeout" Duration, "the longest it may wait for its locks; without it, for ever (extension)";
    legacy_timeout "timeout_seconds" Seconds, "v1's `timeout`";
}}

record! { LOCK_REQUEST "lock request" {
    must "name" Filled, "a lock of `execution.resource_locks`";
    may  "mode" Word(LOCK_MODES), "alone, or with others";
    may  "type" Word(LOCK_MODES), "the same as `mode`";
}}

record! { CONTEXT "execution context" {
    may "working_directory" Path, "where the commands run";
    may "environment_variables" Named(&Template), "the environment of the commands";
    may "required_tools" NAMES, "programs that must be there";
    may "timeout" Duration, "the longest the work may take";
    may "setup_command" Filled, "a command to run first";
    may "shell" Filled, "the shell of this task";
    may "shell_args" TEXTS, "the arguments of the shell";
    may "shell_override" Filled, "the same as `shell`";
    legacy_timeout "timeout_seconds" Seconds, "v1's `timeout`";
}}

record! { ON_FAILURE "failure policy" {
    may "max_retries" Shape::Count { min: 0, max: 1000 }, "attempts after the first";
    may "retry_delay" Duration, "time before the next attempt";
    may "action" Word(&["block", "abort", "skip"]), "what a failed task does to the rest";
    may "fallback_task" TaskId, "a task to run instead";
    may "rollback" Word(&["manual", "auto"]), "whether the task is undone as soon as it failed for good (extension)";
    legacy_delay "retry_delay_seconds" Seconds, "v1's `retry_delay`";
}}

record! { GATE "human gate" {
    may "action" Filled, "what the person must do";
    may "reason" Text, "why a person must decide";
    may "description" Filled, "2.1's `action`";
    may "action_required" Filled, "2.1's kind of decision";
    may "when" Word(&["before", "after"]), "before the task starts, or after its verification (extension)";
    may "notify" OneOf(&[Shape::Record(&NOTIFY), List(&Shape::Record(&NOTIFY))]), "who is told; several are an extension";
    may "timeout" Duration, "how long to wait";
    may "on_timeout" Word(&["abort", "skip", "continue"]), "what happens then";
    may "on_missing" Word(&["abort", "skip", "continue"]), "what happens when the variable of an `env` channel is not set";
    may "approvers" NAMES, "who may decide; anybody without it (extension)";
    may "min_approvals" count(1), "how many people must approve (extension)";
    may "self_approval" Flag, "whether who began the run may approve, which is the default (extension)";
}}

record! { NOTIFY "notification" {
    must "channel" Word(CHANNELS), "how the person is told; `command` is an extension";
    may  "recipient" Filled, "the address of `email`, the channel of `slack`";
    may  "variable" Filled, "the variable that `env` reads the decision from";
    may  "any_value" Flag, "for `env`: whatever the variable holds approves, if it is no rejection (extension)";
    may  "url" Template, "the address of `webhook`, and of `slack` (extension)";
    may  "secret" Template, "signs what `webhook` sends (extension)";
    may  "headers" Named(&Template), "headers that `webhook` sends (extension)";
    may  "command" Filled, "what `command` runs (extension)";
    may  "message" Text, "the words of the message";
    may  "remind" Duration, "how often to tell again until somebody decides (extension)";
    may  "escalate" OneOf(&[Shape::Record(&ESCALATION), List(&Shape::Record(&ESCALATION))]), "whom to tell when nobody decides for long (extension)";
}}

record! { ESCALATION "escalation" {
    must "after" Duration, "how long after the gate opened";
    must "channel" Word(NEWS_CHANNELS), "how the person is told";
    may  "recipient" Filled, "the address of `email`, the channel of `slack`";
    may  "url" Template, "the address of `webhook` and of `slack`";
    may  "secret" Template, "signs what `webhook` sends";
    may  "headers" Named(&Template), "headers that `webhook` sends";
    may  "command" Filled, "what `command` runs";
    may  "message" Text, "the words of the message";
    may  "remind" Duration, "how often to tell again until somebody decides";
}}

record! { HANDOFF "hand-off block" {
    may "checkpoint_format" Word(&["json", "yaml", "binary"]), "how the checkpoint is written";
    may "checkpoint_path" Path, "where the checkpoint is written";
    may "checkpoint_interval" Duration, "how often";
    may "resume_strategy" Word(&["from_checkpoint", "restart", "manual"]), "how an interrupted task goes on";
    may "state_fields" List(&OneOf(&[Filled, Shape::Record(&STATE_FIELD)])), "what the checkpoint holds";
    may "state_schema" JsonSchema, "what the checkpoint must satisfy";
    may "on_interrupt" Shape::Record(&ON_INTERRUPT), "what happens on a signal";
    may "agent_handoff" Shape::Record(&AGENT_HANDOFF), "whether another executor may go on";
    may "conflict_resolution" Word(&["last_write_wins", "optimistic_lock", "manual"]), "who wins when two write";
    may "checkpoint_versioning" Flag, "number the checkpoints";
}}

record! { STATE_FIELD "state field" {
    must "name" Filled, "the name of the field";
    must "path" Filled, "the JSONPath of its value";
    must "type" Word(JSON_TYPES), "its type";
    may  "items_type" Word(JSON_TYPES), "the type of an array's items";
    may  "default" Any, "its value when the path finds nothing";
    may  "description" Text, "what it is";
}}

record! { ON_INTERRUPT "interrupt policy" {
    may "action" Word(&["checkpoint", "abort", "ignore"]), "what the task should do";
    may "timeout" Duration, "how long it may take";
}}

record! { AGENT_HANDOFF "agent hand-off" {
    may "allowed" Flag, "whether another executor may take over";
    may "required_context" TEXTS, "what it must be given";
}}

record! { EXECUTION "execution block" {
    may "shell" Filled, "the shell of all commands";
    may "shell_flags" TEXTS, "its flags, such as `-e`";
    may "max_parallel_tasks" Shape::Count { min: 1, max: 100_000 }, "tasks that run at once";
    may "resource_locks" List(&OneOf(&[Filled, Shape::Record(&LOCK)])), "the locks tasks may ask for";
    may "preflight_checks" List(&OneOf(&[Filled, Shape::Record(&PREFLIGHT)])), "commands that must pass before anything runs";
    may "secret_resolution" Shape::Record(&SECRETS), "where secrets come from";
    may "logging" Shape::Record(&LOGGING), "how the run is logged";
    may "storage" Shape::Record(&STORAGE), "where outputs and checkpoints are kept";
    may "compatibility_mode" Word(&["strict", "v1_migration"]), "`v1_migration` accepts v1 spellings silently";
    may "hierarchy" Word(&["auto", "rollup", "none"]), "how `T1` and `T1.1` relate (extension)";
    may "executor" Filled, "who does the work unless a task says otherwise (extension)";
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

record! {
    /// The root of a document in pure YAML, and of a fence that holds more than one thing.
    DOCUMENT "blueprint document" {
    may "metadata" ANYTHING, "name, status and owner of the blueprint";
    may "title" Text, "the name of the blueprint";
    may "name" Text, "the name of the blueprint";
    may "description" Text, "what it is about";
    may "strategic_vision" Any, "the goal, in words";
    may "success_metrics" Any, "how success is measured";
    may "execution" Shape::Record(&EXECUTION), "settings of all tasks";
    may "tiers" List(&Shape::Record(&TIER)), "the tiers with their tasks";
    may "tasks" List(&Shape::Record(&TASK)), "tasks outside of tiers";
    may "dependency_graph" Named(&OneOf(&[List(&Filled), Shape::Record(&GRAPH_ENTRY)])), "what the tasks say, as one graph; checked against them";
    may "dependencies" Any, "the same as `dependency_graph`";
    may "parallel_groups" Any, "kept, for people";
    may "document_control" Any, "kept, for people";
    may "blueprint_version" Text, "the version of the format";
}}

record! { TIER "tier" {
    may "tasks" List(&Shape::Record(&TASK)), "the tasks of the tier";
    may "name" Text, "the name of the tier";
    may "title" Text, "the same as `name`";
    may "tier_number" count(0), "its number";
    may "tier" OneOf(&[count(0), Text]), "the same as `tier_number`";
    may "number" count(0), "the same as `tier_number`";
    may "tier_id" Text, "such as `T0`";
    may "id" Text, "the same as `tier_id`";
    may "goal" Text, "what it is for";
    may "description" Text, "what it is for";
    may "status" Text, "kept, for people";
}}

record! { GRAPH_ENTRY "graph entry" {
    may "depends_on" NAMES, "the tasks it waits for";
    may "input_bindings" Named(&Filled), "`name: T0.1.output.port`";
    may "parallel_group" Filled, "a hint";
    may "notes" Text, "kept, for people";
}}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{DOCUMENT, EXECUTION, Record, Shape, TASK};

    fn walk(record: &'static Record, seen: &mut HashSet<&'static str>) {
        if !seen.insert(record.title) {
            return;
        }
        assert!(record.fields.len() <= 64, "{} has too many fields for a bit set", record.title);
        let mut keys = HashSet::new();
        for field in record.fields {
            assert!(keys.insert(field.key), "{}.{} twice", record.title, field.key);
            assert!(!field.doc.is_empty() && !field.doc.ends_with('.'), "{}.{}", record.title, field.key);
            descend(&field.shape, seen);
        }
    }

    fn descend(shape: &'static Shape, seen: &mut HashSet<&'static str>) {
        match shape {
            Shape::Record(record) => walk(record, seen),
            Shape::List(shape) | Shape::Named(shape) => descend(shape, seen),
            Shape::OneOf(shapes) => shapes.iter().for_each(|shape| descend(shape, seen)),
            _ => {}
        }
    }

    #[test]
    fn the_tables_are_sound() {
        let mut seen = HashSet::new();
        for record in [&TASK, &EXECUTION, &DOCUMENT] {
            walk(record, &mut seen);
        }
        assert!(seen.len() > 25, "{seen:?}");
    }
}
