//! Blueprint and plan → [`Program`]: defaults applied, names replaced by places.

use std::collections::HashMap;

use super::event::Hook;
use super::program::{
    Amounts, GateSpec, GateTime, LockSpec, OnFailure, OnTimeout, Program, Resumption, Stage, TaskSpec, UndoSpec,
};
use super::purse::{Usage, micro};
use crate::blueprint::model::{self, FailureAction, GateTimeout, LockMode, RollbackMode};
use crate::blueprint::{Blueprint, TaskIndex, agent, executor, is_isolated, is_verify_only, secret, site};
use crate::plan::{Edge, Plan};

/// Attempts at once where neither the document nor the command line says how many.
pub const DEFAULT_SLOTS: u32 = 4;
/// Attempts of an agent after the first, where the document does not say how many: it hears what failed.
const AGENT_RETRIES: u32 = 2;
/// The format's delay before a retry, in milliseconds.
const RETRY_DELAY: u64 = 5_000;

impl Program {
    /// The program of the tasks that `plan` selects. What is not selected, and what the document
    /// calls complete or skipped, is settled.
    pub fn of(blueprint: &Blueprint<'_>, plan: &Plan, jobs: Option<u32>, capacity: Amounts) -> Self {
        let names: HashMap<&str, usize> =
            blueprint.execution.locks.iter().enumerate().map(|(index, lock)| (lock.name.as_str(), index)).collect();
        let locks = blueprint
            .execution
            .locks
            .iter()
            .map(|lock| LockSpec { name: lock.name.to_string(), holders: lock.max_holders.max(1) })
            .collect();
        let weights = weights(blueprint, plan);
        let mut tasks: Vec<TaskSpec> = blueprint
            .indices()
            .map(|index| TaskSpec {
                settled: plan.schedule.wave(index).is_none(),
                weight: weights[index.get()],
                ..task(blueprint, plan, &names, index)
            })
            .collect();
        let mut selected = vec![false; tasks.len()];
        for index in &plan.order {
            selected[index.get()] = true;
        }
        stand_in(&mut tasks, |index| selected[index.get()]);
        let execution = &blueprint.execution;
        let slots = jobs.or(execution.max_parallel_tasks).unwrap_or(DEFAULT_SLOTS).max(1);
        let hooks = Hook::ALL.into_iter().filter(|hook| execution.hook(hook.word()).is_some()).collect();
        let undoes = execution.rollback == Some(RollbackMode::Auto);
        let budget = Usage { micro_usd: execution.run_budget.usd.map(micro), tokens: execution.run_budget.tokens };
        Self { tasks, locks, slots, capacity, fail_fast: false, hooks, undoes, budget }
    }
}

/// Tells each fallback whose it is. One that does not run in this run is nobody's, and so is one whose callers were
/// not selected: then somebody chose it for itself.
fn stand_in(tasks: &mut [TaskSpec], is_selected: impl Fn(TaskIndex) -> bool) {
    for index in 0..tasks.len() {
        let Some(fallback) = tasks[index].fallback else {
            continue;
        };
        if tasks[fallback.get()].settled {
            tasks[index].fallback = None;
        } else if is_selected(TaskIndex::new(index)) {
            tasks[fallback.get()].stands_in_for.push(TaskIndex::new(index));
        }
    }
}

