//! Finds all forms at once in a stream, and holds back only what may become one.
//!
//! After each byte the automaton says how much of the end of the stream is the beginning of a form. No form that is
//! still to come can begin before that, so all bytes up to there are settled and go on; which they are depends on
//! the stream alone, not on how it was cut. Everything that any form covers is hidden, overlaps included, and each
//! run of hidden bytes becomes one mark.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use aho_corasick::Anchored;
use aho_corasick::automaton::{Automaton as _, StateID};
use aho_corasick::nfa::contiguous::NFA;

use super::{MARK, Secrets, forms};

/// The most blanks in a row within a form: more than a line break with its indentation is no wrapping.
const MOST_BLANKS: usize = 64;

/// What a pause lets go of a possible beginning: people should see a prompt, and all but the last bytes of a secret
/// would still be hidden.
const LET_GO: usize = 2;

/// All forms of some secrets, ready to be looked for.
#[derive(Clone)]
pub struct Redaction(Arc<Forms>);

struct Forms {
    automaton: NFA,
    start: StateID,
    /// How much of the end of the text is the beginning of a form, by state.
    depths: Vec<u32>,
    /// What a form begins with: most bytes need no more than a look at this.
    first: [bool; 256],
}

impl fmt::Debug for Redaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redaction").field("forms", &self.0.automaton.patterns_len()).finish()
    }
}

/// The secrets have more forms than can be looked for at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooMany;

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its secrets are too many or too large to be hidden in what is printed")
    }
}

impl std::error::Error for TooMany {}

impl Redaction {
    /// All that is to be hidden. Nothing where there is nothing to hide: no byte is looked at then.
    pub fn of(secrets: &Secrets) -> Result<Option<Self>, TooMany> {
        Self::that_finds(secrets.pairs().flat_map(|(_, value)| forms::of(value)).collect())
    }

    /// What is a secret beyond doubt, for whoever refuses or removes what holds one: a line of many is none, as long as
    /// others may write the same (`kind: Config`, `-----BEGIN CERTIFICATE-----`).
    pub fn beyond_doubt(secrets: &Secrets) -> Result<Option<Self>, TooMany> {
        Self::that_finds(secrets.pairs().flat_map(|(_, value)| forms::beyond_doubt(value)).collect())
    }

    fn that_finds(mut all: Vec<Vec<u8>>) -> Result<Option<Self>, TooMany> {
        all.sort_unstable();
        all.dedup();
        if all.is_empty() {
            return Ok(None);
        }
        let automaton = NFA::new(&all).map_err(|_| TooMany)?;
        let start = automaton.start_state(Anchored::No).map_err(|_| TooMany)?;
        let (mut depths, mut first) = (Vec::new(), [false; 256]);
        for form in &all {
            let mut state = start;
            if let Some(first) = form.first().and_then(|byte| first.get_mut(usize::from(*byte))) {
                *first = true;
            }
            for (depth, byte) in (1..).zip(form) {
                state = automaton.next_state(Anchored::No, state, *byte);
                let place = state.as_usize();
                if depths.len() <= place {
                    depths.resize(place + 1, 0);
                }
                if let Some(known) = depths.get_mut(place) {
                    *known = depth;
                }
            }
        }
        for mut form in all {
            form.fill(0);
            std::hint::black_box(&form);
        }
        Ok(Some(Self(Arc::new(Forms { automaton, start, depths, first }))))
    }

    /// For one stream.
    pub fn stream(&self) -> Redactor {
        Redactor {
            forms: Arc::clone(&self.0),
            state: self.0.start,
            held: Vec::new(),
            solid: VecDeque::new(),
            depth: 0,
            blanks: 0,
            hidden: Vec::new(),
            in_hidden: false,
            found: 0,
        }
    }

    /// A whole text, without its secrets.
    pub fn text(&self, text: &str) -> String {
        let (mut stream, mut out) = (self.stream(), Vec::with_capacity(text.len()));
        stream.push(text.as_bytes(), &mut out);
        stream.finish(&mut out);
        // A secret that is not UTF-8 may end within a character.
        String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    /// Whether any form of any secret is in there.
    pub fn finds(&self, bytes: &[u8]) -> bool {
        let (mut stream, mut out) = (self.stream(), Vec::new());
        for chunk in bytes.chunks(64 * 1024) {
            stream.push(chunk, &mut out);
            out.clear();
        }
        stream.finish(&mut out);
        stream.found > 0
    }
}

/// Redacts one stream.
pub struct Redactor {
    forms: Arc<Forms>,
    state: StateID,
    /// What has come and is not settled.
    held: Vec<u8>,
    /// Where in it those bytes stand that are no blanks and may begin a form.
    solid: VecDeque<usize>,
    /// How many of them the automaton believes in.
    depth: usize,
    /// Blanks since the last of them.
    blanks: usize,
    /// What is hidden in `held`, in order and apart.
    hidden: Vec<(usize, usize)>,
    /// Whether the byte before `held` was hidden.
    in_hidden: bool,
    found: u64,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("held", &self.held.len()).field("found", &self.found).finish_non_exhaustive()
    }
}

