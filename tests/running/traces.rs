//! A run as one distributed trace, sent to a real listener that decodes what it gets.

use std::collections::HashMap;
use std::net::TcpListener;
use std::process::Command;

use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use rustix::process::Signal;

use crate::collector::{Collector, Sent};
use crate::project;
use crate::project::Project;

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn command(project: &Project, collector: &Collector, arguments: &[&str]) -> Command {
    let mut command = project.command(arguments);
    // However busy the machine is.
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint()).env("OTEL_EXPORTER_OTLP_TIMEOUT", "60000");
    command
}

/// `name < parent status` of each span, and that the tree is whole.
fn tree(sent: &[Sent]) -> Vec<String> {
    let names: HashMap<&[u8], &str> = sent.iter().map(|sent| (&*sent.span.span_id, sent.span.name.as_str())).collect();
    assert_eq!(names.len(), sent.len(), "every span has a name of its own");
    let mut lines: Vec<String> = sent
        .iter()
        .map(|sent| {
            let parent = names.get(&*sent.span.parent_span_id).copied().unwrap_or("-");
            let code = sent.span.status.as_ref().map_or(StatusCode::Unset, Status::code);
            format!("{} < {parent}: {code:?}", sent.span.name)
        })
        .collect();
    lines.sort_unstable();
    lines
}

