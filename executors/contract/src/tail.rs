//! The end of what a stream said, for the error: bounded, whatever is written.

/// Of each stream.
const TAIL: usize = 10 * 1024;

/// The end of what was shown, and how much that was.
#[derive(Clone, Debug, Default)]
pub struct Tail {
    last: Vec<u8>,
    bytes: u64,
}

impl Tail {
    /// Adds bytes and forgets what is too old.
    pub fn remember(&mut self, bytes: &[u8]) {
        let recent = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or(bytes);
        let surplus = (self.last.len() + recent.len()).saturating_sub(TAIL);
        self.last.drain(..surplus);
        self.last.extend_from_slice(recent);
        self.bytes += bytes.len() as u64;
    }

    /// Text for people; a character that the cut went through is left out.
    #[must_use]
    pub fn readable(&self) -> String {
        let last = self.last.as_slice();
        let whole = if self.bytes > last.len() as u64 {
            let partial = last.iter().take(3).take_while(|byte| **byte & 0xc0 == 0x80).count();
            last.get(partial..).unwrap_or_default()
        } else {
            last
        };
        String::from_utf8_lossy(whole).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{TAIL, Tail};

    #[test]
    fn a_tail_is_the_end_of_everything() {
        let all: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        for size in [1, 7, 1000, TAIL, TAIL + 1, all.len()] {
            let mut tail = Tail::default();
            for bytes in all.chunks(size) {
                tail.remember(bytes);
            }
            assert_eq!(tail.last, all[all.len() - TAIL..], "in pieces of {size}");
        }
    }

    #[test]
    fn a_cut_goes_between_characters() {
        let readable = |last: &[u8], bytes| Tail { last: last.to_vec(), bytes }.readable();
        assert_eq!(readable("\u{20ac}x".as_bytes(), 4), "\u{20ac}x");
        assert_eq!(readable(&"\u{20ac}x".as_bytes()[1..], 4), "x");
        assert_eq!(readable(b"\xffx", 2), "\u{fffd}x");
    }
}
