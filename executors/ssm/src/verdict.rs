//! From what machines told to one outcome.
//!
//! All must succeed. Of those that did not, the one that leaves most open counts: nobody knows, then never started beside
//! others that did (to repeat it would repeat those), then ended before its time, then a status.

use outpost_executor::{NotStarted, Outcome, Process};

use crate::frame::{Ended, Frame};
use crate::place::Place;

/// What is known of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) name: String,
    /// In the words of Systems Manager, when the first command ended there.
    pub(crate) details: String,
    pub(crate) frame: Option<Frame>,
    /// Why not all of its output is here.
    pub(crate) unread: Option<String>,
}

/// Ways in which a command ends without having been on the machine.
const UNDELIVERED: [&str; 7] = [
    "AccessDenied",
    "Delivery Timed Out",
    "DeliveryTimedOut",
    "InvalidPlatform",
    "Invalid Platform",
    "Undeliverable",
    "UnsupportedPlatform",
];

impl Machine {
    /// Whether Systems Manager says that the command never came there.
    pub(crate) fn is_undelivered(&self) -> bool {
        self.frame.is_none() && UNDELIVERED.contains(&self.details.as_str())
    }

    /// How the work ended there.
    pub(crate) fn outcome(&self, place: &Place, was_cancelled: bool) -> Outcome {
        let Self { name, details, frame, .. } = self;
        let Some(frame) = frame else {
            return if self.is_undelivered() && place.sent < 2 {
                Outcome::NotStarted(NotStarted::Other(format!("AWS did not bring it to {name}: {details}")))
            } else {
                Outcome::Lost(format!("{name} does not tell what became of it: {details}"))
            };
        };
        if !frame.left.is_empty() {
            let left: Vec<String> = frame.left.iter().map(Process::to_string).collect();
            return Outcome::Lost(format!("{} on {name} cannot be ended", left.join(", ")));
        }
        match &frame.ended {
            Ended::Exited(status) => Outcome::Exited(*status),
            Ended::Cancelled => Outcome::Cancelled,
            Ended::TimedOut => Outcome::TimedOut,
            Ended::Interrupted if was_cancelled || details.starts_with("Cancel") => Outcome::Cancelled,
            Ended::Interrupted if details.replace(' ', "") == "ExecutionTimedOut" => Outcome::TimedOut,
            Ended::Interrupted => Outcome::Interrupted,
            Ended::Never => Outcome::NotStarted(NotStarted::Cancelled),
            Ended::Lost => Outcome::Lost(format!("what kept it on {name} was killed, or the machine went down")),
            Ended::Failed(what) => Outcome::NotStarted(match what.as_str() {
                "directory" => NotStarted::DirectoryMissing(place.dir.clone()),
                "program" => NotStarted::ProgramMissing(place.program.clone()),
                "executable" => NotStarted::NotExecutable(place.program.clone()),
                other => NotStarted::Other(format!("it could not start on {name}: {other}")),
            }),
            Ended::Refused(what) => Outcome::NotStarted(NotStarted::Refused(match what.split_once(' ') {
                Some((_, tool)) => format!("{name} has no `{tool}`, which running work there needs"),
                None => format!(
                    "{name} cannot use its `state_directory`: it must be a folder of the user who runs commands"
                ),
            })),
        }
    }
}

/// The outcome of all, and which machines did not succeed, where there are several.
pub(crate) fn of(machines: &[Machine], place: &Place, was_cancelled: bool) -> (Outcome, Vec<String>) {
    let outcomes: Vec<Outcome> = machines.iter().map(|machine| machine.outcome(place, was_cancelled)).collect();
    if let [outcome] = outcomes.as_slice() {
        return (outcome.clone(), Vec::new());
    }
    let bad: Vec<String> = machines
        .iter()
        .zip(&outcomes)
        .filter(|(_, outcome)| **outcome != Outcome::Exited(0))
        .map(|(machine, outcome)| format!("{} {}", machine.name, told(outcome)))
        .collect();
    let has = |is: fn(&Outcome) -> bool| outcomes.iter().find(|outcome| is(outcome)).cloned();
    let all_unstarted = outcomes.iter().all(|outcome| matches!(outcome, Outcome::NotStarted(_)));
    let outcome = if outcomes.is_empty() {
        Outcome::NotStarted(NotStarted::Other("no machine has its tags".to_owned()))
    } else if all_unstarted {
        Outcome::NotStarted(NotStarted::Other(bad.join("; ")))
    } else if has(|outcome| matches!(outcome, Outcome::Lost(_) | Outcome::NotStarted(_))).is_some() && !was_cancelled {
        Outcome::Lost(bad.join("; "))
    } else if let Some(lost) = has(|outcome| matches!(outcome, Outcome::Lost(_))) {
        lost
    } else if was_cancelled && !bad.is_empty() {
        Outcome::Cancelled
    } else {
        let first = [Outcome::Cancelled, Outcome::TimedOut, Outcome::Interrupted]
            .into_iter()
            .find(|outcome| outcomes.contains(outcome));
        first
            .or_else(|| outcomes.iter().find(|outcome| **outcome != Outcome::Exited(0)).cloned())
            .unwrap_or(Outcome::Exited(0))
    };
    (outcome, bad)
}

