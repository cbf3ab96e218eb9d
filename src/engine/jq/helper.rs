//! The process that evaluates: this program once more, told by its first argument. It is started with the first
//! expression, answers one line of JSON with another, and is killed with whoever started it. One that takes too long is killed;
//! one that takes too much dies by itself; the next expression has another.

use std::io::{self, BufRead as _, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, Signal, set_parent_process_death_signal, setrlimit};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::evaluate::results_of;

/// The argument that makes this program the helper.
pub const ARGUMENT: &str = "__jq";
/// How long an expression may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Address space of the helper.
const MEMORY: u64 = 2 << 30;
/// Its room for recursion; only what is used becomes memory.
const STACK: usize = 256 << 20;

#[derive(Serialize, Deserialize)]
struct Question {
    expression: String,
    input: Value,
}

type Answer = Result<Vec<Value>, String>;

static HELPER: Mutex<Option<Helper>> = Mutex::new(None);

/// The first results of an expression.
pub(super) fn ask(expression: &str, input: &Value) -> Answer {
    let fault = |error: io::Error| format!("it cannot be evaluated: {error}");
    let question = Question { expression: expression.to_owned(), input: input.clone() };
    let mut question = serde_json::to_vec(&question).map_err(|error| fault(error.into()))?;
    question.push(b'\n');
    let mut slot = HELPER.lock().unwrap_or_else(PoisonError::into_inner);
    let mut helper = match slot.take() {
        Some(helper) => helper,
        None => Helper::start().map_err(fault)?,
    };
    let answer = helper.answer(&question)?;
    // One that failed is not asked again: dropping it ends it.
    *slot = Some(helper);
    serde_json::from_slice(&answer).map_err(|error| fault(error.into()))?
}

struct Helper {
    child: Child,
    questions: ChildStdin,
    answers: ChildStdout,
}

impl Helper {
    fn start() -> io::Result<Self> {
        let mut command = Command::new("/proc/self/exe");
        command.arg(ARGUMENT).env_clear().process_group(0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(questions), Some(answers)) => Ok(Self { child, questions, answers }),
            _ => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// A line for a line.
    fn answer(&mut self, question: &[u8]) -> Result<Vec<u8>, String> {
        let deadline = Instant::now() + PATIENCE;
        let gone = |_| format!("it nests too deep, or takes more than {} GiB of memory", MEMORY >> 30);
        self.questions.write_all(question).map_err(gone)?;
        let mut answer = Vec::new();
        let mut chunk = vec![0; 1 << 16];
        while answer.last() != Some(&b'\n') {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(|error| error.to_string())?;
            let mut ready = [PollFd::new(&self.answers, PollFlags::IN)];
            match poll(&mut ready, Some(&left)) {
                Ok(0) => return Err(format!("it yields nothing within {} s", PATIENCE.as_secs())),
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.to_string()),
            }
            match self.answers.read(&mut chunk).map_err(gone)? {
                0 => return Err(gone(io::ErrorKind::UnexpectedEof.into())),
                count => answer.extend_from_slice(&chunk[..count]),
            }
        }
        Ok(answer)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // Already gone is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The helper: answers until nobody asks any more.
pub fn main() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    setrlimit(Resource::As, Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) })?;
    // Nobody wants to read why it died.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    let evaluator = thread::Builder::new().name("jq".to_owned()).stack_size(STACK);
    let served = evaluator.spawn(|| {
        let mut answers = io::stdout().lock();
        for question in io::stdin().lock().lines() {
            let question: Question = serde_json::from_str(&question?)?;
            let answer: Answer = results_of(&question.expression, question.input.to_string().as_bytes());
            serde_json::to_writer(&mut answers, &answer)?;
            answers.write_all(b"\n")?;
            answers.flush()?;
        }
        Ok(())
    })?;
    served.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))
}
