//! RUN: the pure state machine of a run.
//!
//! The story: a [`Program`] says what is to be run. A [`Run`] is the fold of its [`Event`]s, live
//! and replayed by the same [`Run::apply`]. [`Run::decide`] says what happens next by itself,
//! `accept` turns what the world tells into events. Time, digests and locks of others are arguments;
//! nothing here starts, writes or waits for anything.

mod accept;
mod aftermath;
mod asked;
mod carry;
mod chore;
mod compile;
mod conclude;
mod decide;
mod event;
mod failure;
mod look;
mod notice;
mod phase;
mod program;
mod purse;
mod rest;
mod retry;
mod rollback;
mod room;
mod standin;
mod state;
mod task;
mod trail;

pub use accept::{Condition, Refusal, StageReport};
pub use asked::Asked;
pub use chore::{ChoreState, Standing};
pub use compile::DEFAULT_SLOTS;
pub use decide::World;
pub use event::{
    Chore, CleanUp, Completion, Ending, Event, GateDecision, GateMoment, Hook, KeptPort, Moment, Permit, RunStarted,
};
pub use failure::{Course, Failure, FailureCode, FailurePhase};
pub use notice::Notice;
pub use phase::{OpenGate, Phase};
pub use program::{
    Amounts, GateSpec, GateTime, LockSpec, OnFailure, OnTimeout, Program, Resumption, Stage, TaskSpec, UndoSpec,
};
pub use purse::{Usage, micro};
pub use rollback::Undo;
pub use state::{Mode, Run};
pub use task::{Checkpoint, Illegal, TaskState};
pub use trail::{Part, SpanId, TraceParent, Trail};

#[cfg(test)]
mod tests;
