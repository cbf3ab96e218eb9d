//! Who needs whom: dependencies and bindings as one compact graph, and its cycles.

use std::collections::{HashMap, VecDeque};

use crate::blueprint::model::{BindingSource, Draft, Hierarchy, TaskIndex};
use crate::diagnostic::{Code, Diagnostic, Span};
use crate::document::source::offset;

/// Why a task needs another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeedKind {
    /// It must be complete first.
    Order,
    /// Its data is bound.
    Data,
    /// It is a child, and `hierarchy: rollup` says that parents wait for theirs.
    Child,
    /// It is its fallback, or whose fallback it is: only where contradictions of the two are looked for.
    Fallback,
}

/// An edge of the graph: a task needs `task`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    pub task: TaskIndex,
    pub kind: NeedKind,
    /// Where the document says so.
    pub span: Span,
}

/// The needs of all tasks, each listed once: dependencies first, then bindings, as written.
#[derive(Debug, Default)]
pub struct Links {
    starts: Vec<u32>,
    needs: Vec<Need>,
}

/// Gathers needs task by task, and lists each once.
struct Gathering {
    links: Links,
    /// Where the needs of the current task begin.
    first: usize,
    /// The place of the latest need of each task, so that a task with many needs is not searched.
    latest: Vec<u32>,
}

impl Gathering {
    fn new(tasks: usize) -> Self {
        let mut starts = Vec::with_capacity(tasks + 1);
        starts.push(0);
        Self { links: Links { starts, needs: Vec::new() }, first: 0, latest: vec![u32::MAX; tasks] }
    }

    fn add(&mut self, target: Option<TaskIndex>, kind: NeedKind, span: Span) {
        let Some(task) = target else {
            return;
        };
        let needs = &mut self.links.needs;
        let latest = &mut self.latest[task.get()];
        match needs.get_mut(*latest as usize).filter(|_| *latest as usize >= self.first) {
            Some(need) if kind == NeedKind::Data => need.kind = kind,
            Some(_) => {}
            None => {
                *latest = offset(needs.len());
                needs.push(Need { task, kind, span });
            }
        }
    }

    fn end_task(&mut self) {
        self.first = self.links.needs.len();
        self.links.starts.push(offset(self.first));
    }
}

impl Links {
    pub(super) fn of(draft: &Draft<'_>) -> Self {
        let mut gathering = Gathering::new(draft.tasks.len());
        for task in &draft.tasks {
            for dependency in &task.dependencies {
                let kind = if dependency.port().is_some() { NeedKind::Data } else { NeedKind::Order };
                gathering.add(dependency.target, kind, dependency.task.span);
            }
            for binding in &task.bindings {
                if let BindingSource::Task { task, target, .. } = &binding.source {
                    gathering.add(*target, NeedKind::Data, task.span);
                }
            }
            gathering.end_task();
        }
        gathering.links
    }

    /// These needs, and every parent's need of its children.
    fn rolled_up(&self, draft: &Draft<'_>) -> Self {
        let mut children: Vec<Vec<TaskIndex>> = vec![Vec::new(); draft.tasks.len()];
        for (child, parent) in draft.parents().into_iter().enumerate() {
            if let Some(parent) = parent {
                // Its own fallback begins when it has failed.
                let child = TaskIndex::new(child);
                if draft.fallback(parent) != Some(child) {
                    children[parent.get()].push(child);
                }
            }
        }
        let mut gathering = Gathering::new(draft.tasks.len());
        for (index, children) in draft.indices().zip(children) {
            for need in self.needs(index) {
                gathering.add(Some(need.task), need.kind, need.span);
            }
            for child in children {
                gathering.add(Some(child), NeedKind::Child, draft.task(child).id.span);
            }
            gathering.end_task();
        }
        gathering.links
    }

    /// These needs and, where they contradict nothing, those of parents.
    pub(super) fn with_parents(&self, draft: &Draft<'_>) -> Self {
        let rolled = self.rolled_up(draft);
        if draft.execution.hierarchy != Hierarchy::None && unorderable(&rolled).is_empty() {
            return rolled;
        }
        Self { starts: self.starts.clone(), needs: self.needs.clone() }
    }

