//! How a job ended, in the words of the desk.
//!
//! Pure: from what became of a process to the outcome of its job. Nothing here decides whether an end counts.

use outpost_core::job::{Code, Outcome, Usage, Verdict};
use outpost_executor::{Outcome as Became, Redaction, Report};
use serde_json::{Map, Value};

/// As much of a text as the desk takes, with room to spare.
const MESSAGE: usize = 2000;

/// What a job has come to.
#[derive(Debug)]
pub(crate) enum End {
    /// It is final.
    Over(Box<Outcome>),
    /// This worker has to go: another one begins it again.
    Back,
    /// Another worker has it, or may: nothing is written.
    Gone,
    /// The worker failed at it. It is not finished: its lease runs out, and another worker tries.
    Broken(String),
}

impl End {
    pub(crate) fn failed(code: Code, message: &str) -> Self {
        Self::Over(Box::new(Outcome::of(Verdict::Failed, code, &cut(message))))
    }

    pub(crate) fn timed_out(seconds: u32) -> Self {
        let told = format!("it was not done within its {seconds} seconds");
        Self::Over(Box::new(Outcome::of(Verdict::TimedOut, Code::Timeout, &told)))
    }
}

/// How a command ended that nobody pulled the reins of.
pub(crate) fn of_command(report: &Report, seconds: u32) -> End {
    let failed = |exit_code: Option<i32>, told: String| {
        let outcome = Outcome { exit_code, ..Outcome::of(Verdict::Failed, Code::CommandFailed, &cut(&told)) };
        End::Over(Box::new(outcome))
    };
    match &report.outcome {
        Became::Exited(0) => End::Over(Box::new(Outcome {
            result: Verdict::Succeeded,
            code: None,
            message: "the command ended with status 0".to_owned(),
            exit_code: Some(0),
            outputs: Map::new(),
            usage: Usage::default(),
            artifacts: Vec::new(),
        })),
        Became::Exited(status) => failed(Some(*status), format!("the command ended with status {status}")),
        // As a shell tells it.
        Became::Signalled(signal) => failed(Some(128 + signal), format!("the command was ended by signal {signal}")),
        Became::TimedOut => End::timed_out(seconds),
        Became::NotStarted(why) => failed(None, format!("the command did not start: {why}")),
        Became::Cancelled | Became::Interrupted => {
            End::Broken("its command was ended, and nobody knows why".to_owned())
        }
        Became::Lost(why) => End::Broken(format!("how its command ended is not known: {why}")),
    }
}

/// Gives an end what is known beside it.
pub(crate) fn with(end: End, change: impl FnOnce(&mut Outcome)) -> End {
    match end {
        End::Over(mut outcome) => {
            change(&mut outcome);
            End::Over(outcome)
        }
        end => end,
    }
}

/// Values without secrets; none at all where they could not be told without them.
pub(crate) fn concealed(outputs: Map<String, Value>, redaction: Option<&Redaction>) -> Map<String, Value> {
    let Some(redaction) = redaction else { return outputs };
    let text = serde_json::to_string(&outputs).unwrap_or_default();
    let hidden = redaction.text(&text);
    // A mark may stand where JSON wants something else.
    if hidden == text { outputs } else { serde_json::from_str(&hidden).unwrap_or_default() }
}

/// A text for people: without secrets, and not too long.
pub(crate) fn clean(text: &str, redaction: Option<&Redaction>) -> String {
    cut(&redaction.map_or_else(|| text.to_owned(), |redaction| redaction.text(text)))
}

fn cut(text: &str) -> String {
    if text.len() <= MESSAGE {
        return text.to_owned();
    }
    let end = (0..=MESSAGE).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use outpost_core::job::{Code, Verdict};
    use outpost_executor::{NotStarted, Outcome as Became, Redaction, Report, Secrets};
    use serde_json::{Value, json};

    use super::{End, MESSAGE, concealed, cut, of_command};

    #[test]
    fn each_end_of_a_command_has_its_words() {
        let told = |became: Became| match of_command(&Report::bare(became, 1), 7) {
            End::Over(outcome) => Some((outcome.result, outcome.code, outcome.exit_code)),
            _ => None,
        };
        let failed = |status| Some((Verdict::Failed, Some(Code::CommandFailed), status));
        assert_eq!(told(Became::Exited(0)), Some((Verdict::Succeeded, None, Some(0))));
        assert_eq!(told(Became::Exited(3)), failed(Some(3)));
        assert_eq!(told(Became::Signalled(9)), failed(Some(137)));
        assert_eq!(told(Became::NotStarted(NotStarted::ProgramMissing("x".into()))), failed(None));
        assert_eq!(told(Became::TimedOut), Some((Verdict::TimedOut, Some(Code::Timeout), None)));
        // Whatever is the worker's fault, or its ignorance, is not the job's end.
        for became in [Became::Lost("?".into()), Became::Interrupted, Became::Cancelled] {
            assert_eq!(told(became), None);
        }
    }

    #[test]
    fn values_are_told_without_secrets() {
        let secrets = [("a", "hunter2-hunter2"), ("b", "1234567890123456")];
        let secrets = secrets.map(|(name, value)| (name.to_owned(), value.into()));
        let redaction = Redaction::of(&Secrets::new(secrets)).expect("few");
        let told = |values: Value| {
            Value::Object(concealed(values.as_object().expect("an object").clone(), redaction.as_ref()))
        };
        assert_eq!(told(json!({"n": 1, "s": ["is hunter2-hunter2"]})), json!({"n": 1, "s": ["is ***"]}));
        assert_eq!(told(json!({"n": 1, "s": "as it is"})), json!({"n": 1, "s": "as it is"}));
        assert_eq!(told(json!({"n": 1_234_567_890_123_456_u64})), json!({}));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let text = cut(&"ä".repeat(MESSAGE));
        assert!(text.len() <= MESSAGE + 3 && text.ends_with('…'));
    }
}
