//! Which distributed trace a run belongs to, and what its parts are called there: W3C Trace Context.
//!
//! All names are derived from the journal, so that every runner of a run gives them alike and `resume` goes on with the
//! trace that `run` began. It does not know who collects traces, or whether anybody does.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::event::{Event, Moment};

/// The name of a span.
pub type SpanId = [u8; 8];

/// The form of `TRACEPARENT`: a span, and the trace that it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceParent {
    pub trace: [u8; 16],
    pub span: SpanId,
    /// Whether whoever began the trace wants it to be kept.
    pub is_sampled: bool,
}

impl TraceParent {
    /// What a variable of the environment or a header says, if it is in that form.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('-');
        let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        // Later versions may add parts, the first one has none.
        let is_known = version.len() == 2 && version != "ff" && (version != "00" || parts.next().is_none());
        let ([_], [flags]) = (bytes(version)?, bytes(flags)?);
        let parent = Self { trace: bytes(trace)?, span: bytes(span)?, is_sampled: flags & 1 == 1 };
        (is_known && parent.trace != [0; 16] && parent.span != [0; 8]).then_some(parent)
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", hex(&self.trace), hex(&self.span), u8::from(self.is_sampled))
    }
}

/// Lower-case hexadecimal digits, exactly as many as there is room for.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let is_hex = text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    if text.len() != 2 * N || !is_hex {
        return None;
    }
    let mut bytes = [0; N];
    for (place, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * place..2 * place + 2], 16).ok()?;
    }
    Some(bytes)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The trace of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trail {
    pub trace: [u8; 16],
    /// The span within which the run was begun.
    pub parent: Option<SpanId>,
    pub is_sampled: bool,
}

/// A part of a run that is a span. What can happen more than once has the time at which it began, or a count.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    Run {
        at: Moment,
    },
    /// `count` is how often the task had ended before.
    Task {
        task: &'a str,
        count: u32,
    },
    Attempt {
        task: &'a str,
        attempt: u32,
    },
    Stage {
        task: &'a str,
        attempt: u32,
        stage: &'a str,
        at: Moment,
    },
    Gate {
        task: &'a str,
        at: Moment,
    },
    Chore {
        owner: &'a str,
        chore: &'a str,
        attempt: u32,
        at: Moment,
    },
    Locks {
        task: &'a str,
        at: Moment,
    },
}

impl Trail {
    /// The trace of the run that these events begin: that of whoever began it, or one of its own.
    pub fn of<'e>(events: impl IntoIterator<Item = (Moment, &'e Event)>) -> Option<Self> {
        let mut started = None;
        for (at, event) in events {
            match (event, &started) {
                (Event::RunStarted(event), None) => {
                    if let Some(parent) = event.traceparent.as_deref().and_then(TraceParent::parse) {
                        let TraceParent { trace, span, is_sampled } = parent;
                        return Some(Self { trace, parent: Some(span), is_sampled });
                    }
                    started = Some((at, event));
                }
                // Two machines may begin the same at once, in directories of one name.
                (Event::RunnerTookOver { pid, host, .. }, Some((at, started))) => {
                    let own = format!("{}\0{}\0{}\0{}\0{host}\0{pid}", started.run, started.root, started.digest, at.0);
                    return Some(Self { trace: digest(own.as_bytes()), parent: None, is_sampled: true });
                }
                _ => {}
            }
        }
        None
    }

    pub fn span(&self, part: Part<'_>) -> SpanId {
        let words = match part {
            Part::Run { at } => format!("run\0{}", at.0),
            Part::Task { task, count } => format!("task\0{task}\0{count}"),
            Part::Attempt { task, attempt } => format!("attempt\0{task}\0{attempt}"),
            Part::Stage { task, attempt, stage, at } => format!("stage\0{task}\0{attempt}\0{stage}\0{}", at.0),
            Part::Gate { task, at } => format!("gate\0{task}\0{}", at.0),
            Part::Locks { task, at } => format!("locks\0{task}\0{}", at.0),
            Part::Chore { owner, chore, attempt, at } => format!("chore\0{owner}\0{chore}\0{attempt}\0{}", at.0),
        };
        digest(format!("{}\0{words}", hex(&self.trace)).as_bytes())
    }

    /// What a command is told, so that its own spans belong to its stage.
    pub fn within(&self, part: Part<'_>) -> TraceParent {
        TraceParent { trace: self.trace, span: self.span(part), is_sampled: self.is_sampled }
    }
}

/// The beginning of a SHA-256. That it is nothing but zeros, which would be no name, does not happen.
fn digest<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let digest = Sha256::digest(bytes);
    std::array::from_fn(|place| digest[place])
}

#[cfg(test)]
mod tests {
    use super::{Part, TraceParent, Trail};
    use crate::run::Moment;

    const GIVEN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let parent = TraceParent::parse(GIVEN).expect("a parent");
        assert_eq!((parent.to_string().as_str(), parent.is_sampled), (GIVEN, true));
        assert!(!TraceParent::parse(&GIVEN.replace("-01", "-00")).expect("a parent").is_sampled);
        // Of a later version, which adds something.
        assert_eq!(TraceParent::parse(&format!("{}-x", GIVEN.replacen("00", "cc", 1))), Some(parent));
        for wrong in [
            "",
            &GIVEN[..54],
            &format!("{GIVEN}-x"),
            &GIVEN.replacen("00", "ff", 1),
            &GIVEN.to_uppercase(),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        ] {
            assert_eq!(TraceParent::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn parts_have_names_of_their_own() {
        let trail = Trail { trace: [7; 16], parent: None, is_sampled: true };
        let at = Moment(5);
        let parts = [
            Part::Run { at },
            Part::Task { task: "a", count: 0 },
            Part::Task { task: "a", count: 1 },
            Part::Attempt { task: "a", attempt: 1 },
            Part::Attempt { task: "a1", attempt: 1 },
            Part::Stage { task: "a", attempt: 1, stage: "run", at },
            Part::Stage { task: "a", attempt: 1, stage: "run", at: Moment(6) },
            Part::Gate { task: "a", at },
            Part::Locks { task: "a", at },
            Part::Chore { owner: "a", chore: "rollback", attempt: 1, at },
        ];
        let mut names: Vec<_> = parts.iter().map(|part| trail.span(*part)).collect();
        assert_eq!(names[0], trail.span(Part::Run { at }));
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), parts.len());
    }
}
