//! When an agent has been quiet for too long. Pure: time is an argument.

use std::time::{Duration, Instant};

use super::job::Limits;
use crate::stream::Event;

/// Why a clock ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Late {
    Start,
    Idle,
    /// The same while a tool ran.
    Tool,
    AfterResult,
    Wall,
}

#[derive(Debug)]
pub(super) struct Clocks<'a> {
    limits: &'a Limits,
    began: Instant,
    has_begun: bool,
    progress: Instant,
    in_tool: bool,
    result: Option<Instant>,
}

impl<'a> Clocks<'a> {
    pub(super) const fn new(limits: &'a Limits, began: Instant) -> Self {
        Self { limits, began, has_begun: false, progress: began, in_tool: false, result: None }
    }

    /// It printed something, whatever it was.
    pub(super) const fn heard(&mut self, now: Instant) {
        if !self.has_begun {
            self.has_begun = true;
            self.progress = now;
        }
    }

    pub(super) fn event(&mut self, event: &Event, now: Instant) {
        self.heard(now);
        if event.is_progress() {
            self.progress = now;
            self.in_tool = matches!(event, Event::Tool { .. });
        }
    }

    /// The gateway passed on bytes of the model.
    pub(super) fn answered(&mut self, at: Instant) {
        if at > self.began {
            self.has_begun = true;
            self.progress = self.progress.max(at);
        }
    }

    pub(super) fn over(&mut self, now: Instant) {
        self.result.get_or_insert(now);
    }

    /// Which clock runs out next, and when.
    pub(super) fn next(&self) -> (Instant, Late) {
        let after = |from: Instant, seconds: u64| from + Duration::from_secs(seconds.min(365 * 86_400));
        let limits = self.limits;
        let quiet = match (self.result, self.has_begun, self.in_tool) {
            (Some(result), _, _) => (after(result, limits.after_result), Late::AfterResult),
            (None, false, _) => (after(self.began, limits.start), Late::Start),
            (None, true, true) => (after(self.progress, limits.tool.max(limits.idle)), Late::Tool),
            (None, true, false) => (after(self.progress, limits.idle), Late::Idle),
        };
        match limits.wall.map(|wall| after(self.began, wall)) {
            Some(wall) if wall < quiet.0 => (wall, Late::Wall),
            _ => quiet,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Clocks, Late};
    use crate::attempt::job::Limits;
    use crate::stream::Event;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn each_clock_runs_from_what_it_waits_for() {
        let (limits, zero) = (Limits::default(), Instant::now());
        let mut clocks = Clocks::new(&limits, zero);
        assert_eq!(clocks.next(), (zero + s(120), Late::Start));
        clocks.heard(zero + s(100));
        assert_eq!(clocks.next(), (zero + s(700), Late::Idle));
        clocks.event(&Event::Progress, zero + s(200));
        assert_eq!(clocks.next(), (zero + s(800), Late::Idle));
        let tool = Event::Tool { name: "sh".into(), detail: String::new(), id: None };
        clocks.event(&tool, zero + s(300));
        assert_eq!(clocks.next(), (zero + s(2100), Late::Tool));
        clocks.event(&Event::Text { text: "so".into() }, zero + s(400));
        assert_eq!(clocks.next(), (zero + s(1000), Late::Idle));
        clocks.over(zero + s(500));
        clocks.over(zero + s(505));
        assert_eq!(clocks.next(), (zero + s(510), Late::AfterResult));
    }

    #[test]
    fn retries_prove_life_and_no_progress() {
        let (limits, zero) = (Limits::default(), Instant::now());
        let mut clocks = Clocks::new(&limits, zero);
        for at in 1..10 {
            clocks.event(&Event::Retry { detail: "429".into() }, zero + s(at * 60));
        }
        assert_eq!(clocks.next(), (zero + s(660), Late::Idle));
        clocks.answered(zero + s(600));
        assert_eq!(clocks.next(), (zero + s(1200), Late::Idle));
    }

    #[test]
    fn the_clock_on_the_wall_stops_for_nothing() {
        let (limits, zero) = (Limits { wall: Some(50), ..Limits::default() }, Instant::now());
        let mut clocks = Clocks::new(&limits, zero);
        clocks.event(&Event::Progress, zero + s(49));
        assert_eq!(clocks.next(), (zero + s(50), Late::Wall));
    }
}