    /// These needs and others, which are given by the task that has them.
    pub(super) fn and(&self, mut others: Vec<(TaskIndex, Need)>) -> Self {
        others.sort_by_key(|(task, _)| *task);
        let mut others = others.into_iter().peekable();
        let mut gathering = Gathering::new(self.tasks());
        for task in (0..self.tasks()).map(TaskIndex::new) {
            for need in self.needs(task) {
                gathering.add(Some(need.task), need.kind, need.span);
            }
            while let Some((_, need)) = others.next_if(|(other, _)| *other == task) {
                gathering.add(Some(need.task), need.kind, need.span);
            }
            gathering.end_task();
        }
        gathering.links
    }

    /// What a task needs.
    pub fn needs(&self, task: TaskIndex) -> &[Need] {
        let range = self.starts[task.get()] as usize..self.starts[task.get() + 1] as usize;
        &self.needs[range]
    }

    pub const fn tasks(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub const fn edges(&self) -> usize {
        self.needs.len()
    }
}

/// Edges a cycle's message shows before it is cut.
const SHOWN: usize = 40;

/// Reports one shortest cycle for every knot of tasks that wait for each other.
/// Whether there is any is the answer.
pub(super) fn check_cycles(draft: &Draft<'_>, links: &Links, problems: &mut Vec<Diagnostic>) -> bool {
    let mut left = unorderable(links);
    let rolled;
    let mut links = links;
    // Under `auto` a child that waits for its parent is no contradiction; under `rollup` it is.
    if left.is_empty() && draft.execution.hierarchy == Hierarchy::Rollup {
        rolled = links.rolled_up(draft);
        links = &rolled;
        left = unorderable(links);
    }
    for knot in knots(links, &left) {
        if let Some(cycle) = shortest_cycle(links, &knot) {
            problems.push(describe(draft, &cycle));
        }
    }
    !left.is_empty()
}

/// Tasks that no order can reach: those of cycles, and those behind them.
pub(super) fn unorderable(links: &Links) -> Vec<TaskIndex> {
    let count = links.tasks();
    let mut waiting: Vec<u32> = vec![0; count];
    let mut dependents: Vec<Vec<u32>> = vec![Vec::new(); count];
    for (index, waits) in waiting.iter_mut().enumerate() {
        for need in links.needs(TaskIndex::new(index)) {
            *waits += 1;
            dependents[need.task.get()].push(TaskIndex::new(index).0);
        }
    }
    let mut ready: Vec<usize> = (0..count).filter(|&index| waiting[index] == 0).collect();
    while let Some(index) = ready.pop() {
        for &dependent in &dependents[index] {
            let dependent = dependent as usize;
            waiting[dependent] -= 1;
            if waiting[dependent] == 0 {
                ready.push(dependent);
            }
        }
    }
    (0..count).filter(|&index| waiting[index] > 0).map(TaskIndex::new).collect()
}

/// Strongly connected components with a cycle in them, without recursion, in document order.
pub(super) fn knots(links: &Links, left: &[TaskIndex]) -> Vec<Vec<TaskIndex>> {
    #[derive(Clone, Copy, Default)]
    struct Mark {
        order: u32,
        low: u32,
        on_stack: bool,
    }
    let mut marks: HashMap<TaskIndex, Mark> = left.iter().map(|&task| (task, Mark::default())).collect();
    let mut knots = Vec::new();
    let mut stack = Vec::new();
    let mut counter = 0;
    for &root in left {
        if marks.get(&root).is_some_and(|mark| mark.order > 0) {
            continue;
        }
        let mut path: Vec<(TaskIndex, usize)> = vec![(root, 0)];
        while let Some(&mut (task, ref mut next)) = path.last_mut() {
            if *next == 0 {
                counter += 1;
                marks.insert(task, Mark { order: counter, low: counter, on_stack: true });
                stack.push(task);
            }
            let needs = links.needs(task);
            if let Some(need) = needs.get(*next) {
                *next += 1;
                match marks.get(&need.task).copied() {
                    Some(mark) if mark.order == 0 => path.push((need.task, 0)),
                    Some(mark) if mark.on_stack => {
                        if let Some(own) = marks.get_mut(&task) {
                            own.low = own.low.min(mark.order);
                        }
                    }
                    _ => {}
                }
                continue;
            }
            path.pop();
            let mark = marks.get(&task).copied().unwrap_or_default();
            if let Some(&(parent, _)) = path.last()
                && let Some(own) = marks.get_mut(&parent)
            {
                own.low = own.low.min(mark.low);
            }
            if mark.low == mark.order {
                let mut knot = Vec::new();
                while let Some(member) = stack.pop() {
                    if let Some(mark) = marks.get_mut(&member) {
                        mark.on_stack = false;
                    }
                    knot.push(member);
                    if member == task {
                        break;
                    }
                }
                let tied = knot.len() > 1 || links.needs(task).iter().any(|need| need.task == task);
                if tied {
                    knot.sort_unstable();
                    knots.push(knot);
                }
            }
        }
    }
    knots.sort_unstable();
    knots
}

/// A shortest cycle through the first task of a knot, as (task, edge to the next).
pub(super) fn shortest_cycle(links: &Links, knot: &[TaskIndex]) -> Option<Vec<(TaskIndex, Need)>> {
    let start = *knot.first()?;
    let mut came: HashMap<TaskIndex, (TaskIndex, Need)> = HashMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(task) = queue.pop_front() {
        for need in links.needs(task) {
            if need.task == start {
                let mut cycle = vec![(task, *need)];
                let mut at = task;
                while at != start {
                    let (previous, need) = *came.get(&at)?;
                    cycle.push((previous, need));
                    at = previous;
                }
                cycle.reverse();
                return Some(cycle);
            }
            if knot.binary_search(&need.task).is_ok() && !came.contains_key(&need.task) {
                came.insert(need.task, (task, *need));
                queue.push_back(need.task);
            }
        }
    }
    None
}

fn describe(draft: &Draft<'_>, cycle: &[(TaskIndex, Need)]) -> Diagnostic {
    let id = |task: TaskIndex| &draft.task(task).id;
    let (first, need) = cycle[0];
    if cycle.len() == 1 {
        return Diagnostic::new(Code::Cycle, need.span, format!("`{}` needs itself", id(first)))
            .label("its own id")
            .help("remove it, or name the task that was meant")
            .task(id(first));
    }
    let steps: Vec<Step> = cycle.iter().map(|&(task, need)| (task, need.span, needs(draft, task, need))).collect();
    let help = if cycle.iter().any(|(_, need)| need.kind == NeedKind::Child) {
        "remove one of these needs, or let `execution.hierarchy` be `auto`; `→` reads \"needs\""
    } else {
        "remove one of these needs; `→` reads \"needs\""
    };
    circle(draft, steps, "wait for each other").help(help)
}

/// A task of a circle, the place that leads to the next one, and that in words.
pub(super) type Step = (TaskIndex, Span, String);

/// Several tasks that lead to each other.
pub(super) fn circle(draft: &Draft<'_>, steps: Vec<Step>, what: &str) -> Diagnostic {
    let count = steps.len();
    let mut names: Vec<&str> = steps.iter().take(SHOWN).map(|(task, ..)| draft.task(*task).id.as_str()).collect();
    if count > SHOWN {
        names.push("…");
    }
    names.extend(names.first().copied());
    let message = format!("{count} tasks {what}: {}", names.join(" → "));
    let task = names.first().copied().unwrap_or_default();
    let mut steps = steps.into_iter().take(SHOWN + 1).map(|(_, place, words)| (place, words));
    let (place, words) = steps.next().unwrap_or_default();
    let problem = Diagnostic::new(Code::Cycle, place, message).label(words).task(task);
    steps.fold(problem, |problem, (place, words)| problem.related(place, words))
}

pub(super) fn needs(draft: &Draft<'_>, task: TaskIndex, need: Need) -> String {
    let (task, needed) = (&draft.task(task).id, &draft.task(need.task).id);
    match need.kind {
        NeedKind::Order | NeedKind::Data => format!("`{task}` needs `{needed}`"),
        NeedKind::Child => format!("`{task}` rolls up its child `{needed}`"),
        NeedKind::Fallback => format!("`{task}` is the fallback of `{needed}`"),
    }
}
