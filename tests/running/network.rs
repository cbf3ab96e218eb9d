//! Outputs and bindings over the network: HTTP against servers of the tests, S3 against an emulator.

use std::fs;
use std::process::Command;

use rustix::process::Signal;

use crate::emulator::emulator;
use crate::project::Project;
use crate::shelf::{Answer, Shelf};
use crate::{blocked, project, with_aws};

/// Two tasks: `a` leaves a number over there, `b` takes it from there. `more` goes into the network block.
fn over(endpoint: &str, more: &str) -> Project {
    let protocol = endpoint.split(':').next().unwrap_or_default();
    let a = format!(
        "output: {{location: network, ports: {{n: {{type: integer}}}}, network: {{protocol: {protocol}, endpoint: '{endpoint}', retry: {{delay: PT0S}}{more}}}}}\nrun: |\n  note works; echo '{{\"n\": 7}}' > \"$OUTPOST_OUTPUT\""
    );
    let b = "input_bindings: {n: {source: a, output_port: n, transfer: network}}\nrun: |\n  note \"$OUTPOST_INPUT_N $(cat \"$(jq -r '.\"a.output\".file' \"$OUTPOST_INPUTS\")\")\"";
    project("", &[("a", "", &a), ("b", "a", b)])
}

/// Replaces words of the document.
fn edit(project: &Project, from: &str, to: &str) {
    let text = fs::read_to_string(project.path("blueprint.md")).expect("the document");
    assert!(text.contains(from), "{text}");
    project.write("blueprint.md", &text.replace(from, to));
}

#[test]
fn f_35_an_output_goes_over_http_and_comes_back() {
    let there = Shelf::new();
    let project = over(&there.address("/kept/${task_id}.json"), "");
    project.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(there.what(), ["PUT /kept/a.json", "GET /kept/a.json"]);
    assert_eq!(there.kept("/kept/a.json").as_deref(), Some("{\"n\": 7}\n"));
    assert_eq!(project.ledger(), ["a 1 run works", "b 1 run 7 {\"n\": 7}"]);
}

#[test]
fn f_32_what_is_not_looked_into_is_looked_through_before_it_is_sent() {
    let there = Shelf::new();
    let output = format!(
        "output: {{location: network, format: binary, ports: {{p: {{type: text}}}}, network: {{protocol: http, endpoint: '{}'}}}}",
        there.address("/x")
    );
    let run = "run: '(head -c 3000000 /dev/zero; printf %s \"${secrets.F32_KEY}\") > \"$OUTPOST_OUTPUT\"'";
    let project = project("", &[("a", "", &format!("{run}\n{output}"))]);
    let mut command = project.command(&["run", "blueprint.md"]);
    command.env("F32_KEY", "a-secret-value");
    project.start(command).end().with(1).says(&["its output holds the secret `F32_KEY` and was removed"]);
    assert_eq!((there.what(), blocked(&project)), (Vec::new(), vec!["a E_EXECUTION_FAILED".to_owned()]));
}

#[test]
fn f_35_what_may_pass_is_tried_again_and_what_will_not_is_not() {
    let there = Shelf::new();
    let soon = || "Retry-After: 0".to_owned();
    there.next(Answer::Status(503, soon())).next(Answer::Status(429, soon()));
    let project = over(&there.address("/x"), "");
    project.outpost(&["run", "blueprint.md"]).with(0);
    assert_eq!(there.what(), ["PUT /x", "PUT /x", "PUT /x", "GET /x"]);
    // Half an answer is none.
    let there = Shelf::new();
    let project = over(&there.address("/x"), "");
    let held = there.hold();
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until("the output is sent", || there.what() == ["PUT /x"]);
    there.next(Answer::Half);
    drop(held);
    running.end().with(0);
    assert_eq!(there.what(), ["PUT /x", "GET /x", "GET /x"]);
    for (status, header, said) in [
        (403, "", "it answers 403 (`so`); see that its credentials are right and may do this"),
        (404, "", "it answers 404 (`so`); there is nothing at this address"),
        (302, "Location: http://127.0.0.1:9/y?key=secret", "(to `http://127.0.0.1:9/y`); redirects are not followed"),
    ] {
        let there = Shelf::new();
        there.next(Answer::Status(status, header.to_owned()));
        let project = over(&there.address("/x?sig=hidden"), "");
        let ended = project.outpost(&["run", "blueprint.md"]).with(1);
        let address = format!("the output of `a` cannot be sent to `{}`", there.address("/x"));
        let told = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(told.contains(&address) && told.contains(said), "{told}");
        assert!(!told.contains("hidden") && !told.contains("secret"), "{told}");
        assert_eq!(there.what(), ["PUT /x?sig=hidden"]);
        assert_eq!(blocked(&project), ["a E_EXECUTION_FAILED"]);
    }
}

