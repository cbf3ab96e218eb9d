//! Small programs: every graph of so many tasks, with a lock and a gate.

use outpost_bp::blueprint::TaskIndex;
use outpost_bp::blueprint::model::Stage as Verification;
use outpost_bp::run::{Amounts, GateSpec, GateTime, LockSpec, OnFailure, OnTimeout, Program, Stage, TaskSpec};

/// All shapes of so many tasks: every graph, one lock for any two of them or for none, one gate anywhere or none, and
/// work that may be repeated or that has a verification. The first task is tried again once.
pub(super) fn shapes(count: usize) -> impl Iterator<Item = Program> {
    let pairs: Vec<(usize, usize)> = (0..count).flat_map(|late| (0..late).map(move |early| (early, late))).collect();
    let graphs = 1_usize << pairs.len();
    let (locks, gates, kinds) = (pairs.len() + 1, 2 * count + 1, 1_usize << count);
    (0..graphs * locks * gates * kinds).map(move |number| {
        let (graph, number) = (number % graphs, number / graphs);
        let (lock, number) = (number % locks, number / locks);
        let (gate, kind) = (number % gates, number / gates);
        let task = |index: usize| {
            let needs = pairs.iter().enumerate().filter(|(bit, (_, late))| *late == index && graph >> bit & 1 == 1);
            let holds = lock.checked_sub(1).is_some_and(|lock| pairs[lock].0 == index || pairs[lock].1 == index);
            let time = if gate % 2 == 0 { GateTime::Before } else { GateTime::After };
            let once = kind >> index & 1 == 1;
            let smoke = Stage::Verify { tier: Verification::Smoke, optional: false };
            TaskSpec {
                id: format!("T{index}"),
                needs: needs.map(|(_, (early, _))| TaskIndex::new(*early)).collect(),
                stages: if once { vec![Stage::Run, smoke] } else { vec![Stage::Run] },
                locks: if holds { vec![(0, true)] } else { Vec::new() },
                lock_timeout: None,
                amounts: Amounts::default(),
                gate: (gate > 0 && (gate - 1) / 2 == index).then(|| GateSpec {
                    time,
                    timeout: 100,
                    on_timeout: OnTimeout::Abort,
                    approvals: 1,
                    approvers: Vec::new(),
                    by_starter: true,
                }),
                max_retries: u32::from(index == 0),
                retry_delay: 10,
                on_failure: OnFailure::Block,
                fallback: None,
                stands_in_for: Vec::new(),
                undo: None,
                undone_on_failure: false,
                on_success: false,
                handoff: None,
                is_agents: false,
                idempotent: !once,
                conditional: false,
                weight: 0,
                settled: false,
            }
        };
        Program {
            tasks: (0..count).map(task).collect(),
            locks: vec![LockSpec { name: "l".to_owned(), holders: 1 }],
            slots: 4,
            ..Program::default()
        }
    })
}
