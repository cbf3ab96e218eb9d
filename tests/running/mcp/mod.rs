//! `outpost-bp mcp`: the real server over pipes, as the program of an agent starts it.

mod attempts;
mod looking;
mod official;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::project::Project;

/// A server and its client.
struct Session {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    last: u64,
}

impl Session {
    fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("the tool starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, input, output, last: 0 }
    }

    /// One that has begun in this revision.
    fn begun(project: &Project, revision: &str) -> Self {
        let mut session = Self::start(project.command(&["mcp"]));
        let client = json!({ "name": "test", "version": "1" });
        let params = json!({ "protocolVersion": revision, "capabilities": {}, "clientInfo": client });
        let begun = session.ask("initialize", params);
        assert_eq!(begun["result"]["protocolVersion"], revision, "{begun}");
        session.send(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        session
    }

    fn send(&mut self, line: &str) {
        let input = self.input.as_mut().expect("it is open");
        input.write_all(line.as_bytes()).and_then(|()| input.write_all(b"\n")).expect("it reads");
    }

    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).expect("text");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("`{line}`: {error}"))
    }

    /// The answer to a message that is written like this.
    fn exchange(&mut self, line: &str) -> Value {
        self.send(line);
        self.hear()
    }

    /// The answer to a request.
    fn ask(&mut self, method: &str, params: impl Into<Value>) -> Value {
        self.last += 1;
        let request = json!({ "jsonrpc": "2.0", "id": self.last, "method": method, "params": params.into() });
        let answer = self.exchange(&request.to_string());
        assert_eq!((&answer["jsonrpc"], &answer["id"]), (&"2.0".into(), &self.last.into()), "{answer}");
        answer
    }

    fn call(&mut self, tool: &str, arguments: impl Into<Value>) -> Value {
        self.ask("tools/call", json!({ "name": tool, "arguments": arguments.into() }))
    }

    /// What a tool found.
    #[track_caller]
    fn found(&mut self, tool: &str, arguments: impl Into<Value>) -> Value {
        let mut answer = self.call(tool, arguments);
        assert_eq!(answer["result"]["isError"], false, "{answer:#}");
        answer["result"]["structuredContent"].take()
    }

    /// Why a tool found nothing.
    #[track_caller]
    fn refused(&mut self, tool: &str, arguments: impl Into<Value>) -> String {
        let answer = self.call(tool, arguments);
        assert_eq!(answer["result"]["isError"], true, "{answer:#}");
        answer["result"]["content"][0]["text"].as_str().expect("a reason").to_owned()
    }

    fn tools(&mut self) -> Vec<String> {
        let list = self.ask("tools/list", json!({}));
        let tools = list["result"]["tools"].as_array().expect("a list");
        tools.iter().map(|tool| tool["name"].as_str().expect("a name").to_owned()).collect()
    }

    /// Its input ends: so does it, with nothing more to say.
    fn end(mut self) {
        drop(self.input.take());
        let mut rest = String::new();
        self.output.read_line(&mut rest).expect("text");
        assert_eq!(rest, "");
        assert!(self.child.wait().expect("it is ours").success());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // One that ended is no worse for it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every file of a project, with its bytes and when it was written.
fn everything(project: &Project) -> BTreeMap<String, (Vec<u8>, std::time::SystemTime)> {
    let mut all = BTreeMap::new();
    let mut open = vec![project.path("")];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let when = fs::symlink_metadata(&path).and_then(|found| found.modified()).expect("a time");
            let bytes = if path.is_dir() { Vec::new() } else { fs::read(&path).expect("a file") };
            all.insert(path.display().to_string(), (bytes, when));
            if path.is_dir() {
                open.push(path);
            }
        }
    }
    all
}
