//! `on_failure.fallback_task`: following it must come to an end, and neither of the two may wait for the other.

use std::collections::{HashMap, VecDeque};

use super::links::{Links, Need, NeedKind, Step, circle, knots, needs, shortest_cycle, unorderable};
use crate::blueprint::model::{Draft, TaskIndex};
use crate::diagnostic::{Code, Diagnostic, Span};

/// Reports every circle, and answers whether there is one. A task has one fallback at most, so each circle is found
/// by walking on from any task until a task is met again.
pub(super) fn check(draft: &Draft<'_>, problems: &mut Vec<Diagnostic>) -> bool {
    let before = problems.len();
    let mut walk_of: Vec<Option<TaskIndex>> = vec![None; draft.tasks.len()];
    for start in draft.indices() {
        let mut walk: Vec<(TaskIndex, Span)> = Vec::new();
        let mut at = start;
        while walk_of[at.get()].is_none()
            && let Some((next, place)) = fallback(draft, at)
        {
            walk_of[at.get()] = Some(start);
            walk.push((at, place));
            at = next;
        }
        // Where this walk meets itself a circle ends; meeting an earlier one says nothing new.
        if let Some(first) = walk.iter().position(|(task, _)| *task == at) {
            problems.push(describe(draft, &walk[first..]));
        }
    }
    problems.len() > before
}

/// Reports tasks that wait for their own fallback, which waits to be called, and fallbacks that wait for the task they
/// stand in for, which is not complete until they are: one of each knot. Needs and fallbacks form no circles of their
/// own any more.
pub(super) fn check_waits(draft: &Draft<'_>, links: &Links, problems: &mut Vec<Diagnostic>) {
    let pairs: Vec<Pair> = draft
        .indices()
        .filter_map(|caller| fallback(draft, caller).map(|(fallback, span)| Pair { caller, fallback, span }))
        .collect();
    if pairs.is_empty() {
        return;
    }
    let links = links.with_parents(draft);
    // Nothing calls a fallback but its callers, and nothing else lets it go: it waits for them in any case.
    let need = |task, span| Need { task, kind: NeedKind::Fallback, span };
    let waits = links.and(pairs.iter().map(|pair| (pair.fallback, need(pair.caller, pair.span))).collect());
    for knot in knots(&waits, &unorderable(&waits)) {
        if let Some(cycle) = shortest_cycle(&waits, &knot) {
            let step = |&(task, need): &(TaskIndex, Need)| -> Step { (task, need.span, needs(draft, task, need)) };
            problems.push(
                circle(draft, cycle.iter().map(step).collect(), "wait for each other")
                    .help("a fallback waits until it is called: let it fall back to a task that it does not wait for"),
            );
        }
    }
    // The other way round a circle through several fallbacks is none as long as one of the callers does not fail.
    let calls = links.and(pairs.iter().map(|pair| (pair.caller, need(pair.fallback, pair.span))).collect());
    for knot in knots(&calls, &unorderable(&calls)) {
        let inside =
            |pair: &&Pair| knot.binary_search(&pair.caller).is_ok() && knot.binary_search(&pair.fallback).is_ok();
        let pairs: Vec<Pair> = pairs.iter().filter(inside).copied().collect();
        if let Some(pair) = first_waiting(&links, &knot, &pairs) {
            let first = (pair.caller, pair.span, falls_back(draft, pair.caller, pair.fallback));
            let path = path(&links, &knot, pair.fallback, pair.caller).into_iter();
            let steps = path.map(|(task, need)| -> Step { (task, need.span, needs(draft, task, need)) });
            problems.push(circle(draft, std::iter::once(first).chain(steps).collect(), "wait for each other").help(
                "a fallback runs while its task is not complete: let it need less, or name another one; \
                     the first `→` reads \"falls back to\", the others \"needs\"",
            ));
        }
    }
}

#[derive(Clone, Copy)]
struct Pair {
    caller: TaskIndex,
    fallback: TaskIndex,
    span: Span,
}