impl Redactor {
    /// Takes bytes and adds to `out` what is settled by them.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let from = self.held.len();
        self.held.extend_from_slice(bytes);
        let forms = Arc::clone(&self.forms);
        for (at, byte) in (from..).zip(bytes) {
            self.see(&forms, at, *byte);
        }
        let settled = if self.depth == 0 { self.held.len() } else { self.solid.front().copied().unwrap_or_default() };
        self.settle(settled, out);
    }

    fn see(&mut self, forms: &Forms, at: usize, byte: u8) {
        let Forms { automaton, start, depths, first } = forms;
        if self.depth == 0 && first.get(usize::from(byte)) != Some(&true) {
            return;
        }
        if forms::is_blank(byte) {
            self.blanks += 1;
            if self.blanks > MOST_BLANKS && self.depth > 0 {
                self.state = *start;
                self.depth = 0;
                self.solid.clear();
            }
            return;
        }
        self.blanks = 0;
        self.state = automaton.next_state(Anchored::No, self.state, byte);
        self.depth = depths.get(self.state.as_usize()).map_or(0, |depth| *depth as usize);
        self.solid.push_back(at);
        if automaton.is_special(self.state) && automaton.is_match(self.state) {
            let ends = 0..automaton.match_len(self.state);
            let longest = ends.map(|end| automaton.pattern_len(automaton.match_pattern(self.state, end))).max();
            let first = self.solid.len().saturating_sub(longest.unwrap_or_default());
            self.hide(self.solid.get(first).copied().unwrap_or_default(), at + 1);
        }
        self.solid.drain(..self.solid.len().saturating_sub(self.depth));
    }

    fn hide(&mut self, mut begin: usize, end: usize) {
        while let Some((before, _)) = self.hidden.pop_if(|(_, end)| *end >= begin) {
            begin = begin.min(before);
        }
        self.hidden.push((begin, end));
    }

    /// Gives out what stands before this place.
    fn settle(&mut self, place: usize, out: &mut Vec<u8>) {
        let mut at = 0;
        for (begin, end) in &mut self.hidden {
            if *begin >= place {
                break;
            }
            if *begin > at {
                out.extend_from_slice(self.held.get(at..*begin).unwrap_or_default());
                self.in_hidden = false;
            }
            if !self.in_hidden {
                out.extend_from_slice(MARK.as_bytes());
                self.found += 1;
                self.in_hidden = true;
            }
            at = place.min(*end);
        }
        if at < place {
            out.extend_from_slice(self.held.get(at..place).unwrap_or_default());
            self.in_hidden = false;
        }
        self.hidden.retain_mut(|(begin, end)| {
            (*begin, *end) = (begin.saturating_sub(place), end.saturating_sub(place));
            *end > 0
        });
        for solid in &mut self.solid {
            *solid = solid.saturating_sub(place);
        }
        if let Some(gone) = self.held.get_mut(..place) {
            gone.fill(0);
        }
        self.held.drain(..place);
    }

    /// Whether a pause would let something go.
    pub fn is_waiting(&self) -> bool {
        !self.held.is_empty() && self.depth <= LET_GO && self.hidden.is_empty()
    }

    /// Nothing has come for a while: lets go of what is hardly the beginning of a form, and would still hide the
    /// rest of it. So a prompt without a line end is seen.
    pub fn pause(&mut self, out: &mut Vec<u8>) {
        if self.is_waiting() {
            self.settle(self.held.len(), out);
        }
    }

    /// The stream is over: what was only the beginning of a form is none.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.settle(self.held.len(), out);
        (self.state, self.depth, self.blanks) = (self.forms.start, 0, 0);
        self.solid.clear();
    }

    /// In how many places something was hidden so far.
    pub const fn found(&self) -> u64 {
        self.found
    }
}
