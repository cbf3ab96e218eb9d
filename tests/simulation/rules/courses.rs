//! What follows failures that are not like others: the same again later, or a person's word.

use std::collections::{BTreeMap, BTreeSet};

use outpost_bp::run::{Course, Event, Failure, GateMoment, Moment};

/// The last failures that say themselves what follows.
#[derive(Clone, Default)]
pub(super) struct Courses {
    by_task: BTreeMap<String, Course>,
    /// Tasks of which somebody is asked whether they go on.
    asked: BTreeSet<String>,
}

impl Courses {
    /// An attempt failed; whether that counts as one of its attempts.
    pub(super) fn failed(&mut self, task: &str, failure: &Failure) -> bool {
        match failure.course {
            Some(course) => self.by_task.insert(task.to_owned(), course),
            None => self.by_task.remove(task),
        };
        !matches!(failure.course, Some(Course::Later { .. }))
    }

    /// Whether an attempt at this time is due to who did the work, whatever the document says of retries.
    pub(super) fn is_later(&self, task: &str, at: Moment) -> bool {
        match self.by_task.get(task) {
            Some(Course::Later { at: due }) => {
                assert!(at >= *due, "{task} is tried again before it can work");
                true
            }
            _ => false,
        }
    }

    pub(super) fn asks(&self, task: &str) -> bool {
        self.by_task.get(task) == Some(&Course::Ask)
    }

    /// Whether a gate is about a failure.
    pub(super) fn opened(&mut self, task: &str, event: &Event) -> bool {
        let is_failed = matches!(event, Event::GateOpened { time: GateMoment::Failed, .. });
        if is_failed {
            assert!(self.asks(task), "nobody is to be asked about {task}");
            self.asked.insert(task.to_owned());
        }
        is_failed
    }

    /// Whether a decision was about a failure, which is settled now.
    pub(super) fn is_asked(&self, task: &str) -> bool {
        self.asked.contains(task)
    }

    /// It goes on, or it does not.
    pub(super) fn settled(&mut self, task: &str) {
        self.asked.remove(task);
        self.by_task.remove(task);
    }
}
