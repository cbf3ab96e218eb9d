//! Time → place. Where nothing worked for long, time is cut short: a run that waited two days for a person shows the
//! minutes in which it worked.

use super::super::{Account, At, StagePart};
use crate::run::Moment;

/// Hundredths of the width that a cut has.
const CUT: f64 = 3.5;
/// Cuts at most: the longest.
const CUTS: usize = 6;
/// A gap is cut when it is more than this part of the time in which something worked.
const LONG: f64 = 0.5;
/// Marks along the axis, about.
const MARKS: u64 = 6;
/// Steps between marks, in milliseconds.
const STEPS: [u64; 18] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000,
    3_600_000, 10_800_000, 43_200_000, 86_400_000,
];

/// A piece of the axis, in milliseconds and in hundredths of the width.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece {
    pub(super) from: u64,
    pub(super) to: u64,
    pub(super) left: f64,
    pub(super) right: f64,
    pub(super) is_cut: bool,
}

#[derive(Debug)]
pub(super) struct Scale {
    pub(super) pieces: Vec<Piece>,
}

impl Scale {
    pub(super) fn of(account: &Account, end: At) -> Self {
        let (began, end) = (account.run.began_at.0.0, end.0.0.max(account.run.began_at.0.0 + 1));
        let of_chores = account.aside.chores.iter().flat_map(|chore| &chore.attempts);
        let attempts = account.tasks.iter().flat_map(|task| &task.attempts).chain(of_chores);
        let stages = attempts.flat_map(|attempt| &attempt.stages);
        let mut busy: Vec<(u64, u64)> = stages.map(|stage| span(account, stage, At(Moment(end)))).collect();
        busy.sort_unstable();
        let mut gaps = Vec::new();
        let (mut reached, mut worked) = (began, 0);
        for (from, to) in busy {
            if from > reached {
                gaps.push((reached, from));
            }
            worked += to.saturating_sub(reached.max(from));
            reached = reached.max(to);
        }
        if end > reached {
            gaps.push((reached, end));
        }
        // Where nothing worked, there is nothing to make room for.
        gaps.retain(|(from, to)| worked > 0 && (to - from) as f64 > LONG * worked as f64);
        gaps.sort_by_key(|(from, to)| std::cmp::Reverse(to - from));
        gaps.truncate(CUTS);
        gaps.sort_unstable();
        let cut: u64 = gaps.iter().map(|(from, to)| to - from).sum();
        let room = 100.0 - CUT * gaps.len() as f64;
        let shown = (end - began).saturating_sub(cut).max(1) as f64;
        let mut pieces: Vec<Piece> = Vec::new();
        let (mut at, mut left) = (began, 0.0);
        for (from, to) in gaps.into_iter().chain([(end, end)]) {
            if from > at {
                let right = left + room * (from - at) as f64 / shown;
                pieces.push(Piece { from: at, to: from, left, right, is_cut: false });
                left = right;
            }
            if to > from {
                pieces.push(Piece { from, to, left, right: left + CUT, is_cut: true });
                left += CUT;
            }
            at = to;
        }
        Self { pieces }
    }

    /// Hundredths of the width.
    pub(super) fn place(&self, at: At) -> f64 {
        let at = at.0.0;
        let Some(piece) = self.pieces.iter().find(|piece| at < piece.to).or(self.pieces.last()) else {
            return 0.0;
        };
        let part = at.saturating_sub(piece.from) as f64 / (piece.to - piece.from).max(1) as f64;
        (piece.left + (piece.right - piece.left) * part.min(1.0)).clamp(0.0, 100.0)
    }

    /// Where marks stand, and what time it is there.
    pub(super) fn marks(&self) -> Vec<(f64, At)> {
        let whole = |piece: &&Piece| !piece.is_cut;
        let shown: u64 = self.pieces.iter().filter(whole).map(|piece| piece.to - piece.from).sum();
        let step = STEPS.into_iter().find(|step| step * MARKS >= shown).unwrap_or_else(|| (shown / MARKS).max(1));
        let mut marks: Vec<(f64, At)> = Vec::new();
        for piece in self.pieces.iter().filter(whole) {
            // Each piece has its own beginning marked: time jumped there.
            let mut at = piece.from;
            while at < piece.to {
                let place = self.place(At(Moment(at)));
                let is_apart = marks.last().is_none_or(|(last, _)| place - last > 60.0 / MARKS as f64);
                if is_apart || at == piece.from {
                    while marks.last().is_some_and(|(last, _)| at == piece.from && place - last < 60.0 / MARKS as f64) {
                        marks.pop();
                    }
                    marks.push((place, At(Moment(at))));
                }
                at = (at / step + 1) * step;
            }
        }
        marks
    }
}

/// When a stage worked. How long one did that was interrupted is not known: at most until nobody drove the run.
pub(super) fn span(account: &Account, stage: &StagePart, end: At) -> (u64, u64) {
    let from = stage.started_at;
    let to = stage.ended_at.unwrap_or_else(|| match stage.result {
        "running" => end,
        _ => account.pauses.iter().map(|pause| pause.from).find(|at| *at >= from).unwrap_or(account.run.latest_at),
    });
    (from.0.0, to.0.0.max(from.0.0))
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::{ALL, told};
    use super::super::super::{Account, At};
    use super::Scale;
    use crate::run::Moment;

    fn at(account: &Account, seconds: u64) -> At {
        At(account.run.began_at.0.after(seconds * 1000))
    }

    #[test]
    fn eleven_hours_in_which_nothing_worked_take_little_room() {
        told(ALL, |account, _| {
            let scale = Scale::of(account, at(account, 40_009));
            let places: Vec<f64> =
                [0, 2, 8, 20_000, 40_000, 40_006, 40_009].map(|second| scale.place(at(account, second))).to_vec();
            assert!(places.is_sorted(), "{places:?}");
            assert_eq!((places[0], places[6]), (0.0, 100.0));
            assert!(places[4] - places[2] < 10.0, "{places:?}");
            assert!(places[1] > 5.0 && places[6] - places[5] > 5.0, "{places:?}");
            assert_eq!(scale.pieces.iter().filter(|piece| piece.is_cut).count(), 1);
        });
    }

    #[test]
    fn marks_stand_apart_and_in_order() {
        told(ALL, |account, _| {
            let marks = Scale::of(account, at(account, 40_009)).marks();
            assert!(marks.len() > 3, "{marks:?}");
            assert!(marks.windows(2).all(|two| two[1].0 - two[0].0 > 9.9 && two[0].1 < two[1].1), "{marks:?}");
        });
    }

    #[test]
    fn a_run_in_which_nothing_worked_has_an_axis() {
        told(2, |account, _| {
            let scale = Scale::of(account, at(account, 0));
            assert_eq!(scale.place(At(Moment(0))), 0.0);
            assert!(!scale.pieces.is_empty() && scale.pieces.iter().all(|piece| !piece.is_cut));
        });
    }
}
