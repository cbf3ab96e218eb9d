//! From work to the job that is asked for: data stays data, and what cannot be done there is refused before it is sent.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outpost_executor::{NotStarted, Redaction, Token, Work};
use sha2::{Digest as _, Sha256};

use crate::errand::Errand;
use crate::settings::Settings;
use crate::wire::{Asked, Command};

const LOADER: &str = include_str!("loader.sh");
/// The output in which the loader says why it started nothing.
pub(crate) const NOT_STARTED: &str = "outpost_not_started";
/// Bytes of a command, as the service takes them.
const MOST: usize = 200 * 1024;
/// Of a value of a label.
const LABEL: usize = 255;

/// What a job is asked for with. Never shown: it may hold what is nobody's business.
pub(crate) struct Order(pub(crate) Asked);

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order").field("labels", &self.0.labels).finish_non_exhaustive()
    }
}

/// The idempotency key of a token: no two starts share one, and one start always has the same.
pub(crate) fn once(token: &Token) -> String {
    // Four fields of text and numbers: they have a written form.
    let text = serde_json::to_string(token).unwrap_or_default();
    let digest: String = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("bp-{digest}")
}

pub(crate) fn order(work: &Work, settings: &Settings) -> Result<Order, NotStarted> {
    refuse(work, settings)?;
    let mut env = BTreeMap::new();
    let mut reserved = vec![format!("OUTPOST_TOKEN={}", work.token)];
    for (name, value) in &work.env {
        let name = text(name, "the name of a variable")?;
        let is_name = !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_name {
            let why =
                format!("the variable `{name}` has a name that the service does not take: letters, digits and `_`");
            return Err(NotStarted::Refused(why));
        }
        let value = text(value, &format!("the variable `{name}`"))?;
        // The service keeps names like these for itself.
        if name.starts_with("OUTPOST_") {
            reserved.push(format!("{name}={value}"));
        } else {
            env.insert(name, value);
        }
    }
    let asked = Asked {
        env,
        repo: settings.repo.clone(),
        reference: settings.reference.clone(),
        timeout_seconds: work
            .timeout
            .map(|time| u64::try_from(time.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1)),
        labels: labels(&work.token, settings),
        ..Asked::default()
    };
    if let Some(errand) = Errand::of(work)? {
        return Ok(Order(errand.asked(asked)));
    }
    let (stdin, is_coded) = match work.stdin.as_deref().map(std::str::from_utf8) {
        None => (String::new(), false),
        Some(Ok(text)) if !text.contains('\0') => (text.to_owned(), false),
        Some(_) => (STANDARD.encode(work.stdin.as_deref().unwrap_or_default()), true),
    };
    let mut argv: Vec<String> = ["/bin/sh", "-c", LOADER, "outpost"].map(str::to_owned).to_vec();
    // The workspace is where it begins: a relative folder is one of that.
    argv.push(text(work.dir.as_os_str(), "its directory")?);
    argv.push(if is_coded { "yes" } else { "no" }.to_owned());
    argv.push(reserved.len().to_string());
    argv.extend(reserved);
    argv.push(text(&work.program, "its program")?);
    for arg in &work.args {
        argv.push(text(arg, "an argument")?);
    }
    if argv.iter().map(String::len).sum::<usize>() + stdin.len() > MOST {
        return Err(NotStarted::TooLong);
    }
    Ok(Order(Asked { command: Some(Command { argv, stdin }), ..asked }))
}

/// By which a person finds the jobs of a run.
fn labels(token: &Token, settings: &Settings) -> BTreeMap<String, String> {
    let mut labels = settings.labels.clone();
    let own = [("run", &token.run), ("task", &token.task), ("stage", &token.stage)];
    let own = own.into_iter().map(|(name, value)| (name, value.clone()));
    for (name, value) in own.chain([("attempt", token.attempt.to_string())]) {
        let clean: String = value.chars().filter(|char| !char.is_control()).collect();
        let end = (0..=LABEL.min(clean.len())).rev().find(|end| clean.is_char_boundary(*end)).unwrap_or(0);
        labels.insert(format!("outpost/{name}"), clean.get(..end).unwrap_or_default().to_owned());
    }
    labels
}

/// Text that JSON can hold, and a process can be given.
fn text(value: &OsStr, what: &str) -> Result<String, NotStarted> {
    let refused = |why: &str| NotStarted::Refused(format!("{what} {why}"));
    let text = value.to_str().ok_or_else(|| refused("is no text, which is all that the service takes"))?;
    if text.contains('\0') {
        return Err(refused("holds a NUL byte"));
    }
    Ok(text.to_owned())
}

