//! An agent without a model, for tests and examples: it does what a file says, or passes on what a model answers.
//!
//! `FAKE_AGENT_SCRIPT` names a JSON file `{"TASK": [[STEP, …], …], "*": […]}`: the first list for the first start of the
//! task (`OUTPOST_TASK`) with this home, the last one for all that follow. Without a script it asks the model behind
//! `FAKE_BASE_URL`. Sessions are files in its home. It shares no code with what it is used to judge.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Step {
    Say(String),
    Tool {
        name: String,
        input: Value,
        id: String,
    },
    Failed(String),
    Retry(String),
    /// As it is.
    Print(String),
    /// So many bytes without a line end, and then one.
    Flood(u64),
    Stderr(String),
    Write {
        path: PathBuf,
        text: String,
    },
    Answer(Value),
    /// Fails unless this stands in the prompt.
    Expect(String),
    /// Fails if this stands in the prompt.
    Refuse(String),
    /// Its environment, as JSON.
    Environment(PathBuf),
    /// A process that outlives it and holds its output.
    Child,
    Hang,
    End {
        ok: bool,
        #[serde(default)]
        usage: [u64; 3],
        #[serde(default)]
        cost: Option<f64>,
    },
    Error(String),
    Exit(u8),
}

struct Agent {
    session: String,
    prompt: String,
    home: PathBuf,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "fake agent: {error}");
            ExitCode::from(9)
        }
    }
}

fn run() -> io::Result<ExitCode> {
    let mut args = env::args().skip(1);
    let (mut session, mut resumes) = (None, false);
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--version" => {
                say_line("fake 1.2.3")?;
                return Ok(ExitCode::SUCCESS);
            }
            "--session" => session = args.next(),
            "--resume" => (session, resumes) = (args.next(), true),
            _ => {}
        }
    }
    let home = PathBuf::from(env::var_os("HOME").unwrap_or_default());
    let session = session.unwrap_or_else(|| "only".to_owned());
    let place = home.join(format!("session-{session}"));
    if resumes && !place.exists() {
        writeln!(io::stderr(), "no such session: {session}")?;
        return Ok(ExitCode::FAILURE);
    }
    let mut prompt = String::new();
    io::stdin().read_to_string(&mut prompt)?;
    let before = fs::read_to_string(&place).unwrap_or_default();
    fs::write(&place, format!("{before}{prompt}\n"))?;
    let agent = Agent { session, prompt, home };
    agent.event(&json!({"type": "session", "id": agent.session}))?;
    match env::var_os("FAKE_AGENT_SCRIPT") {
        Some(script) => agent.follow(&agent.steps(&PathBuf::from(script))?),
        None => agent.ask(),
    }
}

fn say_line(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}

impl Agent {
    fn event(&self, event: &Value) -> io::Result<()> {
        say_line(&event.to_string())
    }

    fn steps(&self, script: &PathBuf) -> io::Result<Vec<Step>> {
        let task = env::var("OUTPOST_TASK").unwrap_or_default();
        let scripts: BTreeMap<String, Vec<Vec<Step>>> = serde_json::from_str(&fs::read_to_string(script)?)?;
        let starts = scripts.get(&task).or_else(|| scripts.get("*"));
        let starts = starts.ok_or_else(|| io::Error::other(format!("the script knows no task `{task}`")))?;
        let place = self.home.join(format!("starts-{task}"));
        let number: usize = fs::read_to_string(&place).ok().and_then(|text| text.parse().ok()).unwrap_or_default();
        fs::write(&place, (number + 1).to_string())?;
        starts.get(number).or(starts.last()).cloned().ok_or_else(|| io::Error::other("the script has no steps"))
    }

    fn follow(&self, steps: &[Step]) -> io::Result<ExitCode> {
        for step in steps {
            match step {
                Step::Say(text) => self.event(&json!({"type": "say", "text": text}))?,
                Step::Tool { name, input, id } => {
                    self.event(&json!({"type": "tool", "name": name, "input": input, "id": id}))?;
                }
                Step::Failed(id) => self.event(&json!({"type": "failed", "id": id}))?,
                Step::Retry(why) => self.event(&json!({"type": "retry", "why": why}))?,
                Step::Print(text) => say_line(text)?,
                Step::Flood(bytes) => {
                    io::copy(&mut io::repeat(b'x').take(*bytes), &mut io::stdout())?;
                    say_line("")?;
                }
                Step::Stderr(text) => writeln!(io::stderr(), "{text}")?,
                Step::Write { path, text } => {
                    if let Some(folder) = path.parent() {
                        fs::create_dir_all(folder)?;
                    }
                    fs::write(path, text)?;
                }
                Step::Answer(answer) => {
                    fs::create_dir_all(".outpost")?;
                    fs::write(".outpost/result.json", answer.to_string())?;
                }
                Step::Expect(text) if !self.prompt.contains(text) => {
                    return Err(io::Error::other(format!("the prompt does not say `{text}`")));
                }
                Step::Refuse(text) if self.prompt.contains(text) => {
                    return Err(io::Error::other(format!("the prompt says `{text}`")));
                }
                Step::Expect(_) | Step::Refuse(_) => {}
                Step::Environment(path) => {
                    let all: BTreeMap<String, String> = env::vars().collect();
                    fs::write(path, serde_json::to_string(&all)?)?;
                }
                Step::Child => {
                    Command::new("sleep").arg("300").stdin(Stdio::null()).spawn()?;
                }
                Step::Hang => hang(),
                Step::End { ok, usage, cost } => self.end(*ok, *usage, *cost)?,
                Step::Error(message) => self.event(&json!({"type": "error", "message": message}))?,
                Step::Exit(code) => return Ok(ExitCode::from(*code)),
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn end(&self, ok: bool, usage: [u64; 3], cost: Option<f64>) -> io::Result<()> {
        let [input, cached, output] = usage;
        self.event(&json!({
            "type": "end", "ok": ok, "turns": 1, "cost": cost,
            "usage": {"input": input, "cached": cached, "output": output},
        }))
    }

    /// Asks the model what to say.
    fn ask(&self) -> io::Result<ExitCode> {
        let url = env::var("FAKE_BASE_URL").unwrap_or_default();
        let (host, path) = url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).unwrap_or((&url, ""));
        let body = json!({"model": "fake", "messages": [{"role": "user", "content": self.prompt}]}).to_string();
        let mut stream = TcpStream::connect(host)?;
        write!(
            stream,
            "POST /{path}/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            env::var("FAKE_KEY").unwrap_or_default(),
            body.len()
        )?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        let (head, body) = reply.split_once("\r\n\r\n").unwrap_or((&reply, ""));
        if !head.starts_with("HTTP/1.1 200") {
            self.event(
                &json!({"type": "error", "message": format!("{}: {body}", head.lines().next().unwrap_or_default())}),
            )?;
            return Ok(ExitCode::FAILURE);
        }
        let body: Value = serde_json::from_str(body)?;
        let said = body.pointer("/choices/0/message/content").and_then(Value::as_str).unwrap_or_default();
        self.event(&json!({"type": "say", "text": said}))?;
        let number = |pointer: &str| body.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
        let cached = number("/usage/prompt_tokens_details/cached_tokens");
        let input = number("/usage/prompt_tokens");
        self.end(true, [input, cached, number("/usage/completion_tokens")], None)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}
