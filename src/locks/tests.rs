//! Locks in one process: descriptors exclude each other there as they do between processes.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU32;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::{collection, prop_assert, proptest};

use super::claim::in_order;
use super::{Attempt, Claim, Guard, LockError, Locks, Mode, Party, Request, Standing, list};

const SHARED: Mode = Mode::Shared { max_holders: None };
/// After this long a test that waits says so.
const A_HANG: Duration = Duration::from_secs(60);
const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn claim(name: &str, mode: Mode) -> Claim {
    Claim::new("project", name, mode)
}

fn exclusive(names: &[&str]) -> Vec<Claim> {
    names.iter().map(|name| claim(name, Mode::Exclusive)).collect()
}

fn home() -> (tempfile::TempDir, Locks) {
    let home = tempfile::tempdir().expect("a directory");
    let locks = Locks::open(home.path().join("locks")).expect("a lock directory");
    (home, locks)
}

fn request(locks: &Locks, task: &str, claims: Vec<Claim>) -> Request {
    locks.request(Party::new("run-1", task), claims).expect("a request")
}

fn poll(request: &mut Request) -> Option<Guard> {
    match request.try_acquire(NOW).expect("an answer") {
        Attempt::Acquired(guard) => Some(guard),
        Attempt::Waiting => None,
    }
}

/// What a request that is due gets. Not always at once: while another test of this process starts a child,
/// the child holds a copy of every descriptor until it runs its program.
fn granted(request: &mut Request) -> Guard {
    let since = Instant::now();
    loop {
        if let Some(guard) = poll(request) {
            return guard;
        }
        assert!(since.elapsed() < A_HANG, "{:?}", request.ahead());
        thread::yield_now();
    }
}

/// Tasks ahead of a request, with how they stand.
fn ahead(request: &Request) -> Vec<(String, Standing)> {
    let named = |entry: &super::Entry| (entry.party.as_ref().expect("it says who").task.clone(), entry.standing);
    request.ahead().iter().map(named).collect()
}

#[test]
fn first_come_first_served_and_everybody_sees_who_is_ahead() {
    let (_home, locks) = home();
    let [mut a, mut b, mut c] = ["A", "B", "C"].map(|task| request(&locks, task, exclusive(&["db"])));
    let held = granted(&mut a);
    assert!(poll(&mut b).is_none());
    assert!(poll(&mut c).is_none());
    assert_eq!(ahead(&b), [("A".to_owned(), Standing::Holds)]);
    assert_eq!(ahead(&c), [("A".to_owned(), Standing::Holds), ("B".to_owned(), Standing::Waits)]);
    assert!(b.poll_after() < c.poll_after());
    drop(held);
    assert!(poll(&mut c).is_none(), "C came after B");
    let held = granted(&mut b);
    assert!(poll(&mut c).is_none());
    assert_eq!(ahead(&c), [("B".to_owned(), Standing::Holds)]);
    drop(held);
    drop(granted(&mut c));
}

#[test]
fn shared_holders_share_and_do_not_overtake_an_exclusive_one() {
    let (_home, locks) = home();
    let shared = |task| request(&locks, task, vec![claim("db", SHARED)]);
    let [mut a, mut b, mut late] = ["A", "B", "late"].map(shared);
    let mut writer = request(&locks, "writer", exclusive(&["db"]));
    let first = granted(&mut a);
    let second = granted(&mut b);
    assert!(poll(&mut writer).is_none());
    assert!(poll(&mut late).is_none(), "it came after the writer");
    drop(first);
    assert!(poll(&mut writer).is_none(), "B still reads");
    drop(second);
    assert!(poll(&mut late).is_none());
    let written = granted(&mut writer);
    assert!(poll(&mut late).is_none());
    drop(written);
    drop(granted(&mut late));
}