/// What cannot be done by a job.
fn refuse(work: &Work, settings: &Settings) -> Result<(), NotStarted> {
    let refused = |why: String| Err(NotStarted::Refused(why));
    if !work.limits.is_empty() {
        return refused("the fleet sets no limits for processes: remove `limits`, or set them in the command".into());
    }
    // Nothing runs whose secrets would be seen.
    Redaction::of(&work.secrets).map_err(|error| NotStarted::Refused(error.to_string()))?;
    let secrets = Redaction::beyond_doubt(&work.secrets).map_err(|error| NotStarted::Refused(error.to_string()))?;
    let Some(sent) = secrets.filter(|_| !settings.send_secrets) else {
        return Ok(());
    };
    let way_out = "and the service shows jobs to whoever has a key of the tenant: allow it with `send_secrets`";
    for (name, value) in &work.env {
        if sent.finds(value.as_encoded_bytes()) {
            return refused(format!("the variable `{}` holds a secret, {way_out}", name.display()));
        }
    }
    let in_args = work.args.iter().any(|arg| sent.finds(arg.as_encoded_bytes()));
    if in_args || work.stdin.as_ref().is_some_and(|stdin| sent.finds(stdin)) {
        return refused(format!("its arguments or its input hold a secret, {way_out}"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use outpost_executor::{NotStarted, Secrets, Token, Work};

    use serde_json::json;

    use super::{once, order};
    use crate::errand::Errand;
    use crate::settings::Settings;

    fn work() -> Work {
        let token = Token { run: "r\n".into(), task: "t".into(), attempt: 1, stage: "run".into() };
        Work::new(token, "tool", "/place", "/log")
    }

    #[test]
    fn a_start_has_one_key_and_others_have_others() {
        let one = work().token;
        let other = Token { attempt: 2, ..one.clone() };
        assert_eq!(once(&one), once(&one));
        assert_ne!(once(&one), once(&other));
        assert!(once(&one).len() < 255 && once(&one).bytes().all(|byte| byte.is_ascii_graphic()));
    }

    #[test]
    fn variables_of_ours_go_another_way() {
        let mut work = work();
        work.env = [("OUTPOST_INPUT_A", "1"), ("B", "2")].map(|(name, value)| (name.into(), value.into())).to_vec();
        let asked = order(&work, &Settings::at("https://x")).expect("an order").0;
        assert_eq!(asked.env.into_iter().collect::<Vec<_>>(), [("B".to_owned(), "2".to_owned())]);
        assert_eq!(
            asked.command.expect("a command").argv[4..],
            ["/place", "no", "2", "OUTPOST_TOKEN=r\n/t/1/run", "OUTPOST_INPUT_A=1", "tool"]
        );
        assert_eq!(asked.labels["outpost/run"], "r");
    }

    #[test]
    fn an_errand_is_a_job_of_an_agent_and_no_command() {
        let mut work = work();
        work.env = [("OUTPOST_RUN", "r"), ("B", "2")].map(|(name, value)| (name.into(), value.into())).to_vec();
        let errand = Errand { agent: "claude".into(), task: "Do it.".into(), tokens: Some(7), ..Errand::default() };
        errand.give(&mut work);
        let settings =
            Settings { repo: Some("a/b".into()), reference: Some("main".into()), ..Settings::at("https://x") };
        let asked = serde_json::to_value(order(&work, &settings).expect("an order").0).expect("JSON");
        assert_eq!(asked["agent"], "claude");
        assert_eq!((&asked["budget"], &asked["env"]), (&json!({"tokens": 7}), &json!({"B": "2"})));
        assert_eq!((&asked["repo"], &asked["ref"], asked.get("command")), (&json!("a/b"), &json!("main"), None));
        let errand = Errand { agent: "claude".into(), reference: Some("0af1".into()), ..Errand::default() };
        errand.give(&mut work);
        assert_eq!(order(&work, &settings).expect("an order").0.reference.as_deref(), Some("0af1"));
    }

    #[test]
    fn a_secret_is_sent_only_where_that_was_said() {
        let mut work = work();
        work.secrets = Secrets::new([("KEY".to_owned(), b"correct-horse-battery".to_vec())]);
        work.env = vec![("A".into(), "is correct-horse-battery".into())];
        let settings = Settings::at("https://x");
        let refused = order(&work, &settings).expect_err("a refusal");
        assert!(
            matches!(&refused, NotStarted::Refused(why) if why.contains("`A`") && !why.contains("horse")),
            "{refused}"
        );
        assert!(order(&work, &Settings { send_secrets: true, ..settings }).is_ok());
    }
}
