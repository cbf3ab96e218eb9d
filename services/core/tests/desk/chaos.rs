//! Everything at once: tenants that submit and cancel, workers that work, die, stall and come back, reapers, a store that is
//! busy, that fails before and after it did what it was asked, and a queue that loses and doubles.
//!
//! The ledger of the world judges each commit. At the end every job that was accepted has one end, and nothing is active.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use outpost_core::actions::{Caller, Claimed, Desk, Error};
use outpost_core::id::{JobId, WorkerId};
use outpost_core::ports::{Queue as _, RECEIVES};
use outpost_core::record::Counter;
use outpost_core::store::Row;
use outpost_core::tenant::{Overrides, Tier};
use proptest::prelude::{ProptestConfig, any, proptest};

use crate::set::{once, outcome, settings, spec, tenant, worker};
use crate::world::{Actor, Dice, Faults, World, step};

/// What was promised: jobs that were accepted, by the request that asked for them.
type Promises = Arc<Mutex<Vec<(String, JobId)>>>;

fn submitter(desk: Desk, caller: Caller, number: u64, promises: Promises) -> Actor {
    Box::pin(async move {
        let name = format!("request-{number}");
        let once = once(&name, "the same body");
        // As a client does: the same request again until it is answered.
        for _ in 0..6 {
            match desk.submit(&caller, spec(), Some(&once)).await {
                Ok(submitted) => promises.lock().expect("no panic").push((name.clone(), submitted.accepted.value.id)),
                Err(Error::Busy | Error::Broken(_) | Error::Concurrency { .. } | Error::Quota { .. }) => continue,
                Err(error) => panic!("{error:?}"),
            }
            // And sometimes once more, though it was.
            if number.is_multiple_of(2) {
                return;
            }
        }
    })
}

