//! What must hold of gates: when they open, who decides, and what becomes of those that nobody decides.

use outpost_bp::run::{Event, GateTime, Moment, OnTimeout};

use super::Rules;

impl Rules {
    pub(super) fn saw_of_gate(&mut self, now: Moment, event: &Event) {
        match event {
            Event::GateOpened { task, deadline, .. } if self.courses.opened(task, event) => {
                assert!(!self.running.contains_key(task), "{task} runs, and a person is asked whether it goes on");
                self.approvals.remove(task);
                self.deadlines.insert(task.clone(), *deadline);
            }
            Event::GateOpened { task, deadline, .. } if self.asks_for_budget(event) => {
                self.approvals.remove(task);
                self.deadlines.insert(task.clone(), *deadline);
            }
            Event::GateOpened { task, deadline, .. } => {
                assert!(
                    self.spec(task)
                        .needs
                        .iter()
                        .all(|need| self.satisfied.contains(&self.program.tasks[need.get()].id))
                );
                if self.spec(task).gate.as_ref().is_some_and(|gate| gate.time == GateTime::After) {
                    self.open.remove(task);
                    // A review comes after the verification, which told.
                    self.doubtful.remove(task);
                }
                self.approvals.remove(task);
                self.deadlines.insert(task.clone(), *deadline);
            }
            Event::GateDecided(decision) => {
                assert!(now < self.deadlines[&decision.task], "nobody decides after the deadline");
                let (is_asked, is_paid) = (self.courses.is_asked(&decision.task), self.purse.is_asked(&decision.task));
                let Some(gate) = self.spec(&decision.task).gate.clone() else {
                    if is_paid {
                        self.purse.answered(decision.approved);
                        return;
                    }
                    assert!(is_asked, "{} has no gate", decision.task);
                    self.goes_on(now, &decision.task, decision.approved);
                    return;
                };
                assert!(gate.approvers.is_empty() || gate.approvers.contains(&decision.by), "anybody decides");
                if decision.approved {
                    assert!(gate.by_starter || decision.by != "p0", "p0 began the run and approves it");
                    let approvers = self.approvals.entry(decision.task.clone()).or_default();
                    assert!(approvers.insert(decision.by.clone()), "one person approves once");
                    if approvers.len() >= gate.approvals as usize {
                        if is_paid {
                            self.purse.answered(true);
                        } else if is_asked {
                            self.goes_on(now, &decision.task, true);
                        } else {
                            self.passed.insert(decision.task.clone());
                        }
                    }
                } else if is_paid {
                    self.purse.answered(false);
                } else if is_asked {
                    self.goes_on(now, &decision.task, false);
                }
            }
            Event::GateExpired { task, consequence, unset } => {
                if unset.is_none() {
                    assert!(now >= self.deadlines[task]);
                    assert_eq!(*consequence, self.spec(task).gate.as_ref().expect("a gate").on_timeout);
                }
                match consequence {
                    OnTimeout::Abort => {
                        // Whether or not its runner came to write that the run stops.
                        self.stopping = true;
                        self.finish(&task.clone(), false);
                    }
                    OnTimeout::Skip => self.finish(&task.clone(), true),
                    OnTimeout::Continue => {
                        self.passed.insert(task.clone());
                    }
                }
            }
            _ => {}
        }
    }
}
