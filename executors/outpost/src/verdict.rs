//! From the end of a job to the outcome of work.

use outpost_executor::{NotStarted, Outcome};

use crate::order::NOT_STARTED;
use crate::place::Place;
use crate::wire::Job;

/// How it ended, and what is to be said about that beside it.
pub(crate) fn of(job: &Job, place: &Place) -> (Outcome, Option<String>) {
    let outcome = job.outcome.clone().unwrap_or_default();
    let code = outcome.code.as_deref().unwrap_or_default();
    let words = if code.is_empty() { outcome.message.clone() } else { format!("{} ({code})", outcome.message) };
    // Only of a job that one worker began is it sure that nothing of it ran.
    let unstarted = |why: NotStarted| {
        if job.attempt < 2 { Outcome::NotStarted(why) } else { Outcome::Lost(format!("its last attempt: {why}")) }
    };
    match (job.status.as_str(), code) {
        // What its agent thinks of it stands in the files that it left.
        ("succeeded", _) if place.is_agents() => (Outcome::Exited(0), None),
        ("succeeded", _) => (Outcome::Exited(outcome.exit_code.unwrap_or(0)), None),
        ("timed_out", _) => (Outcome::TimedOut, None),
        ("cancelled", _) if job.attempt == 0 => (Outcome::NotStarted(NotStarted::Cancelled), None),
        ("cancelled", _) => (Outcome::Cancelled, None),
        ("failed", "command_failed") => {
            let refused = outcome.outputs.get(NOT_STARTED).and_then(|value| value.as_str());
            match (refused, outcome.exit_code) {
                (Some(what), Some(126)) => (unstarted(refusal(what, place)), None),
                (_, None) => (unstarted(NotStarted::Other(words)), None),
                // It did its work, and left what is no output.
                (_, Some(0)) => (Outcome::Exited(1), Some(words)),
                (_, Some(status)) => (Outcome::Exited(status), None),
            }
        }
        ("failed", "clone_failed") if place.is_agents() => {
            let why = "the workers clone the commit that the tree of the task begins with: push it there, or let the run \
                       do so with `outpost: {push: …}`";
            (unstarted(NotStarted::Other(format!("{words}; {why}"))), None)
        }
        ("failed", "agent_failed" | "needs_human" | "budget_exceeded" | "provider_refused" | "provider_busy")
            if place.is_agents() =>
        {
            (Outcome::Exited(1), Some(words))
        }
        ("failed", "clone_failed" | "repository_refused" | "secret_missing" | "agent_missing") => {
            (unstarted(NotStarted::Other(words)), None)
        }
        // It ran, and was ended for what it did.
        ("failed", "disk_full") => (Outcome::Exited(1), Some(words)),
        // Whatever took three workers down may have done its work.
        _ => (Outcome::Lost(words), None),
    }
}

fn refusal(what: &str, place: &Place) -> NotStarted {
    match what {
        "directory" => NotStarted::DirectoryMissing(place.directory.clone()),
        "program" => NotStarted::ProgramMissing(place.program.clone()),
        "executable" => NotStarted::NotExecutable(place.program.clone()),
        "input" => NotStarted::Refused("its input is no text, and the worker has no `base64` or no room for it".into()),
        other => NotStarted::Other(format!("it could not start: {other}")),
    }
}

#[cfg(test)]
mod tests {
    use outpost_executor::{NotStarted, Outcome, Token, Work};
    use serde_json::{Value, json};

    use super::of;
    use crate::errand::Errand;
    use crate::place::Place;
    use crate::settings::Settings;

    fn verdict(status: &str, attempt: u32, outcome: &Value) -> (Outcome, Option<String>) {
        let token = Token { run: "r".into(), task: "t".into(), attempt: 1, stage: "run".into() };
        let place = Place::of(&Work::new(token, "tool", "", "/log"), &Settings::at("https://x"), None);
        let job = json!({"id": "j", "status": status, "attempt": attempt, "outcome": outcome});
        of(&serde_json::from_value(job).expect("a job"), &place)
    }

    #[test]
    fn statuses_are_the_programs_own() {
        assert_eq!(verdict("succeeded", 1, &json!({"exit_code": 0})), (Outcome::Exited(0), None));
        let failed = |status: i32| verdict("failed", 1, &json!({"code": "command_failed", "exit_code": status})).0;
        assert_eq!(failed(126), Outcome::Exited(126));
        assert_eq!(failed(137), Outcome::Exited(137));
    }

    #[test]
    fn only_what_never_ran_did_not_start() {
        let missing =
            &json!({"code": "command_failed", "exit_code": 126, "outputs": {"outpost_not_started": "program"}});
        let told = verdict("failed", 1, missing).0;
        assert_eq!(told, Outcome::NotStarted(NotStarted::ProgramMissing("tool".into())));
        assert!(matches!(verdict("failed", 2, missing).0, Outcome::Lost(_)));
        assert_eq!(verdict("cancelled", 0, &json!({})).0, Outcome::NotStarted(NotStarted::Cancelled));
        assert_eq!(verdict("cancelled", 1, &json!({})).0, Outcome::Cancelled);
        assert!(matches!(verdict("failed", 1, &json!({"code": "clone_failed"})).0, Outcome::NotStarted(_)));
    }

    #[test]
    fn an_agent_that_did_not_bring_it_off_ran() {
        let token = Token { run: "r".into(), task: "t".into(), attempt: 1, stage: "run".into() };
        let mut work = Work::new(token, "", "", "/log");
        Errand::default().give(&mut work);
        let place = Place::of(&work, &Settings::at("https://x"), None);
        let ended = |status: &str, outcome: &Value| {
            let job = json!({"id": "j", "status": status, "attempt": 1, "outcome": outcome});
            of(&serde_json::from_value(job).expect("a job"), &place).0
        };
        // Its last program may have ended as it liked.
        assert_eq!(ended("succeeded", &json!({"exit_code": 3})), Outcome::Exited(0));
        for code in ["agent_failed", "needs_human", "budget_exceeded", "provider_refused", "provider_busy"] {
            assert_eq!(ended("failed", &json!({"code": code})), Outcome::Exited(1), "{code}");
        }
        for code in ["clone_failed", "agent_missing", "secret_missing"] {
            assert!(matches!(ended("failed", &json!({"code": code})), Outcome::NotStarted(_)), "{code}");
        }
        assert!(matches!(ended("failed", &json!({"code": "worker_lost"})), Outcome::Lost(_)));
    }

    #[test]
    fn a_lost_worker_is_no_failure() {
        for code in ["worker_lost", "internal", "what_is_not_known_yet"] {
            assert!(matches!(verdict("failed", 3, &json!({"code": code})).0, Outcome::Lost(_)), "{code}");
        }
    }
}