fn task(blueprint: &Blueprint<'_>, plan: &Plan, names: &HashMap<&str, usize>, index: TaskIndex) -> TaskSpec {
    let task = blueprint.task(index);
    let failure = task.on_failure.as_deref();
    let is_agents = agent(blueprint, index).is_some();
    let retries = failure.and_then(|failure| failure.max_retries).or(blueprint.execution.max_retries);
    TaskSpec {
        id: task.id.to_string(),
        needs: plan.dag.waits_for(index).into_iter().map(|(need, _)| need).collect(),
        stages: stages(blueprint, plan, index),
        locks: locks(blueprint, names, task),
        lock_timeout: task.resources.as_deref().and_then(|resources| resources.lock_timeout).map(milliseconds),
        amounts: task.resources.as_deref().map_or_else(Amounts::default, |resources| Amounts {
            cpu: resources.cpu.unwrap_or(0).into(),
            memory: resources.memory.unwrap_or(0),
            disk: resources.disk.unwrap_or(0),
            gpu: resources.gpu.unwrap_or(0).into(),
        }),
        gate: task.gate.as_deref().map(gate),
        max_retries: retries.unwrap_or(if is_agents { AGENT_RETRIES } else { 0 }),
        retry_delay: failure
            .and_then(|failure| failure.retry_delay)
            .or(blueprint.execution.retry_delay)
            .map_or(RETRY_DELAY, milliseconds),
        on_failure: match failure.map(|failure| failure.action).unwrap_or_default() {
            FailureAction::Block => OnFailure::Block,
            FailureAction::Abort => OnFailure::Abort,
            FailureAction::Skip => OnFailure::Skip,
        },
        fallback: failure.and_then(|failure| failure.fallback.as_ref()?.target),
        stands_in_for: Vec::new(),
        undo: task.rollback.as_deref().and_then(undo),
        undone_on_failure: failure.is_some_and(|failure| failure.rollback == Some(RollbackMode::Auto)),
        on_success: task.on_success().is_some(),
        handoff: task.handoff.as_deref().map(|handoff| match handoff.resume_strategy.as_deref() {
            Some("restart") => Resumption::Restart,
            Some("manual") => Resumption::Manual,
            _ => Resumption::FromCheckpoint,
        }),
        // What an agent did in a tree of its own, and nobody saw end, has changed nothing else. Of a command nobody knows.
        idempotent: task.idempotent.unwrap_or(is_agents && is_isolated(blueprint, index)),
        is_agents,
        conditional: task.when().is_some() || secret::may_skip(&blueprint.execution, task),
        weight: 0,
        settled: false,
    }
}

/// A rollback that is told and cannot be carried out is none, unless its author says that there is none.
fn undo(rollback: &model::Rollback<'_>) -> Option<UndoSpec> {
    let terms = rollback.terms.as_deref();
    let irreversible = terms.is_some_and(|terms| terms.irreversible);
    (irreversible || rollback.command.is_some()).then(|| UndoSpec {
        irreversible,
        max_retries: terms.and_then(|terms| terms.max_retries).unwrap_or(0),
        retry_delay: terms.and_then(|terms| terms.retry_delay).map_or(RETRY_DELAY, milliseconds),
    })
}

/// What an attempt goes through. A parent that only collects its children goes through nothing.
fn stages(blueprint: &Blueprint<'_>, plan: &Plan, index: TaskIndex) -> Vec<Stage> {
    let task = blueprint.task(index);
    let mut stages = Vec::new();
    if task.context.as_ref().is_some_and(|context| context.setup_command.is_some()) {
        stages.push(Stage::Setup);
    }
    // What a person does by hand is shown by its verification.
    if !is_verify_only(blueprint, index) && executor(blueprint, index) != "manual" {
        stages.push(Stage::Run);
        // An agent commits what it did where it did it; one of the fleet is not here.
        let is_here = agent(blueprint, index).is_some() && site::of_errand(blueprint, index).is_none();
        if is_isolated(blueprint, index) && !is_here {
            stages.push(Stage::Commit);
        }
    }
    for stage in &*task.verification {
        stages.push(Stage::Verify { tier: stage.stage, optional: stage.optional });
    }
    if is_isolated(blueprint, index) && !stages.is_empty() {
        stages.insert(0, Stage::Tree);
        if stages.contains(&Stage::Run) {
            stages.push(Stage::Land);
        }
    }
    debug_assert!(
        !stages.is_empty()
            || task.on_failure.as_deref().is_some_and(|failure| failure.fallback.is_some())
            || plan.dag.waits_for(index).iter().any(|(_, edge)| *edge == Edge::Implied),
        "a task without work and verification is refused by `check`"
    );
    stages
}