#[test]
fn all_or_nothing_and_nothing_is_held_while_waiting() {
    let (_home, locks) = home();
    let mut holder = request(&locks, "holder", exclusive(&["b"]));
    let held = granted(&mut holder);
    let mut both = request(&locks, "both", exclusive(&["a", "b"]));
    assert!(poll(&mut both).is_none());
    let names: Vec<_> = list(locks.dir()).expect("a list");
    let holds: Vec<&str> =
        names.iter().filter(|entry| entry.standing == Standing::Holds).map(|entry| entry.claim.name.as_str()).collect();
    assert_eq!(holds, ["b"], "`a` is not held, though it is free");
    drop(held);
    let guard = granted(&mut both);
    assert_eq!(guard.claims().map(|claim| claim.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn who_gives_up_its_place_lets_the_next_one_pass() {
    let (_home, locks) = home();
    let [mut a, mut b, mut c] = ["A", "B", "C"].map(|task| request(&locks, task, exclusive(&["db"])));
    let held = granted(&mut a);
    assert!(poll(&mut b).is_none());
    assert!(poll(&mut c).is_none());
    drop(b);
    drop(held);
    drop(granted(&mut c));
    assert_eq!(fs::read_dir(locks.dir().join("queue")).expect("the queue").count(), 0);
}

#[test]
fn a_copy_of_the_descriptors_keeps_the_lock() {
    for mode in [Mode::Exclusive, SHARED] {
        let (_home, locks) = home();
        let mut holder = request(&locks, "holder", vec![claim("db", mode)]);
        let held = granted(&mut holder);
        // A child that got the descriptors, as a task's keeper does.
        let keepers: Vec<_> = held
            .descriptors()
            .map(|fd| {
                let copy = fd.try_clone_to_owned().expect("a copy");
                Command::new("cat").stdin(Stdio::from(copy)).stdout(Stdio::null()).arg("-").arg("/dev/zero").spawn()
            })
            .collect();
        drop(held);
        let mut next = request(&locks, "next", exclusive(&["db"]));
        assert!(poll(&mut next).is_none(), "{mode:?}");
        assert_eq!(ahead(&next), [("holder".to_owned(), Standing::Holds)]);
        for keeper in keepers {
            let mut keeper = keeper.expect("cat");
            keeper.kill().expect("ours");
            keeper.wait().expect("ours");
        }
        drop(granted(&mut next));
    }
}

#[test]
fn the_list_shows_holders_then_waiters_in_their_order() {
    let (_home, locks) = home();
    let mut reader = request(&locks, "reader", vec![claim("db", SHARED), claim("cache", Mode::Exclusive)]);
    let mut writers = ["w1", "w2"].map(|task| request(&locks, task, exclusive(&["db"])));
    let held = granted(&mut reader);
    for writer in &mut writers {
        assert!(poll(writer).is_none());
    }
    let rows = |locks: &Locks| -> Vec<(String, Standing, Mode, String)> {
        let row = |entry: super::Entry| {
            let party = entry.party.expect("it says who");
            assert_eq!((party.run.as_str(), party.process.pid), ("run-1", std::process::id()));
            assert_eq!(entry.since, Some(NOW));
            (entry.claim.name, entry.standing, entry.claim.mode, party.task)
        };
        list(locks.dir()).expect("a list").into_iter().map(row).collect()
    };
    let waits = |task: &str| ("db".to_owned(), Standing::Waits, Mode::Exclusive, task.to_owned());
    let expected = [
        ("cache".to_owned(), Standing::Holds, Mode::Exclusive, "reader".to_owned()),
        ("db".to_owned(), Standing::Holds, SHARED, "reader".to_owned()),
        waits("w1"),
        waits("w2"),
    ];
    assert_eq!(rows(&locks), expected);
    drop(held);
    // What the files say of a holder that left does not count.
    let since = Instant::now();
    while rows(&locks) != [waits("w1"), waits("w2")] {
        assert!(since.elapsed() < A_HANG);
        thread::yield_now();
    }
    assert_eq!(list(Path::new("/nowhere")).expect("none"), []);
}

#[test]
fn a_ticket_of_a_dead_process_and_an_unreadable_one_hold_nobody_up() {
    let (_home, locks) = home();
    let queue = locks.dir().join("queue");
    fs::create_dir(&queue).expect("ours");
    fs::write(queue.join("00000000000000000001"), "{\"version\":1,").expect("ours");
    fs::write(queue.join("00000000000000000002"), "").expect("ours");
    let mut a = request(&locks, "A", exclusive(&["db"]));
    drop(granted(&mut a));
    assert_eq!(fs::read_dir(queue).expect("the queue").count(), 0);
}

#[test]
fn a_holder_whose_text_is_unreadable_still_holds() {
    let (_home, locks) = home();
    let [mut a, mut b] = ["A", "B"].map(|task| request(&locks, task, exclusive(&["db"])));
    let held = granted(&mut a);
    for file in fs::read_dir(locks.dir()).expect("the directory") {
        fs::write(file.expect("an entry").path(), [0xff; 9]).expect("ours");
    }
    assert!(poll(&mut b).is_none());
    assert_eq!(b.ahead().iter().map(|entry| entry.party.clone()).collect::<Vec<_>>(), [None]);
    drop(held);
    drop(granted(&mut b));
}

#[test]
fn a_place_that_cannot_be_trusted_is_refused() {
    let home = tempfile::tempdir().expect("a directory");
    let open = |mode| {
        use std::os::unix::fs::PermissionsExt;
        let dir = home.path().join("locks");
        fs::create_dir_all(&dir).expect("ours");
        fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).expect("ours");
        Locks::open(dir)
    };
    assert!(open(0o700).is_ok());
    assert!(matches!(open(0o770), Err(LockError::NotPrivate { .. })));
    assert!(matches!(open(0o705), Err(LockError::NotPrivate { .. })));
    assert!(matches!(Locks::open(home.path().join("no/parent")), Err(LockError::Io { .. })));
    let locks = open(0o700).expect("a lock directory");
    assert!(matches!(locks.request(Party::new("r", "t"), Vec::new()), Err(LockError::Empty)));
}

#[test]
fn a_shut_door_answers_wait_and_costs_no_place() {
    let (_home, locks) = home();
    let mut a = request(&locks, "A", exclusive(&["db"]));
    let door = super::door::Door::pass(locks.dir(), Duration::ZERO).expect("a door").expect("open");
    assert!(poll(&mut a).is_none());
    drop(door);
    drop(granted(&mut a));
}

/// What the documentation says about granting, in the slowest words: a request is granted when, with it,
/// every limit on each of its names is kept by all who hold the name or came earlier and wait for it.
#[derive(Default)]
struct Oracle {
    holders: BTreeMap<usize, Vec<Claim>>,
    queue: Vec<(usize, Vec<Claim>)>,
}

impl Oracle {
    fn poll(&mut self, who: usize, claims: &[Claim]) -> bool {
        let place = self.queue.iter().position(|(waiter, _)| *waiter == who).unwrap_or(self.queue.len());
        let earlier = self.holders.values().chain(self.queue[..place].iter().map(|(_, claims)| claims));
        let earlier: Vec<&Claim> = earlier.flatten().collect();
        let granted = claims.iter().all(|wanted| {
            let same = earlier.iter().filter(|claim| claim.name == wanted.name);
            let together: Vec<Mode> = same.map(|claim| claim.mode).chain([wanted.mode]).collect();
            together.iter().all(|mode| match mode {
                Mode::Exclusive => together.len() == 1,
                Mode::Shared { max_holders: Some(most) } => together.len() <= most.get() as usize,
                Mode::Shared { max_holders: None } => true,
            })
        });
        if granted {
            self.queue.retain(|(waiter, _)| *waiter != who);
            self.holders.insert(who, claims.to_vec());
        } else if place == self.queue.len() {
            self.queue.push((who, claims.to_vec()));
        }
        granted
    }
}

#[derive(Clone, Debug)]
enum Move {
    Poll(usize),
    Release(usize),
    GiveUp(usize),
}

const ACTORS: usize = 6;

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        4 => (0..ACTORS).prop_map(Move::Poll),
        2 => (0..ACTORS).prop_map(Move::Release),
        1 => (0..ACTORS).prop_map(Move::GiveUp),
    ];
    collection::vec(one, 1..60)
}