/// For people.
pub(crate) fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Exited(status) => format!("exited with {status}"),
        Outcome::Signalled(signal) => format!("was ended by signal {signal}"),
        Outcome::TimedOut => "ran out of time".to_owned(),
        Outcome::Cancelled => "was cancelled".to_owned(),
        Outcome::Interrupted => "was interrupted".to_owned(),
        Outcome::NotStarted(why) => format!("did not start: {why}"),
        Outcome::Lost(why) => format!("is not known of: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use outpost_executor::{NotStarted, Outcome, Token, Work};

    use super::{Machine, of};
    use crate::frame::{Ended, Frame};
    use crate::order::Mark;
    use crate::place::Place;
    use crate::settings::{Settings, Targets};

    fn place(sent: u32) -> Place {
        let token = Token { run: "r".into(), task: "t".into(), attempt: 1, stage: "run".into() };
        let mark = Mark::of(&token);
        let settings = Settings::for_targets(Targets::Instances(vec!["i-00000001".into()]));
        Place { sent, ..Place::of(&Work::new(token, "tool", "/place", "/log"), &mark, &settings) }
    }

    fn machine(name: &str, details: &str, ended: Option<Ended>) -> Machine {
        let frame = ended.map(|ended| Frame { ended, ..Frame::default() });
        Machine { name: name.into(), details: details.into(), frame, unread: None }
    }

    #[test]
    fn a_success_that_no_target_told_is_none() {
        let (outcome, _) = of(&[machine("i-1", "Success", None)], &place(1), false);
        assert!(matches!(&outcome, Outcome::Lost(why) if why.contains("i-1")), "{outcome:?}");
    }

    #[test]
    fn what_was_not_brought_did_not_start_unless_another_may_have_been() {
        let late = [machine("i-1", "DeliveryTimedOut", None)];
        assert!(matches!(of(&late, &place(1), false).0, Outcome::NotStarted(NotStarted::Other(_))));
        assert!(matches!(of(&late, &place(2), false).0, Outcome::Lost(_)));
        assert!(matches!(of(&[], &place(1), false).0, Outcome::NotStarted(_)));
    }

    #[test]
    fn of_several_machines_all_have_to_succeed() {
        let good = || machine("i-1", "Success", Some(Ended::Exited(0)));
        let with = |other: Machine| of(&[good(), other], &place(1), false);
        assert_eq!(with(good()), (Outcome::Exited(0), Vec::new()));
        let (outcome, bad) = with(machine("i-2", "Success", Some(Ended::Exited(3))));
        assert_eq!((outcome, bad), (Outcome::Exited(3), vec!["i-2 exited with 3".to_owned()]));
        assert_eq!(with(machine("i-2", "Success", Some(Ended::TimedOut))).0, Outcome::TimedOut);
        // Repeating it would repeat what the first one did.
        let (outcome, _) = with(machine("i-2", "DeliveryTimedOut", None));
        assert!(matches!(&outcome, Outcome::Lost(why) if why.contains("i-2") && !why.contains("i-1")), "{outcome:?}");
        let never = |name| machine(name, "Success", Some(Ended::Failed("program".into())));
        assert!(matches!(of(&[never("i-1"), never("i-2")], &place(1), false).0, Outcome::NotStarted(_)));
    }

    #[test]
    fn who_ended_it_is_told_by_whoever_knows() {
        let ended = |details, was_cancelled| {
            of(&[machine("i-1", details, Some(Ended::Interrupted))], &place(1), was_cancelled).0
        };
        assert_eq!(ended("Cancelled", false), Outcome::Cancelled);
        assert_eq!(ended("Failed", true), Outcome::Cancelled);
        assert_eq!(ended("ExecutionTimedOut", false), Outcome::TimedOut);
        assert_eq!(ended("Failed", false), Outcome::Interrupted);
    }
}
