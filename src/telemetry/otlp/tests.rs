//! Spans on their way: what is sent, what is lost, and how far the note goes. No collector, no thread, no time.

use super::*;
use crate::report::trace::Kind;

fn span(after: u64) -> Span {
    Span {
        kind: Kind::Stage,
        id: after.to_be_bytes(),
        parent: None,
        name: after.to_string(),
        began: Moment(0),
        ended: Moment(0),
        attributes: Vec::new(),
        events: Vec::new(),
        follows: Vec::new(),
        status: Status::Unset,
        after,
    }
}

/// Carries spans that ended after these events, with room for four and two at once, and drops the near end within
/// the first request. Tells what was sent, what was noted before each request and at last, and how many were lost.
fn carried(ended: &[u64], mut takes: impl FnMut(usize) -> bool) -> (Vec<String>, Vec<u64>, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let note = folder.path().join("traced");
    let (spans, far) = sync_channel(ended.len());
    let (troubles, _told) = channel();
    let gap = Arc::new(Gap::default());
    ended.iter().for_each(|after| spans.try_send(span(*after)).expect("room"));
    let trail = Trail { trace: [1; 16], parent: None, is_sampled: true };
    let is_dead = Arc::default();
    let courier = Courier {
        spans: far,
        troubles,
        trail,
        note: note.clone(),
        is_told: false,
        is_dead,
        gap: Arc::clone(&gap),
        room: (4, 2),
    };
    let (mut near, mut sent, mut noted) = (Some(spans), Vec::new(), Vec::new());
    courier.carry(|batch| {
        near = None;
        noted.push(acknowledged(&note));
        let is_taken = takes(batch.len());
        sent.extend(batch.iter().filter(|_| is_taken).map(|span| span.name.to_string()));
        is_taken.then_some(()).ok_or_else(|| "no".to_owned())
    });
    noted.push(acknowledged(&note));
    (sent, noted, gap.spans.load(Ordering::Acquire))
}

#[test]
fn spans_of_one_event_are_acknowledged_when_all_of_them_are_sent() {
    let (sent, noted, lost) = carried(&[1, 1, 2, 2, 2], |_| true);
    assert_eq!((sent.len(), lost), (5, 0));
    assert_eq!(noted, [0, 0, 1, 2]);
}

#[test]
fn nothing_is_acknowledged_that_found_no_room_nor_what_came_after_it() {
    let mut requests = 0;
    let late = |_| {
        requests += 1;
        requests > 1
    };
    let (sent, noted, lost) = carried(&[1, 2, 3, 4, 4, 5, 6], late);
    assert_eq!((sent.join(" "), lost), ("1 2 3 4".to_owned(), 3));
    assert_eq!(noted.last(), Some(&3), "another span of event 4 is lost");
}

#[test]
fn a_collector_that_takes_less_at_once_gets_less() {
    let (sent, noted, lost) = carried(&[1, 2, 3], |many| many == 1);
    assert_eq!((sent.join(" "), lost, noted.last()), ("1 2 3".to_owned(), 0, Some(&3)));
}

#[test]
fn what_finds_no_room_at_the_near_end_is_counted_too() {
    let (spans, _far) = sync_channel(1);
    let gap = Arc::new(Gap::default());
    let (_, troubles) = channel();
    let is_dead = Arc::new(AtomicBool::new(true));
    let mut outbox = Outbox { spans, deadline: DEADLINE, troubles, is_dead, gap: Arc::clone(&gap) };
    (7..10).for_each(|after| outbox.put(span(after)));
    assert_eq!(gap.first.load(Ordering::Acquire), 8);
    assert_eq!(outbox.close(), ["2 spans found no room on their way to the collector; the next runner sends them"]);
}
