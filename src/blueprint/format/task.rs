//! The keys of a task block, and of all that stands in it.

use super::site::{CONTAINER, FLEET, SSM};
use super::{
    APPROVALS, CHANNELS, EXECS, EXIT_CODE, FORMATS, ISOLATIONS, JSON_TYPES, LOCATIONS, LOCK_MODES, NAMES, NETWORKS,
    NEWS_CHANNELS, SANDBOXES, SITES, TEXTS, TRUSTS, VALUE_TYPES, count,
};
use crate::blueprint::shape::{Field, Need, Record, Shape};

use Shape::{
    Amount, Any, Cores, Duration, Filled, Flag, JsonSchema, List, Named, OneOf, Path, Seconds, Size, Status, TaskId,
    Template, Text, Word,
};

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
    may    "agent" Shape::Record(&AGENT), "the terms on which an agent does the work (extension)";
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

record! { AGENT "agent terms" {
    may "name" Filled, "which agent of the service does the work, where the executor is `outpost`";
    may "model" Filled, "the model; the agent's own choice without it";
    may "effort" Filled, "how hard the model thinks, in the agent's own word";
    may "approval" Word(APPROVALS), "what it may do without asking: everything, edits, or nothing that changes";
    may "trust" Word(TRUSTS), "whether settings and hooks that lie in the project are its own, or not to be trusted";
    may "max_turns" count(1), "answers of the model in one attempt";
    may "budget" Shape::Record(&BUDGET), "what all attempts of a task may cost together";
    may "isolation" Word(ISOLATIONS), "whether it works in a worktree of its own, or in the project's directory";
    may "paths" List(&Filled), "what it may change, as patterns such as `src/**`; anything without it";
    may "sandbox" OneOf(&[Word(SANDBOXES), Shape::Record(&SANDBOX)]), "what it runs behind: the layers that are here, or none; `require` refuses to begin where a layer is missing";
}}

record! { SANDBOX "agent sandbox" {
    may "mode" Word(SANDBOXES), "as `sandbox` in a word";
    may "read" List(&Filled), "what it may read beside its tree and the programs of `PATH`: paths of the project, `~/…`, or absolute ones";
    may "write" List(&Filled), "what it may write beside its tree";
    may "network" Word(NETWORKS), "whether it reaches the network, or the model's gateway alone";
}}

record! { BUDGET "agent budget" {
    may "usd" Amount, "US dollars";
    may "tokens" count(1), "tokens, read and written";
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
    may  "on" Word(SITES), "where it runs: where the work does, which is the default, or on this machine (extension)";
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
    may "exec" Word(EXECS), "whether a shell is left out that would only start a program (extension)";
    may "isolation" Word(ISOLATIONS), "whether the commands work in a worktree of their own, out of which the work lands (extension)";
    may "shell_override" Filled, "the same as `shell`";
    may "ssm" Shape::Record(&SSM), "the machines of the executor `ssm`, over those of the execution block (extension)";
    may "outpost" Shape::Record(&FLEET), "the service of the executor `outpost`, over that of the execution block (extension)";
    may "container" Shape::Record(&CONTAINER), "the container that the commands run in (extension)";
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
    may "checkpoint_versioning" Flag, "keep every checkpoint; without it the last two";
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
