//! Made-up programs: small, and with everything that a document may ask for.

use outpost_bp::blueprint::TaskIndex;
use outpost_bp::blueprint::model::Stage as Verification;
use outpost_bp::run::{
    Amounts, Event, GateSpec, GateTime, Hook, LockSpec, OnFailure, OnTimeout, Program, Resumption, RunStarted, Stage,
    TaskSpec, UndoSpec, Usage,
};

use super::Chance;

/// The first event of a run of it, which `p0` began.
pub(crate) fn beginning(program: &Program) -> Event {
    Event::RunStarted(Box::new(RunStarted {
        run: "r".to_owned(),
        blueprint: "b".to_owned(),
        file: "b.md".to_owned(),
        root: "/".to_owned(),
        digest: String::new(),
        by: "p0".to_owned(),
        tasks: program.tasks.len(),
        selection: Vec::new(),
        rerun: Vec::new(),
        environment: None,
        jobs: None,
        fail_fast: program.fail_fast,
        traceparent: None,
    }))
}

/// A program of up to nine tasks in which everything may be asked for.
pub(crate) fn program(chance: &mut Chance) -> Program {
    let count = 1 + chance.below(9) as usize;
    let locks: Vec<LockSpec> = (0..chance.below(3))
        .map(|index| LockSpec { name: format!("l{index}"), holders: 1 + chance.below(3) as u32 })
        .collect();
    let mut tasks: Vec<TaskSpec> = (0..count)
        .map(|index| {
            let mut needs: Vec<TaskIndex> = (0..index).filter(|_| chance.one_in(3)).map(TaskIndex::new).collect();
            needs.truncate(3);
            let smoke = Stage::Verify { tier: Verification::Smoke, optional: chance.one_in(4) };
            let unit = Stage::Verify { tier: Verification::Unit, optional: false };
            let stages = match chance.below(8) {
                0 => vec![],
                1 => vec![smoke],
                2 => vec![Stage::Run],
                3 => vec![Stage::Setup, Stage::Run, smoke, unit],
                4 => vec![Stage::Run, smoke, Stage::Land],
                5 => vec![Stage::Tree, Stage::Setup, Stage::Run, Stage::Commit, unit, Stage::Land],
                _ => vec![Stage::Run, unit],
            };
            TaskSpec {
                id: format!("T{index}"),
                needs,
                stages,
                locks: (0..locks.len())
                    .map(|lock| (lock, chance.below(6)))
                    .filter(|(_, draw)| *draw < 2)
                    .map(|(lock, draw)| (lock, draw == 0))
                    .collect(),
                lock_timeout: chance.one_in(4).then(|| 1 + chance.below(60)),
                amounts: Amounts { memory: chance.below(3), ..Amounts::default() },
                gate: chance.one_in(4).then(|| GateSpec {
                    time: if chance.one_in(2) { GateTime::Before } else { GateTime::After },
                    timeout: 1 + chance.below(400),
                    on_timeout: [OnTimeout::Abort, OnTimeout::Skip, OnTimeout::Continue][chance.below(3) as usize],
                    approvals: 1 + chance.below(2) as u32,
                    approvers: if chance.one_in(4) { vec!["p0".to_owned(), "p1".to_owned()] } else { Vec::new() },
                    by_starter: !chance.one_in(4),
                }),
                max_retries: chance.below(3) as u32,
                retry_delay: chance.below(50),
                on_failure: match chance.below(8) {
                    0 => OnFailure::Abort,
                    1 | 2 => OnFailure::Skip,
                    _ => OnFailure::Block,
                },
                fallback: None,
                stands_in_for: Vec::new(),
                undo: chance.one_in(2).then(|| UndoSpec {
                    irreversible: chance.one_in(6),
                    max_retries: chance.below(3) as u32,
                    retry_delay: chance.below(40),
                }),
                undone_on_failure: chance.one_in(3),
                on_success: chance.one_in(3),
                handoff: match chance.below(10) {
                    0 => Some(Resumption::Manual),
                    1 => Some(Resumption::Restart),
                    2 | 3 => Some(Resumption::FromCheckpoint),
                    _ => None,
                },
                idempotent: chance.one_in(2),
                is_agents: chance.one_in(2),
                conditional: chance.one_in(6),
                weight: chance.below(4) as u32,
                settled: chance.one_in(12),
            }
        })
        .collect();
    fall_back(&mut tasks, chance);
    Program {
        tasks,
        locks,
        slots: 1 + chance.below(4) as u32,
        capacity: Amounts { memory: 3, ..Amounts::default() },
        fail_fast: chance.one_in(6),
        hooks: Hook::ALL.into_iter().filter(|_| chance.one_in(3)).collect(),
        undoes: chance.one_in(3),
        budget: Usage { tokens: chance.one_in(3).then(|| 1 + chance.below(12)), micro_usd: None },
    }
}

/// Tasks fall back to later ones that do not wait for them. What two such pairs do to each other is not looked at.
fn fall_back(tasks: &mut [TaskSpec], chance: &mut Chance) {
    if !chance.one_in(2) {
        return;
    }
    for index in 0..tasks.len() {
        let later: Vec<usize> = (index + 1..tasks.len()).filter(|other| !waits_for(tasks, *other, index)).collect();
        if later.is_empty() || !chance.one_in(2) {
            continue;
        }
        let fallback = later[chance.below(later.len() as u64) as usize];
        if !tasks[fallback].settled {
            tasks[index].fallback = Some(TaskIndex::new(fallback));
            tasks[fallback].stands_in_for.push(TaskIndex::new(index));
        }
    }
}

fn waits_for(tasks: &[TaskSpec], task: usize, other: usize) -> bool {
    task == other || tasks[task].needs.iter().any(|need| waits_for(tasks, need.get(), other))
}
