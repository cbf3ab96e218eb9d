//! What a target says: a frame of lines between two that name the token.
//!
//! ```text
//! outpost 1 MARK
//! ended exited 3        or cancelled, timed_out, interrupted, failed program, never, lost
//! started 1795262400 · elapsed 12 (hundredths of a second) · out 1200 · err 0 · leaked 17 sleep · left 18 stuck
//! part out.head         then base64, line by line; out.tail, err.head, err.tail
//! end MARK
//! ```
//! A command that Systems Manager calls a success and that holds no frame is no success: something else answered.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use outpost_executor::Process;

use crate::order::Mark;

/// What one machine told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) ended: Ended,
    pub(crate) started_ms: u64,
    pub(crate) elapsed_ms: u64,
    pub(crate) out: Told,
    pub(crate) err: Told,
    pub(crate) leaked: Vec<Process>,
    /// What could not be ended.
    pub(crate) left: Vec<Process>,
    /// Whether its last line is here; else output is missing, and nothing but that.
    pub(crate) is_whole: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Ended {
    Exited(i32),
    Cancelled,
    TimedOut,
    Interrupted,
    Failed(String),
    /// It was not there, and will not be.
    Never,
    #[default]
    Lost,
    /// The target cannot do what is asked: what it lacks.
    Refused(String),
}

/// A stream: all that there was, and what is here of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) bytes: u64,
    pub(crate) head: Vec<u8>,
    pub(crate) tail: Vec<u8>,
}

impl Frame {
    /// The frame of this token in what a command printed, if all of it is there that comes before the output.
    pub(crate) fn read(text: &str, mark: &Mark) -> Option<Self> {
        let (first, last) = (format!("outpost 1 {}", mark.0), format!("end {}", mark.0));
        let mut lines = text.lines().map(|line| line.trim_end_matches('\r')).skip_while(|line| *line != first);
        lines.next()?;
        let mut frame = Self::default();
        let mut part: Option<&str> = None;
        let mut encoded = String::new();
        let mut is_told = false;
        for line in lines {
            if line == last {
                frame.take(part, &encoded)?;
                (frame.is_whole, is_told) = (true, true);
                break;
            }
            let (key, value) = line.split_once(' ').unwrap_or((line, ""));
            match (key, part) {
                ("part", _) => {
                    frame.take(part, &encoded)?;
                    encoded.clear();
                    (part, is_told) = (Some(value), true);
                }
                (_, Some(_)) => encoded.push_str(line),
                ("ended", None) => frame.ended = ended(value)?,
                ("refused", None) => frame.ended = Ended::Refused(value.to_owned()),
                ("started", None) => frame.started_ms = value.parse::<u64>().ok()?.checked_mul(1000)?,
                ("elapsed", None) => frame.elapsed_ms = value.parse::<u64>().ok()?.checked_mul(10)?,
                ("out", None) => frame.out.bytes = value.parse().ok()?,
                ("err", None) => frame.err.bytes = value.parse().ok()?,
                ("leaked", None) => frame.leaked.push(process(value)?),
                ("left", None) => frame.left.push(process(value)?),
                // Of a later version.
                _ => {}
            }
        }
        is_told.then_some(frame)
    }

    fn take(&mut self, part: Option<&str>, encoded: &str) -> Option<()> {
        let Some(part) = part else {
            return Some(());
        };
        let bytes = STANDARD.decode(encoded).ok()?;
        match part {
            "out.head" => self.out.head = bytes,
            "out.tail" => self.out.tail = bytes,
            "err.head" => self.err.head = bytes,
            "err.tail" => self.err.tail = bytes,
            _ => {}
        }
        Some(())
    }
}

impl Told {
    pub(crate) fn cut(&self) -> u64 {
        self.bytes.saturating_sub(self.head.len() as u64 + self.tail.len() as u64)
    }
}

fn ended(text: &str) -> Option<Ended> {
    let (how, more) = text.split_once(' ').unwrap_or((text, ""));
    Some(match how {
        "exited" => Ended::Exited(more.parse().ok()?),
        "cancelled" => Ended::Cancelled,
        "timed_out" => Ended::TimedOut,
        "interrupted" => Ended::Interrupted,
        "failed" => Ended::Failed(more.to_owned()),
        "never" => Ended::Never,
        "lost" => Ended::Lost,
        _ => return None,
    })
}

fn process(text: &str) -> Option<Process> {
    let (pid, name) = text.split_once(' ')?;
    Some(Process { pid: pid.parse().ok()?, name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use outpost_executor::Process;

    use super::{Ended, Frame};
    use crate::order::Mark;

    #[test]
    fn only_a_whole_frame_of_this_token_counts() {
        let mark = Mark("ab".repeat(32));
        let text = format!(
            "motd\r\noutpost 1 {0}\nended exited 3\nstarted 7\nelapsed 12\nout 9\nerr 0\nleaked 17 sleep well\npart out.head\nb25lCg==\npart out.tail\ndHdv\nCg==\nend {0}\nfailed to run commands: exit status 0\n",
            mark.0
        );
        let frame = Frame::read(&text, &mark).expect("a frame");
        assert_eq!((&frame.ended, frame.started_ms, frame.elapsed_ms), (&Ended::Exited(3), 7000, 120));
        assert_eq!((frame.out.head.as_slice(), frame.out.tail.as_slice()), (&b"one\n"[..], &b"two\n"[..]));
        assert_eq!((frame.out.cut(), frame.err.cut()), (1, 0));
        assert_eq!(frame.leaked, [Process { pid: 17, name: "sleep well".into() }]);
        assert_eq!(Frame::read(&text, &Mark("cd".repeat(32))), None);
        assert!(frame.is_whole);
        // Before the output begins, it could still go on with what matters.
        let told = text.find("part out.head").expect("output");
        for cut in 0..text.find("end ab").expect("an end") + 20 {
            let cut_off = text.get(..cut).and_then(|text| Frame::read(text, &mark));
            assert!(cut_off.as_ref().is_none_or(|frame| cut > told && !frame.is_whole), "cut at {cut}");
            if cut > told + "part out.head".len() {
                assert_eq!(
                    cut_off.unwrap_or_else(|| panic!("cut at {cut}: {:?}", text.get(..cut))).ended,
                    Ended::Exited(3)
                );
            }
        }
        assert_eq!(Frame::read("Success", &mark), None);
    }
}
