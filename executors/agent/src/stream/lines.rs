//! Cuts a stream into lines, and keeps a line that has no end from filling the memory.

/// A longer line keeps its head and a mark.
pub const LONGEST: usize = 8 << 20;

/// A line without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    /// Bytes that were left out of it.
    pub cut: u64,
}

/// Bytes in, lines out.
#[derive(Debug)]
pub struct Lines {
    held: Vec<u8>,
    cut: u64,
    longest: usize,
}

impl Default for Lines {
    fn default() -> Self {
        Self::of_at_most(LONGEST)
    }
}

impl Lines {
    pub const fn of_at_most(longest: usize) -> Self {
        Self { held: Vec::new(), cut: 0, longest }
    }

    pub fn push(&mut self, bytes: &[u8], mut take: impl FnMut(Line)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            self.keep(line);
            take(self.line());
            rest = after.get(1..).unwrap_or_default();
        }
        self.keep(rest);
    }

    /// What stood after the last line end.
    pub fn finish(&mut self) -> Option<Line> {
        (!self.held.is_empty()).then(|| self.line())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = self.longest.saturating_sub(self.held.len()).min(bytes.len());
        let (kept, cut) = bytes.split_at(room);
        self.held.extend_from_slice(kept);
        self.cut += cut.len() as u64;
    }

    fn line(&mut self) -> Line {
        let held = std::mem::take(&mut self.held);
        let cut = std::mem::take(&mut self.cut);
        let mut text =
            String::from_utf8(held).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        if text.ends_with('\r') {
            text.pop();
        }
        if cut > 0 {
            text.push_str(&format!("[{cut} bytes left out]"));
        }
        Line { text, cut }
    }
}
