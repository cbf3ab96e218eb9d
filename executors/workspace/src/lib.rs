//! Where an agent works, and how its work lands.
//!
//! ```text
//! project ──prepare──► tree (files, a git repository to play with) ◄── the agent
//!    ▲                   │
//!    │                 commit   reads the files, never its git
//!    │                   ▼
//!    │                 policy ──► findings ──► back to the agent, or to a person
//!    │                   │
//!    │                  land    merges in memory ──► conflict ──► prepare(Merged)
//!    │                   │
//!    │                checkout ──► verification of what the branch would become
//!    │                   │
//!    └─────advance───────┘      compare and swap; never a branch that somebody has checked out
//! ```
//! An agent may do with its tree what it likes, its `.git` included: no git of ours ever runs with a configuration,
//! a hook, a filter or an index from there. Objects go into the project's object store, everything else that git needs
//! (configuration, index, attributes) lies in a frame of our own. Every step can be done again after a crash between
//! any two of its parts. It is known nothing here of tasks, attempts, prompts and runners. Whoever calls `commit` has
//! ended the agent's processes before; one that is left can spoil its own commit, and no more.

mod blobs;
mod checkout;
mod commit;
mod conflict;
mod diff;
mod error;
mod files;
mod git;
mod land;
mod links;
mod names;
mod patch;
mod path;
mod policy;
mod removal;
mod repository;
mod shapes;
mod worktree;

pub use commit::{Blob, Change, ChangeKind, Commit, Committed, LeftOut, Mode, Why};
pub use conflict::{Conflict, ConflictFile, Hunk};
pub use diff::Diff;
pub use error::Error;
pub use land::{Advanced, Landing};
pub use names::{Branch, CommitId, Name, ObjectId, TreeId};
pub use patch::Patched;
pub use path::TreePath;
pub use policy::{Finding, FindingKind, Policy};
pub use removal::remove;
pub use repository::{Author, Repository, Settings};
pub use worktree::{Start, Worktree, began_with};