fn wishes() -> impl Strategy<Value = Vec<Vec<Claim>>> {
    let limit = (1_u32..4).prop_map(|most| Mode::Shared { max_holders: NonZeroU32::new(most) });
    let mode = prop_oneof![3 => Just(Mode::Exclusive), 3 => Just(SHARED), 3 => limit];
    let name = prop_oneof![Just("a"), Just("b"), Just("c")];
    let one = (name, mode).prop_map(|(name, mode)| claim(name, mode));
    collection::vec(collection::vec(one, 1..4).prop_map(in_order), ACTORS)
}

proptest! {
    #[test]
    fn every_answer_is_the_oracles(wishes in wishes(), moves in moves()) {
        let (_home, locks) = home();
        let ask = |who: usize| request(&locks, &who.to_string(), wishes[who].clone());
        let mut requests: Vec<Request> = (0..ACTORS).map(ask).collect();
        let mut guards: BTreeMap<usize, Guard> = BTreeMap::new();
        let mut oracle = Oracle::default();
        for step in moves {
            match step {
                Move::Poll(who) if !guards.contains_key(&who) => {
                    if oracle.poll(who, &wishes[who]) {
                        guards.insert(who, granted(&mut requests[who]));
                    } else {
                        prop_assert!(poll(&mut requests[who]).is_none());
                    }
                }
                Move::Poll(_) => {}
                Move::Release(who) => {
                    guards.remove(&who);
                    oracle.holders.remove(&who);
                }
                Move::GiveUp(who) => {
                    requests[who] = ask(who);
                    oracle.queue.retain(|(waiter, _)| *waiter != who);
                }
            }
        }
        // Nobody starves: with every holder leaving in turn, all who wait are served.
        while !oracle.queue.is_empty() {
            guards.clear();
            oracle.holders.clear();
            let waiting: Vec<usize> = oracle.queue.iter().map(|(who, _)| *who).collect();
            for who in waiting.iter().copied() {
                if oracle.poll(who, &wishes[who]) {
                    guards.insert(who, granted(&mut requests[who]));
                } else {
                    prop_assert!(poll(&mut requests[who]).is_none());
                }
            }
            prop_assert!(oracle.queue.len() < waiting.len());
        }
    }
}