fn find<'s>(sent: &'s [Sent], name: &str) -> &'s Sent {
    sent.iter().find(|sent| sent.span.name == name).unwrap_or_else(|| panic!("no span `{name}`: {:?}", tree(sent)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn a_run_is_one_trace_from_the_process_that_began_it_to_the_commands_of_its_tasks() {
    let collector = Collector::listen();
    let project = project(
        "resource_locks: [db]",
        &[
            (
                "a",
                "",
                "on_failure: {max_retries: 1, retry_delay: PT0S}\nrun: note $TRACEPARENT; test $OUTPOST_ATTEMPT = 2",
            ),
            ("b", "", "resources: {locks: [db]}\nrun: note begun; await go"),
            ("c", "", "resources: {locks: [db]}\nrun: note ran"),
            ("d", "a", "human_required: {action: look, reason: so}\nrun: exit 3"),
        ],
    );
    let mut run = command(&project, &collector, &["run", "blueprint.md", "-j", "4"]);
    run.env("TRACEPARENT", PARENT).env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=some");
    let running = project.start(run);
    project.until_written("b 1 run begun");
    project.write("go", "");
    running.end().with(3);
    project.start(command(&project, &collector, &["resume", "--approve", "d"])).end().with(1);
    let sent = collector.spans();
    assert_eq!(
        tree(&sent),
        [
            "Rows < -: Error",
            "a a < Rows: Ok",
            "attempt 1 < a a: Error",
            "attempt 1 < b b: Ok",
            "attempt 1 < c c: Ok",
            "attempt 1 < d d: Error",
            "attempt 2 < a a: Ok",
            "b b < Rows: Ok",
            "c c < Rows: Ok",
            "d d < Rows: Error",
            "gate wait < d d: Unset",
            "lock wait < c c: Unset",
            "run < attempt 1: Error",
            "run < attempt 1: Error",
            "run < attempt 1: Ok",
            "run < attempt 1: Ok",
            "run < attempt 2: Ok",
        ]
    );
    // Every span is of the trace that we were called in, and its root within the span that called us.
    assert!(sent.iter().all(|sent| hex(&sent.span.trace_id) == PARENT[3..35]));
    assert_eq!(hex(&find(&sent, "Rows").span.parent_span_id), PARENT[36..52]);
    assert!(
        sent.iter()
            .all(|sent| sent.service == "outpost-bp" && sent.span.start_time_unix_nano <= sent.span.end_time_unix_nano)
    );
    // A retry follows the attempt before it, and commands know their own span.
    let second = find(&sent, "attempt 2");
    let of_a = |sent: &&Sent| sent.attribute("outpost.task").as_deref() == Some("a");
    let stages: Vec<&Sent> = sent.iter().filter(of_a).filter(|sent| sent.span.name == "run").collect();
    let first = sent.iter().filter(of_a).find(|sent| sent.span.name == "attempt 1").expect("an attempt");
    assert_eq!(second.span.links.iter().map(|link| &link.span_id).collect::<Vec<_>>(), [&first.span.span_id]);
    let told: Vec<String> = project
        .ledger()
        .iter()
        .filter_map(|line| line.strip_prefix("a ")?.split(' ').nth(2).map(str::to_owned))
        .collect();
    let expected: Vec<String> =
        stages.iter().map(|stage| format!("00-{}-{}-01", &PARENT[3..35], hex(&stage.span.span_id))).collect();
    assert_eq!(told, expected);
    assert_eq!(stages[0].attribute("error.type").as_deref(), Some("E_EXECUTION_FAILED"));
    assert_eq!(find(&sent, "lock wait").attribute("outpost.locks").as_deref(), Some("db"));
    let headers = collector.headers();
    assert!(headers[0][""].starts_with("POST /v1/traces "), "{headers:?}");
    assert_eq!(headers[0].get("x-key").map(String::as_str), Some("some"));
}

#[test]
fn a_trace_survives_the_end_of_its_runner() {
    let collector = Collector::listen();
    let project =
        project("", &[("a", "", "idempotent: true\nrun: note $TRACEPARENT; await go"), ("b", "a", "run: note ran")]);
    let run = project.start(command(&project, &collector, &["run", "blueprint.md"]));
    project.until("a starts", || project.ledger().len() == 1);
    run.signal(Signal::KILL);
    assert_eq!(run.end().code, None);
    project.until_nothing_runs();
    project.write("go", "");
    project.start(command(&project, &collector, &["resume"])).end().with(0);
    let sent = collector.spans();
    assert_eq!(
        tree(&sent),
        [
            "Rows < -: Ok",
            "a a < Rows: Ok",
            "attempt 1 < a a: Error",
            "attempt 1 < b b: Ok",
            "attempt 2 < a a: Ok",
            "b b < Rows: Ok",
            "run < attempt 1: Error",
            "run < attempt 1: Ok",
            "run < attempt 2: Ok",
        ]
    );
    let trace = &sent[0].span.trace_id;
    assert!(sent.iter().all(|sent| &sent.span.trace_id == trace));
    // What the command was told before the end is the span that was sent after it.
    let told = project.ledger()[0].rsplit(' ').next().expect("a word").to_owned();
    let lost = sent.iter().find(|sent| sent.attribute("outpost.interrupted").is_some() && sent.span.name == "run");
    assert_eq!(told, format!("00-{}-{}-01", hex(trace), hex(&lost.expect("a span").span.span_id)));
}

#[test]
fn what_a_dead_collector_missed_is_sent_by_the_next_runner() {
    let project = project(
        "",
        &[("a", "", "run: note ran"), ("b", "a", "human_required: {action: look, reason: so}\nrun: note ran")],
    );
    // Nobody listens on this port, ever.
    let gone = "127.0.0.1:1";
    let mut run = project.command(&["run", "blueprint.md"]);
    run.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", format!("http://{gone}/v1/traces"))
        .env("OTEL_EXPORTER_OTLP_TIMEOUT", "60000");
    let ended = project.start(run).end().with(3);
    assert_eq!(ended.stderr.matches("traces do not reach their collector").count(), 1, "{}", ended.stderr);
    let collector = Collector::listen();
    project.start(command(&project, &collector, &["resume", "--approve", "b"])).end().with(0);
    let sent = collector.spans();
    assert_eq!(
        tree(&sent),
        [
            "Rows < -: Ok",
            "a a < Rows: Ok",
            "attempt 1 < a a: Ok",
            "attempt 1 < b b: Ok",
            "b b < Rows: Ok",
            "gate wait < b b: Unset",
            "run < attempt 1: Ok",
            "run < attempt 1: Ok",
        ]
    );
}

#[test]
fn a_collector_that_never_answers_holds_nobody_up_for_longer_than_it_may() {
    let project = project("", &[("a", "", "run: note ran")]);
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", silent.local_addr().expect("an address"));
    let mut run = project.command(&["run", "blueprint.md"]);
    run.env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint).env("OTEL_EXPORTER_OTLP_TIMEOUT", "50");
    project.start(run).end().with(0).says(&["collector"]);
}

#[test]
fn nothing_is_sent_and_nobody_told_unless_somebody_asks() {
    let collector = Collector::listen();
    let project = project("", &[("a", "", "run: note \"${TRACEPARENT-none}\"")]);
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    let unsampled = PARENT.replace("-01", "-00");
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", ""),
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("TRACEPARENT", &unsampled),
    ] {
        let mut run = project.command(&["run", "blueprint.md", "--new-run"]);
        run.env(endpoint.0, &endpoint.1).env(name, value);
        let ended = project.start(run).end().with(0);
        let is_told =
            ended.stderr.contains("warning: no traces are sent: OTLP is spoken here as `http/protobuf`, not as `grpc`");
        assert_eq!(is_told, value == "grpc", "{}", ended.stderr);
    }
    assert_eq!(collector.headers(), []);
    // Without a collector of ours a command belongs to whatever we belong to.
    assert_eq!(project.ledger()[3..], ["a 1 run none".to_owned(), format!("a 1 run {unsampled}")]);
    let mut run = command(&project, &collector, &["run", "blueprint.md", "--new-run"]);
    run.env("OTEL_SERVICE_NAME", "mine").env("OTEL_RESOURCE_ATTRIBUTES", "team=x");
    project.start(run).end().with(0);
    assert!(!collector.spans().is_empty() && collector.spans().iter().all(|sent| sent.service == "mine"));
}
