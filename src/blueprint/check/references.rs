//! Ids: unique, and every reference leads to one.

use std::collections::{HashMap, HashSet};

use super::index_of;
use crate::blueprint::model::{BindingSource, Draft, TaskIndex};
use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::document::Text;

/// Most unknown names of a kind for which the nearest one is sought: each costs a look at all names.
const MOST_GUESSES: usize = 100;

/// Counts the names for which the nearest one was sought.
#[derive(Default)]
pub(super) struct Guesses(usize);

impl Guesses {
    pub(super) fn another(&mut self) -> bool {
        self.0 += 1;
        self.0 <= MOST_GUESSES
    }
}

/// Fills in the targets of all references and reports those that lead nowhere.
pub(super) fn resolve(draft: &mut Draft<'_>, unreadable: &HashSet<String>, problems: &mut Vec<Diagnostic>) {
    let mut resolver = Resolver { draft, ids: index_of(draft), unreadable, guesses: Guesses::default(), problems };
    resolver.refuse_duplicates();
    let mut dependencies = Vec::new();
    let mut bindings = Vec::new();
    let mut fallbacks = Vec::new();
    for index in resolver.draft.indices() {
        resolver.task(index, &mut dependencies, &mut bindings, &mut fallbacks);
    }
    // Targets are written after all were found: while references are resolved the draft is shared.
    for (task, dependency, target) in dependencies {
        draft.tasks[task].dependencies[dependency].target = target;
    }
    for (task, binding, found) in bindings {
        let binding = &mut draft.tasks[task].bindings[binding];
        match (&mut binding.source, found) {
            (BindingSource::Task { target, .. }, index) => *target = index,
            (BindingSource::Path(path), index @ Some(_)) => {
                let task = path.clone();
                binding.source = BindingSource::Task { task, port: None, target: index };
            }
            (BindingSource::Path(_), None) => {}
        }
    }
    for (task, found) in fallbacks {
        if let Some(fallback) = draft.tasks[task].on_failure.as_mut().and_then(|failure| failure.fallback.as_mut()) {
            fallback.target = found;
        }
    }
}

struct Resolver<'d, 's> {
    draft: &'d Draft<'s>,
    ids: HashMap<&'d str, TaskIndex>,
    unreadable: &'d HashSet<String>,
    guesses: Guesses,
    problems: &'d mut Vec<Diagnostic>,
}

impl Resolver<'_, '_> {
    fn refuse_duplicates(&mut self) {
        for index in self.draft.indices() {
            let id = &self.draft.task(index).id;
            let first = self.ids.get(&*id.value).copied().unwrap_or(index);
            if first != index && !id.is_empty() {
                self.problems.push(
                    Diagnostic::new(Code::DuplicateTask, id.span, format!("`{id}` is the id of two tasks"))
                        .label("again here")
                        .related(self.draft.task(first).id.span, "first here")
                        .help("give one of them another id; dependencies could mean either")
                        .task(id),
                );
            }
        }
    }

    fn task(
        &mut self,
        index: TaskIndex,
        dependencies: &mut Vec<(usize, usize, Option<TaskIndex>)>,
        bindings: &mut Vec<(usize, usize, Option<TaskIndex>)>,
        fallbacks: &mut Vec<(usize, Option<TaskIndex>)>,
    ) {
        let task = self.draft.task(index);
        let at = index.get();
        let mut listed = HashMap::new();
        for (position, dependency) in task.dependencies.iter().enumerate() {
            let found = self.find(&dependency.task, &task.id, "needs");
            dependencies.push((at, position, found));
            let several = task.dependencies.len() > 1;
            let before =
                if several { *listed.entry(&*dependency.task.value).or_insert(dependency) } else { dependency };
            if !std::ptr::eq(before, dependency) && before.port().is_none() && dependency.port().is_none() {
                self.problems.push(
                    Diagnostic::new(
                        Code::RepeatedDependency,
                        dependency.task.span,
                        format!("`{}` is listed twice", dependency.task),
                    )
                    .label("again here")
                    .related(before.task.span, "first here")
                    .help("remove one; perhaps another task was meant")
                    .task(&task.id),
                );
            }
        }
        for (position, binding) in task.bindings.iter().enumerate() {
            let found = match &binding.source {
                BindingSource::Task { task: source, .. } => self.find(source, &task.id, "takes data from"),
                // `name: T0.1` is a task with one port, not a file of that name.
                BindingSource::Path(path) => self.ids.get(&*path.value).copied(),
            };
            bindings.push((at, position, found));
        }
        if let Some(failure) = &task.on_failure
            && let Some(fallback) = failure.fallback.as_ref().map(|fallback| &fallback.task)
        {
            let found = self.find(fallback, &task.id, "falls back to");
            fallbacks.push((at, found));
        }
    }

    fn find(&mut self, name: &Text<'_>, owner: &str, verb: &str) -> Option<TaskIndex> {
        if let Some(index) = self.ids.get(&*name.value) {
            return Some(*index);
        }
        if !self.unreadable.contains(&*name.value) {
            let problem = Diagnostic::new(
                Code::UnknownTask,
                name.span,
                format!("`{owner}` {verb} `{name}`, and there is no such task"),
            )
            .task(owner);
            let meant = self
                .guesses
                .another()
                .then(|| nearest_id(name, self.draft.tasks.iter().map(|task| &*task.id.value)))
                .flatten();
            self.problems.push(match meant {
                Some(meant) => problem
                    .label(format!("did you mean `{meant}`?"))
                    .help(format!("write the id of a task of this document, such as `{meant}`")),
                None => problem
                    .label("unknown task")
                    .help("write the `task_id` of a task of this document, or add the task"),
            });
        }
        None
    }
}

/// The nearest id. Ids differ in few characters, so the usual distance is strict here: one slip.
pub(super) fn nearest_id<'a>(name: &str, ids: impl Iterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let squeezed =
        |text: &str| -> String { text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase() };
    let wanted = squeezed(name);
    ids.clone().find(|id| squeezed(id) == wanted).or_else(|| nearest(name, ids))
}