/// The locks of a task and of its verifications, each once; alone wins over shared. They are held
/// for the whole attempt: between two stages nobody else may get in.
fn locks(blueprint: &Blueprint<'_>, names: &HashMap<&str, usize>, task: &model::Task<'_>) -> Vec<(usize, bool)> {
    let mut locks: Vec<(usize, bool)> = Vec::new();
    for request in task.all_locks() {
        // `check` refuses names that are not declared.
        let Some(&index) = names.get(request.name.as_str()) else {
            continue;
        };
        let alone = blueprint.execution.locks[index].mode_of(&request) == LockMode::Exclusive;
        match locks.iter_mut().find(|(known, _)| *known == index) {
            Some((_, known)) => *known |= alone,
            None => locks.push((index, alone)),
        }
    }
    locks.sort_unstable();
    locks
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn gate(gate: &model::Gate<'_>) -> GateSpec {
    GateSpec {
        time: match gate.when {
            model::GateTime::Before => GateTime::Before,
            model::GateTime::After => GateTime::After,
        },
        timeout: milliseconds(gate.timeout()),
        on_timeout: match gate.on_timeout {
            GateTimeout::Abort => OnTimeout::Abort,
            GateTimeout::Skip => OnTimeout::Skip,
            GateTimeout::Continue => OnTimeout::Continue,
        },
        approvals: gate.min_approvals.unwrap_or(1).max(1),
        approvers: gate.approvers.iter().map(ToString::to_string).collect(),
        by_starter: gate.self_approval.unwrap_or(true),
    }
}

/// How many tasks stand on the longest way from each task to the end.
fn weights(blueprint: &Blueprint<'_>, plan: &Plan) -> Vec<u32> {
    let mut weights = vec![0_u32; blueprint.tasks.len()];
    for &index in plan.order.iter().rev() {
        let own = weights[index.get()] + 1;
        for (need, _) in plan.dag.waits_for(index) {
            weights[need.get()] = weights[need.get()].max(own);
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::super::program::{Amounts, Program, Stage};
    use crate::blueprint::model::Stage as Verification;
    use crate::blueprint::read;
    use crate::document::Source;
    use crate::plan::Plan;

    fn program(text: &str) -> Program {
        let (source, _) = Source::from_bytes("t.md", text.as_bytes().to_vec());
        let (blueprint, problems) = read(&source, false).into_blueprint();
        let blueprint = blueprint.unwrap_or_else(|| panic!("{problems:?}"));
        let plan = Plan::of(&blueprint, &[]).expect("a plan");
        Program::of(&blueprint, &plan, None, Amounts::default())
    }

    #[test]
    fn defaults_are_those_of_the_format() {
        let program = program("```yaml\ntask_id: a\nname: a\nrun: x\n```\n");
        let task = &program.tasks[0];
        assert_eq!((task.max_retries, task.retry_delay, task.idempotent), (0, 5_000, false));
        assert_eq!(task.stages, [Stage::Run]);
        assert_eq!(program.slots, super::DEFAULT_SLOTS);
    }

    #[test]
    fn stages_locks_and_weights() {
        let program = program(
            "```yaml\nexecution: {max_parallel_tasks: 2, resource_locks: [{name: db}, {name: net, type: shared, max_holders: 3}]}\n```\n\
             ```yaml\ntask_id: a\nname: a\nexecution_context: {setup_command: s}\nrun: x\nresources: {locks: [net], memory: 1Ki}\n\
             verification:\n  e2e: {command: e, optional: true, requires_resources: [db]}\n  smoke: {command: s}\n```\n\
             ```yaml\ntask_id: b\nname: b\nverification: {unit: {command: u}}\ndependencies: [a]\nresources: {locks: [{name: db, mode: shared}]}\n```\n\
             ```yaml\ntask_id: c\nname: c\nstatus: complete\nrun: x\n```\n",
        );
        let [a, b, c] = &program.tasks[..] else { panic!("{program:?}") };
        let verify = |tier, optional| Stage::Verify { tier, optional };
        assert_eq!(
            a.stages,
            [Stage::Setup, Stage::Run, verify(Verification::Smoke, false), verify(Verification::E2e, true)]
        );
        assert_eq!(b.stages, [verify(Verification::Unit, false)]);
        assert_eq!(a.locks, [(0, true), (1, false)]);
        assert_eq!(b.locks, [(0, true)]);
        assert_eq!((a.weight, b.weight), (1, 0));
        assert_eq!((a.amounts.memory, program.slots), (1024, 2));
        assert!(c.settled && !a.settled);
    }
}
