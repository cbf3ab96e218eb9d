//! The dependency graph, coloured and marked by where tasks stand.

use super::super::words::Standing;
use super::super::{Account, TaskPart};
use crate::report::graph::picture::{Picture, Status};
use crate::report::graph::svg;

/// Tasks that are drawn at most.
const MOST: usize = 160;

/// The picture with tasks as the run left them.
fn dressed(account: &Account, picture: &Picture) -> Picture {
    let mut picture = Picture { link: Some("#t-".to_owned()), ..picture.clone() };
    for (node, task) in picture.nodes.iter_mut().zip(&account.tasks) {
        node.status = match task.standing() {
            Standing::Failed => Status::Failed,
            Standing::Unknown => Status::Unknown,
            Standing::Asked => Status::Asked,
            Standing::Running => Status::InProgress,
            Standing::Waiting => Status::NotStarted,
            Standing::Skipped => Status::Skipped,
            Standing::Undone => Status::Undone,
            Standing::Complete => Status::Complete,
            // As the document has it.
            Standing::Left => node.status,
        };
    }
    picture
}

pub(super) fn graph(account: &Account, picture: &Picture, left_out: &mut Vec<String>) -> String {
    let mut picture = dressed(account, picture);
    let all = picture.nodes.len();
    if all == 0 {
        return String::new();
    }
    if all > MOST {
        let kept = kept(account, &picture);
        let count = kept.iter().filter(|kept| **kept).count();
        picture = picture.part(&kept);
        left_out.push(format!(
            "{} tasks of the drawing: it shows what went wrong, runs or waits for somebody, what that needs, and what needs it; all of them: `outpost-bp graph {} --format svg`",
            all - count,
            account.document.file
        ));
    }
    format!(
        "<div class=\"r-drawing\" tabindex=\"0\" role=\"group\" aria-label=\"Drawing of the dependencies; it may be wider than the page\">\n{}</div>\n",
        svg(&picture)
    )
}

/// Which tasks of many are drawn: those that somebody looks for, with their neighbours; else those that matter most.
fn kept(account: &Account, picture: &Picture) -> Vec<bool> {
    let count = picture.nodes.len();
    let mut kept = vec![false; count];
    let mut room = MOST;
    let mut keep = |kept: &mut Vec<bool>, place: usize| {
        if room > 0 && place < count && !kept[place] {
            kept[place] = true;
            room -= 1;
        }
    };
    let matters = |task: &TaskPart| task.standing() < Standing::Waiting;
    let places: Vec<usize> = (0..count).filter(|place| account.tasks.get(*place).is_some_and(matters)).collect();
    for &place in &places {
        keep(&mut kept, place);
    }
    let center = kept.clone();
    let at = |place: usize| center.get(place).copied().unwrap_or_default();
    for arrow in &picture.arrows {
        if at(arrow.to) {
            keep(&mut kept, arrow.from);
        }
    }
    for arrow in &picture.arrows {
        if at(arrow.from) {
            keep(&mut kept, arrow.to);
        }
    }
    // The rest of the room goes to the critical path.
    for place in (0..count).filter(|place| picture.nodes[*place].critical) {
        keep(&mut kept, place);
    }
    kept
}