#[test]
fn f_35_credentials_go_to_their_address_and_nowhere_else() {
    for (auth, name, value) in [
        ("type: bearer_token", "authorization", "Bearer s3cr3t-t0ken-f35"),
        ("type: api_key", "authorization", "s3cr3t-t0ken-f35"),
        ("type: api_key, header: X-Api-Key", "x-api-key", "s3cr3t-t0ken-f35"),
    ] {
        let (there, elsewhere) = (Shelf::new(), Shelf::new());
        let auth = format!(", auth: {{{auth}, secret_ref: '${{secrets.F35_TOKEN}}'}}");
        let project = over(&there.address("/x"), &auth);
        let with_token = |arguments: &[&str]| {
            let mut command = project.command(arguments);
            command.env("F35_TOKEN", "s3cr3t-t0ken-f35");
            project.start(command).end()
        };
        project.outpost(&["run", "blueprint.md"]).with(8).says(&["F35_TOKEN"]);
        there.next(Answer::Status(307, format!("Location: {}", elsewhere.address("/y"))));
        let refused = with_token(&["run", "blueprint.md"]).with(1);
        assert!(!refused.stderr.contains("s3cr3t"), "{}", refused.stderr);
        with_token(&["resume"]).with(0);
        assert_eq!(elsewhere.what(), [""; 0]);
        assert_eq!(there.what(), ["PUT /x", "PUT /x", "GET /x"]);
        for asked in there.asked() {
            assert_eq!(asked.header(name), Some(value), "{}", asked.what);
        }
    }
}

#[test]
fn f_35_whoever_does_not_answer_in_time_is_given_up() {
    let there = Shelf::new();
    there.next(Answer::Silence).next(Answer::Silence);
    let project = over(&there.address("/x"), ", timeout: PT1S");
    edit(&project, "delay: PT0S", "delay: PT0S, max_attempts: 2");
    project.outpost(&["run", "blueprint.md"]).with(1).says(&["it took longer than 1s (timeout), 2 times"]);
    assert_eq!(there.what(), ["PUT /x", "PUT /x"]);
}

#[test]
fn f_35_what_is_not_what_the_task_left_is_refused() {
    for endless in [false, true] {
        let there = Shelf::new();
        let project = over(&there.address("/x"), "");
        edit(&project, "task_id: b\n", "task_id: b\nhuman_required: {action: look, reason: so}\n");
        project.outpost(&["run", "blueprint.md"]).with(3);
        if endless {
            there.next(Answer::Endless);
        } else {
            there.keep("/x", "{\"n\": 8}\n");
        }
        project
            .outpost(&["resume", "--approve", "b"])
            .with(1)
            .says(&["cannot be fetched from", "it was changed since"]);
        assert_eq!(project.ledger(), ["a 1 run works"], "{endless}");
    }
}