/// The first pair whose fallback waits for its caller within a knot. What waits for which callers is carried along the
/// needs, for 64 pairs at a time: one walk for each pair would be a square that is felt.
fn first_waiting(links: &Links, knot: &[TaskIndex], pairs: &[Pair]) -> Option<Pair> {
    let place = |task: TaskIndex| knot.binary_search(&task).ok();
    let inner = |task: &TaskIndex| links.needs(*task).iter().filter_map(|need| place(need.task)).collect();
    let needs: Vec<Vec<usize>> = knot.iter().map(inner).collect();
    let order = ordered(&needs);
    let mut reached: Vec<u64> = vec![0; knot.len()];
    for pairs in pairs.chunks(64) {
        reached.fill(0);
        for (bit, pair) in pairs.iter().enumerate() {
            if let Some(place) = place(pair.fallback) {
                reached[place] |= 1 << bit;
            }
        }
        for &task in &order {
            for &need in &needs[task] {
                reached[need] |= reached[task];
            }
        }
        let is_reached = |(bit, pair): (usize, &Pair)| (reached[place(pair.caller)?] & (1 << bit) > 0).then_some(*pair);
        if let Some(pair) = pairs.iter().enumerate().find_map(is_reached) {
            return Some(pair);
        }
    }
    None
}

/// Places of a knot, each before what it needs of it.
fn ordered(needs: &[Vec<usize>]) -> Vec<usize> {
    let mut waited = vec![0_usize; needs.len()];
    for need in needs.iter().flatten() {
        waited[*need] += 1;
    }
    let mut order: Vec<usize> = (0..needs.len()).filter(|place| waited[*place] == 0).collect();
    let mut next = 0;
    while let Some(&place) = order.get(next) {
        next += 1;
        for &need in &needs[place] {
            waited[need] -= 1;
            if waited[need] == 0 {
                order.push(need);
            }
        }
    }
    order
}

/// A shortest way along the needs of a knot, as (task, need of the next).
fn path(links: &Links, knot: &[TaskIndex], from: TaskIndex, to: TaskIndex) -> Vec<(TaskIndex, Need)> {
    let mut came: HashMap<TaskIndex, (TaskIndex, Need)> = HashMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(task) = queue.pop_front().filter(|_| !came.contains_key(&to)) {
        for need in links.needs(task).iter().filter(|need| knot.binary_search(&need.task).is_ok()) {
            came.entry(need.task).or_insert_with(|| {
                queue.push_back(need.task);
                (task, *need)
            });
        }
    }
    let mut path = Vec::new();
    let mut at = to;
    while at != from
        && let Some(&(previous, need)) = came.get(&at)
    {
        path.push((previous, need));
        at = previous;
    }
    path.reverse();
    path
}

fn falls_back(draft: &Draft<'_>, caller: TaskIndex, fallback: TaskIndex) -> String {
    format!("`{}` falls back to `{}`", draft.task(caller).id, draft.task(fallback).id)
}

fn describe(draft: &Draft<'_>, walk: &[(TaskIndex, Span)]) -> Diagnostic {
    let id = |at: usize| draft.task(walk[at % walk.len()].0).id.as_str();
    if let [(_, place)] = walk {
        return Diagnostic::new(Code::Cycle, *place, format!("`{}` falls back to itself", id(0)))
            .help("name another task; to try the same one again, raise `max_retries`")
            .task(id(0));
    }
    let step = |(at, (task, place)): (usize, &(TaskIndex, Span))| -> Step {
        (*task, *place, falls_back(draft, *task, walk[(at + 1) % walk.len()].0))
    };
    circle(draft, walk.iter().enumerate().map(step).collect(), "fall back to each other")
        .help("let one of them fall back to another task, or to none; `→` reads \"falls back to\"")
}

fn fallback(draft: &Draft<'_>, task: TaskIndex) -> Option<(TaskIndex, Span)> {
    let fallback = draft.task(task).on_failure.as_ref()?.fallback.as_ref()?;
    Some((fallback.target?, fallback.task.span))
}