fn canceller(desk: Desk, caller: Caller, world: Arc<World>) -> Actor {
    Box::pin(async move {
        let mine: Vec<JobId> = {
            let jobs = world.jobs_now().into_iter().filter(|job| job.tenant == *caller.id());
            jobs.map(|job| job.id).collect()
        };
        if !mine.is_empty() {
            let one = world.state().dice.roll(mine.len() as u64);
            match desk.cancel(&caller, &mine[usize::try_from(one).expect("small")]).await {
                Ok(_) | Err(Error::Busy | Error::Broken(_) | Error::Ended(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    })
}

fn reaper(desk: Desk) -> Actor {
    Box::pin(async move {
        desk.tick().await;
    })
}

/// One turn of a worker: it takes a ticket and does with it whatever the dice say.
fn turn(desk: Desk, world: Arc<World>, me: WorkerId) -> Actor {
    Box::pin(async move {
        let Ok(Some(delivery)) = world.receive(Tier::Pro, Duration::ZERO, Duration::from_secs(300)).await else {
            return;
        };
        let claim = match desk.claim(&delivery.ticket, &me).await {
            Ok(Claimed::Yes(claim)) => *claim,
            Ok(Claimed::Held(_)) if delivery.receives < RECEIVES => return,
            Ok(Claimed::Held(_) | Claimed::Over) => return drop(world.remove(&delivery).await),
            Err(_) => return,
        };
        let roll = |sides| world.state().dice.roll(sides);
        for _ in 0..roll(4) {
            if let Err(Error::NotYours(_)) = desk.renew(&claim).await {
                // A zombie, that goes on all the same.
                break;
            }
        }
        if roll(6) == 0 {
            if let Ok((_, None)) = desk.hand_back(&claim).await {
                drop(world.remove(&delivery).await);
            }
            return;
        }
        for _ in 0..4 {
            match desk.finish(&claim, outcome(&claim)).await {
                Ok(job) => {
                    assert!(job.status.is_final());
                    return drop(world.remove(&delivery).await);
                }
                Err(Error::NotYours(_)) => return,
                Err(Error::Busy | Error::Broken(_)) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    })
}

fn campaign(seed: u64, faults: Faults, workers: u8, deaths: u64) {
    let world = World::new(seed);
    let desk = world.desk(settings());
    let mut dice = Dice::new(seed ^ 0x9e37_79b9_7f4a_7c15);
    let limits = Overrides { jobs_per_day: Some(12), active: Some(5), ..Overrides::default() };
    let callers = ["ada", "bob"].map(|name| tenant(&desk, name, Tier::Pro, limits.clone()).1);
    let promises: Promises = Arc::default();
    world.state().faults = faults;
    let mut actors: Vec<Actor> = Vec::new();
    let mut turns: Vec<Option<Actor>> = (0..workers).map(|_| None).collect();
    let mut stalled: Vec<Actor> = Vec::new();
    let (mut asked, mut steps) = (0, 0_u32);
    while steps < 3000 {
        steps += 1;
        if dice.roll(20) == 0 && asked < 40 {
            asked += 1;
            let caller = callers[usize::from(asked % 2 == 0)].clone();
            actors.push(submitter(desk.clone(), caller, asked, promises.clone()));
        }
        if dice.roll(60) == 0 {
            actors.push(canceller(desk.clone(), callers[usize::from(dice.roll(2) == 0)].clone(), world.clone()));
        }
        if dice.roll(100) == 0 {
            actors.push(reaper(desk.clone()));
        }
        if dice.roll(30) == 0 {
            world.pass(Duration::from_secs(dice.roll(100)));
        }
        let one = usize::try_from(dice.roll(u64::from(workers))).expect("small");
        let actor = turns[one]
            .get_or_insert_with(|| turn(desk.clone(), world.clone(), worker(u8::try_from(one).expect("few workers"))));
        let over = step(actor);
        // It stalls wherever it is, and its name goes on with something else: once it wakes, it is a zombie.
        if !over && dice.roll(40) == 0 {
            stalled.extend(turns[one].take());
        }
        // Or it dies, also between a commit and its answer; or has done what it wanted.
        if over || dice.roll(1000) < deaths {
            turns[one] = None;
        }
        if !stalled.is_empty() && dice.roll(10) == 0 {
            let one = usize::try_from(dice.roll(stalled.len() as u64)).expect("small");
            if step(&mut stalled[one]) {
                drop(stalled.swap_remove(one));
            }
        }
        if !actors.is_empty() {
            let one = usize::try_from(dice.roll(actors.len() as u64)).expect("small");
            if step(&mut actors[one]) || dice.roll(1000) < deaths {
                drop(actors.swap_remove(one));
            }
        }
    }
    // The weather clears: all that is left to do is done in time.
    world.state().faults = Faults::default();
    drop((actors, turns));
    // Zombies wake up while it does.
    for round in 0.. {
        assert!(round < 60, "jobs are left: {:?}", world.jobs_now());
        crate::world::alone(desk.tick());
        for number in 0..20 {
            crate::world::alone(turn(desk.clone(), world.clone(), worker(100 + number)));
        }
        if world.jobs_now().iter().all(|job| job.status.is_final()) {
            break;
        }
        world.pass(Duration::from_secs(200));
        stalled.retain_mut(|actor| !step(actor));
    }
    judge(&world, &callers, &promises);
}

fn judge(world: &World, callers: &[Caller; 2], promises: &Promises) {
    let jobs = world.jobs_now();
    let promises = promises.lock().expect("no panic");
    for (name, id) in promises.iter() {
        assert!(jobs.iter().any(|job| job.id == *id && job.status.is_final()), "{id} was accepted and has no end");
        assert!(promises.iter().all(|(other, twin)| other != name || twin == id), "`{name}` was accepted twice");
    }
    let answers = world.rows_of(|row| matches!(row, Row::Answer(_)));
    assert_eq!(answers, jobs.len(), "one job for each request that was accepted, told or not");
    for caller in callers {
        assert_eq!(world.counter(caller.id(), Counter::Active), 0);
    }
    // Every end is in the audit log: in the name of who brought it, or of who found the worker lost.
    let submits = world.rows_of(|row| matches!(row, Row::Audit(event) if event.action == "job.submit"));
    assert_eq!(submits, jobs.len());
    let finished = jobs.iter().filter(|job| job.outcome.as_ref().is_some_and(|end| end.message.starts_with("by ")));
    let audited = world.rows_of(|row| matches!(row, Row::Audit(event) if event.action == "job.finish"));
    assert_eq!(audited, finished.count());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_job_is_lost_or_charged_twice(seed in any::<u64>(), workers in 1_u8..6, rough in 0_u64..150, deaths in 0_u64..60) {
        let faults = Faults { busy: rough, broken_before: rough, broken_after: rough, reads: rough, queue: rough * 2 };
        campaign(seed, faults, workers, deaths);
    }

    #[test]
    fn in_fair_weather_nobody_is_lost(seed in any::<u64>()) {
        campaign(seed, Faults::default(), 3, 0);
    }
}