#[test]
fn f_35_a_runner_that_is_killed_on_the_way_sends_and_fetches_again() {
    let there = Shelf::new();
    let project = over(&there.address("/x"), "");
    let kill = |arguments: &[&str], asked: &[&str]| {
        let running = project.start(project.command(arguments));
        project.until("the request", || there.what() == asked);
        running.signal(Signal::KILL);
        running.end();
        project.until_nothing_runs();
    };
    let sending = there.hold();
    kill(&["run", "blueprint.md"], &["PUT /x"]);
    drop(sending);
    there.next(Answer::Usual);
    let fetching = there.hold();
    kill(&["resume"], &["PUT /x", "PUT /x", "GET /x"]);
    drop(fetching);
    project.outpost(&["resume"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run works", "b 2 run 7 {\"n\": 7}"]);
}

#[test]
fn f_35_a_signal_breaks_a_transfer_off_and_resume_takes_it_up() {
    let there = Shelf::new();
    let project = over(&there.address("/x"), "");
    let held = there.hold();
    let running = project.start(project.command(&["run", "blueprint.md"]));
    project.until("it is sent", || there.what() == ["PUT /x"]);
    running.signal(Signal::TERM);
    running.end().with(143);
    drop(held);
    assert_eq!(project.told("stage_ended"), [""; 0]);
    project.outpost(&["resume"]).with(0);
    assert_eq!(project.ledger(), ["a 1 run works", "b 1 run 7 {\"n\": 7}"]);
}

#[test]
fn f_35_an_output_goes_to_s3_and_comes_back() {
    let Some(aws) = emulator() else { return };
    assert_eq!(aws.ask("s3", ("PUT", "/f35"), &[], b"").0, 200);
    let project = over("s3://f35/${blueprint_id}/${task_id}.json", "");
    let Some(ended) = with_aws(&project, &["run", "blueprint.md"]) else { return };
    ended.with(0);
    assert_eq!(aws.ask("s3", ("GET", "/f35/blueprint/a.json"), &[], b""), (200, b"{\"n\": 7}\n".to_vec()));
    assert_eq!(project.ledger(), ["a 1 run works", "b 1 run 7 {\"n\": 7}"]);
    let nowhere = over("s3://f35-nowhere/x", "");
    let Some(ended) = with_aws(&nowhere, &["run", "blueprint.md"]) else { return };
    ended.with(1).says(&["`s3://f35-nowhere/x`", "404 NoSuchBucket"]);
}

#[test]
fn f_35_a_large_file_travels_in_parts_and_is_not_looked_into() {
    let Some(aws) = emulator() else { return };
    assert_eq!(aws.ask("s3", ("PUT", "/f35-large"), &[], b"").0, 200);
    let a = "output: {location: network, format: binary, path: big, ports: {file: {type: file_path}}, network: {protocol: s3, endpoint: 's3://f35-large/big'}}\nrun: head -c 40000001 /dev/urandom > big; note $(sha256sum < big)";
    let b = "input_bindings: {big: {source: a, output_port: file, transfer: network}}\nrun: '[ \"$OUTPOST_INPUT_BIG\" != big ]; note $(sha256sum < \"$OUTPOST_INPUT_BIG\")'";
    let project = project("", &[("a", "", a), ("b", "a", b)]);
    let Some(ended) = with_aws(&project, &["run", "blueprint.md"]) else { return };
    ended.with(0);
    let digests: Vec<String> = project.ledger().iter().map(|line| line[8..].to_owned()).collect();
    assert_eq!(digests.len(), 2);
    assert_eq!(digests[0], digests[1]);
    // Kept parts say how many there were.
    let (_, head) = aws.ask("s3", ("GET", "/f35-large?prefix=big"), &[], b"");
    assert!(String::from_utf8_lossy(&head).contains("-3\"</ETag>"), "{}", String::from_utf8_lossy(&head));
}

#[test]
fn the_emulator_keeps_objects_and_parameters() {
    let Some(aws) = emulator() else { return };
    assert_eq!(aws.ask("s3", ("PUT", "/emulator"), &[], b"").0, 200);
    assert_eq!(aws.ask("s3", ("PUT", "/emulator/a/key"), &[], b"value").0, 200);
    assert_eq!(aws.ask("s3", ("GET", "/emulator/a/key"), &[], b""), (200, b"value".to_vec()));
    let parameter = br#"{"Name": "/emulator/TOKEN", "Value": "v", "Type": "SecureString"}"#;
    let ssm = |target, body: &[u8]| aws.ask("ssm", ("POST", "/"), &[("x-amz-target", target)], body);
    assert_eq!(ssm("AmazonSSM.PutParameter", parameter).0, 200);
    let (status, body) = ssm("AmazonSSM.GetParameter", br#"{"Name": "/emulator/TOKEN", "WithDecryption": true}"#);
    let body = String::from_utf8_lossy(&body);
    assert_eq!(status, 200, "{body}");
    assert!(body.contains(r#""Value": "v""#), "{body}");
    let mut command = Command::new("sh");
    aws.place(command.args(["-c", "echo $AWS_ENDPOINT_URL"]));
    let told = command.output().expect("a shell").stdout;
    assert_eq!(String::from_utf8_lossy(&told).trim(), aws.endpoint());
}
