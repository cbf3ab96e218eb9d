//! Races, and a network that throttles and loses answers: what the desk promises holds all the same.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use outpost_core::actions::{
    Authority, Caller, Claimed, Desk, Error, Idempotency, KeyRequest, Ports, RequestInfo, Settings, TenantRequest,
};
use outpost_core::id::{AuditId, JobId, TenantId, WorkerId};
use outpost_core::job::{Job, Outcome, Usage, Verdict};
use outpost_core::key::{Environment, Scope};
use outpost_core::moment::Moment;
use outpost_core::ports::{Clock as _, RECEIVES};
use outpost_core::record::{Actor, Answer, AuditEvent, Counter};
use outpost_core::spec::{Agent, Offer, Spec};
use outpost_core::store::{Address, Listing, Problem, Row, Write};
use outpost_core::tenant::{Overrides, Tier};
use outpost_core::web::Repositories;
use serde_json::{Map, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::emulator::{Emulator, emulator};
use crate::house::{House, account, config, run};
use crate::proxy::{Fault, Weather, endpoint, listen};

pub(crate) fn desk(aws: &Ports) -> Desk {
    let agents = vec![Agent { name: "claude".into(), model: None, secret: None }];
    let repositories = Repositories { hosts: Vec::new(), folders: false };
    let offer = Offer { agents, commands: false, repositories, callbacks_anywhere: false };
    Desk::new(aws.clone(), Settings::new(offer, [9; 32]))
}

pub(crate) async fn caller(desk: &Desk, limits: Overrides) -> Caller {
    let key = KeyRequest {
        name: "k".into(),
        environment: Environment::Live,
        scopes: Scope::TENANT.to_vec(),
        expires_at: None,
    };
    let email = "ada@example.com".to_owned();
    let asked = TenantRequest { email, name: None, tier: Tier::Pro, overrides: limits, key };
    let made = desk.create_tenant(&Authority::operator("ada", "req"), asked).await.expect("a tenant");
    let key = made.key.key.expect("a key");
    desk.authenticate(key.reveal(), RequestInfo::default()).await.expect("a caller")
}

pub(crate) fn spec() -> Spec {
    serde_json::from_value(json!({"agent": "claude", "task": "say hello", "timeout_seconds": 60})).expect("a spec")
}

async fn jobs(aws: &Ports, tenant: &TenantId) -> Vec<Job> {
    let (mut jobs, mut after) = (Vec::new(), None::<String>);
    loop {
        let listing = Listing::Jobs { status: None };
        let page = aws.store.list(tenant, &listing, 100, after.as_deref()).await.expect("a page");
        jobs.extend(page.rows.into_iter().filter_map(|row| match row {
            Row::Job(job) => Some(*job),
            _ => None,
        }));
        after = page.next;
        if after.is_none() {
            return jobs;
        }
    }
}

#[test]
fn three_hundred_at_once_get_a_hundred_places() {
    let Some(emulator) = emulator() else { return };
    run(async {
        let house = House::make(emulator).await;
        let desk = desk(&house.aws);
        let limits = Overrides { jobs_per_day: Some(100), active: Some(1000), ..Overrides::default() };
        let caller = caller(&desk, limits).await;
        let mut tries = JoinSet::new();
        for _ in 0..300 {
            let (desk, caller) = (desk.clone(), caller.clone());
            tries.spawn(async move {
                loop {
                    match desk.submit(&caller, spec(), None).await {
                        Err(Error::Busy) => {}
                        answer => return answer,
                    }
                }
            });
        }
        let (mut accepted, mut refused) = (0, 0);
        while let Some(answer) = tries.join_next().await {
            match answer.expect("no panic") {
                Ok(_) => accepted += 1,
                Err(Error::Quota { limit: 100, .. }) => refused += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!((accepted, refused), (100, 200));
        let day = Counter::Jobs(house.clock.now().day());
        for counter in [day, Counter::Active] {
            assert_eq!(house.aws.store.count(caller.id(), counter).await, Ok(100));
        }
        assert_eq!(jobs(&house.aws, caller.id()).await.len(), 100);
    });
}

/// An installation behind the weather, and one of the same account in the sun.
async fn both(emulator: &'static Emulator, weather: &Arc<Weather>) -> (House, Ports) {
    let account = account();
    let sun = House::of(config(&endpoint(emulator), &account).await, account.clone(), |_| {}).await;
    let proxied = listen(emulator.port(), Arc::clone(weather));
    let mut settings = outpost_aws::Settings::new(crate::house::ENVIRONMENT, &sun.bucket);
    settings.clock = sun.aws.clock.clone();
    let rain = outpost_aws::open_as(&config(&proxied, &account).await, &settings).await.expect("an installation");
    (sun, rain)
}

fn audit(tenant: &TenantId, now: Moment, number: u8) -> Write {
    Write::Create(Row::Audit(AuditEvent {
        id: AuditId::new(now, &[number; 10]),
        tenant: tenant.clone(),
        at: now,
        actor: Actor::Service,
        action: "test".into(),
        subject: None,
        request_id: "r".into(),
        ip: None,
        details: Map::new(),
    }))
}

/// What a change meets, whether the service forgets its token, what is answered, and whether it happens.
type Met = (&'static [Fault], bool, fn(&Result<(), Problem>) -> bool, bool);

#[test]
fn a_lost_answer_is_known_again_or_claims_nothing() {
    let Some(emulator) = emulator() else { return };
    run(async {
        use Fault::{Lost, None, Throttled};
        let weather = Arc::new(Weather::default());
        let (sun, rain) = both(emulator, &weather).await;
        let tenant = TenantId::new(sun.clock.now(), &[1; 10]);
        let raise = Write::Count { counter: Counter::Active, add: 1, most: Some(1000) };
        let mut stands = 0;
        let table: [Met; 7] = [
            (&[None], false, Result::is_ok, true),
            // By the token that it was sent with; and where the service forgot that, by the number that it left.
            (&[Lost], false, Result::is_ok, true),
            (&[Lost], true, Result::is_ok, true),
            (&[Lost, Throttled], true, Result::is_ok, true),
            (&[Throttled], false, Result::is_ok, true),
            (&[Throttled; 4], false, |answer| *answer == Err(Problem::Busy), false),
            // It happened, and that is not known: it is not called busy.
            (&[Lost, Throttled, Throttled, Throttled], false, |answer| matches!(answer, Err(Problem::Broken(_))), true),
        ];
        for (number, (faults, forgetful, answers, happens)) in (0_u8..).zip(table) {
            weather.next.lock().expect("no panic").extend(faults);
            weather.forgetful.store(forgetful, Ordering::Relaxed);
            let audit = audit(&tenant, sun.clock.now(), number);
            let address = audit.address(&tenant);
            let answer = rain.store.commit(&tenant, vec![raise.clone(), audit.clone()]).await;
            assert!(answers(&answer), "{faults:?}, {forgetful}: {answer:?}");
            assert!(weather.next.lock().expect("no panic").is_empty(), "{faults:?} were met");
            stands += u64::from(happens);
            assert_eq!(sun.aws.store.get(&tenant, &address).await.expect("an answer").is_some(), happens, "{faults:?}");
            assert_eq!(sun.aws.store.count(&tenant, Counter::Active).await, Ok(stands), "{faults:?}: once");
            // Another's is never taken for ours.
            if happens {
                let again = rain.store.commit(&tenant, vec![raise.clone(), audit]).await;
                assert_eq!(again, Err(Problem::Refused(1)), "{faults:?}");
            }
        }
        // Also without a row that lasts: by what lies where it was refused.
        let now = sun.clock.now();
        let answer = |version| {
            let (key, fingerprint, expires_at) = ("k".into(), "f".into(), now.plus(Duration::from_secs(60)));
            let (tenant, body) = (tenant.clone(), json!(null));
            Row::Answer(Answer { tenant, key, fingerprint, status: Some(202), body, expires_at, version })
        };
        weather.forgetful.store(true, Ordering::Relaxed);
        for (write, version) in [(Write::Create(answer(1)), 1), (Write::Replace(answer(1)), 2)] {
            weather.next.lock().expect("no panic").push_back(Lost);
            let address = write.address(&tenant);
            assert_eq!(rain.store.commit(&tenant, vec![write.clone()]).await, Ok(()), "{write:?}");
            assert_eq!(sun.aws.store.get(&tenant, &address).await, Ok(Some(answer(version))));
            assert_eq!(rain.store.commit(&tenant, vec![write]).await, Err(Problem::Refused(0)), "another's");
        }
    });
}

/// A worker's turn, as far as the weather lets it; false: there was nothing to do.
async fn turn(desk: &Desk, me: &WorkerId) -> bool {
    let queue = &desk.ports().queue;
    let Ok(found) = queue.receive(Tier::Pro, Duration::ZERO, Duration::from_secs(120)).await else { return true };
    let Some(delivery) = found else { return false };
    let claim = match desk.claim(&delivery.ticket, me).await {
        Ok(Claimed::Yes(claim)) => claim,
        Ok(Claimed::Held(_)) if delivery.receives < RECEIVES => return true,
        Ok(Claimed::Held(_) | Claimed::Over) => {
            let _ = queue.remove(&delivery).await;
            return true;
        }
        Err(_) => return true,
    };
    let outcome = Outcome {
        result: Verdict::Succeeded,
        code: None,
        message: "done".into(),
        exit_code: Some(0),
        outputs: Map::new(),
        usage: Usage { input_tokens: 1, ..Usage::default() },
        artifacts: Vec::new(),
    };
    for _ in 0..4 {
        match desk.finish(&claim, outcome.clone()).await {
            Ok(_) => {
                let _ = queue.remove(&delivery).await;
                break;
            }
            Err(Error::NotYours(_)) => break,
            Err(_) => {}
        }
    }
    true
}

#[test]
fn no_job_is_lost_or_charged_twice_in_bad_weather() {
    const JOBS: usize = 200;
    let Some(emulator) = emulator() else { return };
    run(async {
        let weather = Arc::new(Weather::default());
        let (sun, rain) = both(emulator, &weather).await;
        let limits = Overrides { jobs_per_day: Some(1000), active: Some(1000), ..Overrides::default() };
        let caller = caller(&desk(&sun.aws), limits).await;
        let desk = desk(&rain);
        weather.throttled.store(50, Ordering::Relaxed);
        weather.lost.store(50, Ordering::Relaxed);

        let few = Arc::new(Semaphore::new(12));
        let mut requests = JoinSet::new();
        for number in 0..JOBS {
            let (desk, caller, few) = (desk.clone(), caller.clone(), Arc::clone(&few));
            requests.spawn(async move {
                let _turn = few.acquire().await.expect("open");
                let once = Idempotency::new(&format!("r{number}"), "POST", "/v1/jobs", b"{}", 202).expect("a key");
                // As a client does: the same request again until it is answered.
                loop {
                    match desk.submit(&caller, spec(), Some(&once)).await {
                        Ok(submitted) => return submitted.accepted.value.id,
                        Err(Error::Busy | Error::Broken(_) | Error::InFlight) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            });
        }
        let mut promised: Vec<JobId> = Vec::new();
        while let Some(id) = requests.join_next().await {
            promised.push(id.expect("no panic"));
        }
        promised.sort();
        promised.dedup();
        assert_eq!(promised.len(), JOBS, "one for each request");

        for round in 0.. {
            assert!(round < 40, "jobs are left");
            let mut workers = JoinSet::new();
            for number in 0..4_u8 {
                let (desk, me) = (desk.clone(), WorkerId::new(sun.clock.now(), &[number; 10]));
                workers.spawn(async move { while turn(&desk, &me).await {} });
            }
            while let Some(worker) = workers.join_next().await {
                worker.expect("no panic");
            }
            if jobs(&sun.aws, caller.id()).await.iter().all(|job| job.status.is_final()) {
                break;
            }
            // Leases end, tickets are seen again, the reaper makes up for what was lost.
            sun.clock.pass(Duration::from_secs(200));
            emulator.ahead(&sun.account, sun.clock.ahead());
            desk.tick().await;
        }
        assert!(weather.faults.load(Ordering::Relaxed) > 100, "the weather was bad");

        let ended = jobs(&sun.aws, caller.id()).await;
        let mut ids: Vec<JobId> = ended.iter().map(|job| job.id.clone()).collect();
        ids.sort();
        assert_eq!(ids, promised, "what was promised and nothing else");
        assert_eq!(sun.aws.store.count(caller.id(), Counter::Active).await, Ok(0));
        let mut expected: Vec<JobId> = ended.iter().filter(|job| job.epoch > 0).map(|job| job.id.clone()).collect();
        let day = Counter::Jobs(ended[0].created_at.day());
        assert_eq!(sun.aws.store.count(caller.id(), day).await, Ok(expected.len() as u64), "places that were kept");
        let span = Listing::Usage { from: Moment::from_millis(0), to: sun.clock.now().plus(Duration::from_secs(9)) };
        let (mut charged, mut after) = (Vec::new(), None::<String>);
        loop {
            let page = sun.aws.store.list(caller.id(), &span, 100, after.as_deref()).await.expect("a page");
            charged.extend(page.rows.into_iter().filter_map(|row| match row {
                Row::Usage(event) => Some(event.job),
                _ => None,
            }));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        charged.sort();
        expected.sort();
        assert_eq!(charged, expected, "one charge for each job that began");
        let tenant = sun.aws.store.get(caller.id(), &Address::tenant(caller.id())).await;
        assert!(matches!(tenant, Ok(Some(Row::Tenant(_)))));
    });
}
