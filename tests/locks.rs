//! Named locks between processes: this test starts itself as many processes, and kills some.
//!
//! `OUTPOST_TEST_ROUNDS=n` makes the long test n times as long, `OUTPOST_TEST_PROCESSES=n` lets n processes take part
//! in it; with `--nocapture` it prints its figures.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "figures of a campaign")]

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use outpost_bp::locks::{Attempt, Claim, Guard, Life, Locks, Mode, Party, Request, Standing, list};

const SHARED: Mode = Mode::Shared { max_holders: None };
const UP_TO_THREE: Mode = Mode::Shared { max_holders: NonZeroU32::new(3) };

/// What a process of this test is to do, in its environment.
const ROLE: &str = "OUTPOST_TEST_ROLE";

/// How many processes take part in the long test, in the environment of all of them.
const PROCESSES: &str = "OUTPOST_TEST_PROCESSES";

/// The role of this process, if it was started by one of these tests: words.
fn role() -> Option<Vec<String>> {
    std::env::var(ROLE).ok().map(|role| role.split('\t').map(str::to_owned).collect())
}

/// Starts this test once more, as a process with a role.
fn start(test: &str, role: &[&str]) -> Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", test, "--nocapture"])
        .env(ROLE, role.join("\t"))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this program starts")
}

/// A process that takes some locks, tells, and keeps them until its input ends.
struct Actor {
    child: Child,
    said: BufReader<ChildStderr>,
}

impl Actor {
    fn start(test: &str, dir: &Path, task: &str, mode: &str) -> Self {
        let mut child = start(test, &[dir.to_str().expect("a path"), task, mode]);
        let said = BufReader::new(child.stderr.take().expect("piped"));
        Self { child, said }
    }

    /// The next line it says.
    fn says(&mut self) -> String {
        let mut line = String::new();
        self.said.read_line(&mut line).expect("readable");
        line.trim_end().to_owned()
    }

    fn let_go(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().expect("ours").success());
    }

    fn kill(mut self) {
        self.child.kill().expect("ours");
        self.child.wait().expect("ours");
    }
}

/// The other side of [`Actor`].
fn act(role: &[String]) {
    let [dir, task, mode] = role else { panic!("{role:?}") };
    let mode = if mode == "shared" { SHARED } else { Mode::Exclusive };
    let mut request = Locks::open(dir)
        .expect("a lock directory")
        .request(Party::new("run", task), vec![Claim::new("p", "db", mode)])
        .expect("a request");
    let mut told = false;
    let guard = acquire(&mut request, || {
        if !told {
            say("waits");
        }
        told = true;
    });
    say("holds");
    io::copy(&mut io::stdin(), &mut io::sink()).expect("readable");
    drop(guard);
}

fn say(line: &str) {
    writeln!(io::stderr(), "{line}").expect("somebody listens");
}

fn acquire(request: &mut Request, mut waits: impl FnMut()) -> Guard {
    loop {
        match request.try_acquire(Timestamp::now()).expect("an answer") {
            Attempt::Acquired(guard) => return guard,
            // An answer from before the door is none from the queue.
            Attempt::Waiting if request.ahead().is_empty() => {}
            Attempt::Waiting => waits(),
        }
        // A task runs for seconds, these for microseconds: so they ask more often. Where there are many of them they ask
        // as runners do: else the machine has nothing left to do but to answer.
        let often = if std::env::var_os(PROCESSES).is_some() { 1 } else { 10 };
        thread::sleep(request.poll_after() / often);
    }
}

fn home() -> (tempfile::TempDir, PathBuf) {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("locks");
    (home, dir)
}

#[test]
fn waiters_are_served_in_their_order_and_dead_ones_are_passed_over() {
    const TEST: &str = "waiters_are_served_in_their_order_and_dead_ones_are_passed_over";
    if let Some(role) = role() {
        return act(&role);
    }
    let (_home, dir) = home();
    let mut holder = Actor::start(TEST, &dir, "holder", "exclusive");
    assert_eq!(holder.says(), "holds");
    let mut waiters: Vec<Actor> = ["first", "killed", "second", "third"]
        .into_iter()
        .map(|task| {
            let mut waiter = Actor::start(TEST, &dir, task, "exclusive");
            assert_eq!(waiter.says(), "waits");
            waiter
        })
        .collect();
    waiters.remove(1).kill();
    // The holder is killed, too: the kernel frees its lock.
    holder.kill();
    for (place, mut waiter) in waiters.into_iter().enumerate() {
        assert_eq!(waiter.says(), "holds");
        let behind = list(&dir).expect("a list").into_iter().filter(|entry| entry.standing == Standing::Waits).count();
        assert_eq!(behind, 2 - place, "those who came later still wait");
        waiter.let_go();
    }
}

#[test]
fn a_killed_holder_is_listed_as_long_as_a_copy_of_its_lock_lives() {
    const TEST: &str = "a_killed_holder_is_listed_as_long_as_a_copy_of_its_lock_lives";
    if let Some(role) = role() {
        // Passes its lock to a child as its input, as a runner passes it to a task's keeper.
        let locks = Locks::open(&role[0]).expect("a lock directory");
        let claims = vec![Claim::new("p", "db", Mode::Exclusive)];
        let mut request = locks.request(Party::new("run", "t1"), claims).expect("a request");
        let guard = acquire(&mut request, || ());
        let copy = guard.descriptors().next().expect("one").try_clone_to_owned().expect("a copy");
        let keeper = Command::new("sleep").arg("1000").stdin(Stdio::from(copy)).stderr(Stdio::null()).spawn();
        say(&keeper.expect("sleep").id().to_string());
        io::copy(&mut io::stdin(), &mut io::sink()).expect("readable");
        return;
    }
    let (_home, dir) = home();
    let mut runner = Actor::start(TEST, &dir, "", "");
    let keeper: u32 = runner.says().parse().expect("a process");
    runner.kill();
    let held = list(&dir).expect("a list");
    let party = held[0].party.clone().expect("it says who");
    assert_eq!((held.len(), party.task.as_str(), party.process.life()), (1, "t1", Life::Dead));
    let killed = Command::new("kill").args(["-9", &keeper.to_string()]).status().expect("kill");
    assert!(killed.success());
    // The keeper is nobody's child to wait for any more: the lock itself tells when it is gone.
    let since = Instant::now();
    while !list(&dir).expect("a list").is_empty() {
        assert!(since.elapsed() < Duration::from_secs(60), "the lock outlived its last holder");
        thread::yield_now();
    }
}

#[test]
fn readers_without_end_do_not_starve_a_writer() {
    const TEST: &str = "readers_without_end_do_not_starve_a_writer";
    const READERS: usize = 6;
    if let Some(role) = role() {
        let mut request = Locks::open(&role[0])
            .expect("a lock directory")
            .request(Party::new("run", "reader"), vec![Claim::new("p", "db", SHARED)])
            .expect("a request");
        say("reads");
        let over = Path::new(&role[0]).with_file_name("over");
        let log = OpenOptions::new().append(true).create(true).open(over.with_file_name("log")).expect("a log");
        while !over.exists() {
            let guard = acquire(&mut request, || ());
            (&log).write_all(b"read\n").expect("a log");
            thread::sleep(Duration::from_micros(500));
            drop(guard);
        }
        return;
    }
    let (home, dir) = home();
    let mut readers: Vec<Actor> = (0..READERS).map(|_| Actor::start(TEST, &dir, "", "")).collect();
    for reader in &mut readers {
        assert_eq!(reader.says(), "reads");
    }
    let log = home.path().join("log");
    let reads = || fs::read_to_string(&log).map_or(0, |text| text.lines().count());
    let mut writer = Locks::open(&dir)
        .expect("a lock directory")
        .request(Party::new("run", "writer"), vec![Claim::new("p", "db", Mode::Exclusive)])
        .expect("a request");
    for _ in 0..20 {
        let before = reads();
        while reads() < before + READERS {
            thread::yield_now();
        }
        let mut queued = None;
        let guard = acquire(&mut writer, || {
            queued.get_or_insert_with(reads);
        });
        // Each reader may have been granted before the writer came and have written its line afterwards.
        let overtook = queued.map_or(0, |queued| reads() - queued);
        assert!(overtook <= READERS, "{overtook} readers went before a writer that waited");
        drop(guard);
    }
    fs::write(home.path().join("over"), "").expect("ours");
    readers.into_iter().for_each(Actor::let_go);
}

/// Marks who is inside a lock, and sees who else is. Knows nothing of locks: files and process ids only.
struct Witness(PathBuf);

impl Witness {
    fn enter(&self, claim: &Claim) -> PathBuf {
        let (kind, most) = match claim.mode {
            Mode::Exclusive => ("x", 1),
            Mode::Shared { max_holders: Some(most) } => ("s", most.get() as usize),
            Mode::Shared { max_holders: None } => ("s", usize::MAX),
        };
        let folder = self.0.join(&claim.name);
        let mine = folder.join(format!("{kind}{}", std::process::id()));
        fs::write(&mine, "").expect("a mark");
        // The mark stands before the look: of two who are inside at once, at least one sees the other.
        let others = |exclusive_only: bool| -> Vec<PathBuf> {
            let marks = fs::read_dir(&folder).expect("marks").map(|entry| entry.expect("a mark").path());
            marks.filter(|mark| *mark != mine && (!exclusive_only || name(mark).starts_with('x'))).collect()
        };
        let alone = claim.mode == Mode::Exclusive;
        for other in others(!alone) {
            assert!(Self::is_left_over(&other), "{} and {} overlap", mine.display(), other.display());
        }
        let mut inside = others(false);
        inside.retain(|other| !Self::is_dead(other));
        if !alone && inside.len() >= most {
            inside.retain(|other| !Self::is_left_over(other));
            assert!(inside.len() < most, "{} are inside, {most} may be", inside.len() + 1);
        }
        mine
    }

    /// Whether a mark is one of a killed process. Its locks are freed a moment before it counts as dead.
    fn is_left_over(mark: &Path) -> bool {
        for _ in 0..2_000 {
            if Self::is_dead(mark) {
                // It may have left in good order, and ended, since its mark was seen.
                return mark.exists();
            }
            if !mark.exists() {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        false
    }

    /// Whether who made the mark has ended.
    fn is_dead(mark: &Path) -> bool {
        fs::read_to_string(format!("/proc/{}/stat", &name(mark)[1..])).map_or(true, |stat| {
            let (_, rest) = stat.rsplit_once(')').expect("a name in parentheses");
            rest.starts_with(" Z") || rest.starts_with(" X")
        })
    }
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).expect("a name")
}

/// Numbers that look random and are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}

const NAMES: [&str; 4] = ["a", "b", "c", "limited"];

/// A worker of the long test: takes random sets of locks and looks whether it is alone.
fn work(role: &[String]) {
    let [home, seed, rounds] = role else { panic!("{role:?}") };
    let home = Path::new(home);
    let witness = Witness(home.join("witness"));
    let locks = Locks::open(home.join("locks")).expect("a lock directory");
    let mut dice = Dice(seed.parse().expect("a seed"));
    let waits = home.join("waits").join(std::process::id().to_string());
    let mut waits = OpenOptions::new().append(true).create(true).open(waits).expect("a log");
    for _ in 0..rounds.parse::<u32>().expect("a number") {
        let many = 1 + dice.roll(3);
        let claims = (0..many)
            .map(|_| {
                let name = NAMES[usize::try_from(dice.roll(4)).expect("small")];
                // `limited` is shared by three at most; the others are exclusive in one case of three.
                let mode = match (name, dice.roll(3)) {
                    ("limited", _) => UP_TO_THREE,
                    (_, 0) => Mode::Exclusive,
                    _ => SHARED,
                };
                Claim::new("p", name, mode)
            })
            .collect();
        let mut request = locks.request(Party::new("run", seed), claims).expect("a request");
        let since = Instant::now();
        let guard = acquire(&mut request, || ());
        let exclusive = guard.claims().any(|claim| claim.mode == Mode::Exclusive);
        let line = format!("{} {}\n", if exclusive { 'x' } else { 's' }, since.elapsed().as_micros());
        waits.write_all(line.as_bytes()).expect("a log");
        let marks: Vec<PathBuf> = guard.claims().map(|claim| witness.enter(claim)).collect();
        if dice.roll(2) == 0 {
            thread::sleep(Duration::from_micros(dice.roll(400)));
        }
        for mark in marks {
            fs::remove_file(mark).expect("ours");
        }
        drop(guard);
    }
}

#[test]
fn many_processes_of_which_some_are_killed_never_overlap() {
    const TEST: &str = "many_processes_of_which_some_are_killed_never_overlap";
    if let Some(role) = role() {
        return work(&role);
    }
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let (times, processes) = (number("OUTPOST_TEST_ROUNDS").unwrap_or(1), number(PROCESSES).unwrap_or(20));
    let (rounds, kills) = (10 * times, usize::try_from(20 * times).expect("a number"));
    let home = tempfile::tempdir().expect("a directory");
    for name in NAMES {
        fs::create_dir_all(home.path().join("witness").join(name)).expect("ours");
    }
    fs::create_dir(home.path().join("waits")).expect("ours");
    let began = Instant::now();
    let worker =
        |seed: u64| start(TEST, &[home.path().to_str().expect("a path"), &seed.to_string(), &rounds.to_string()]);
    let mut workers: Vec<Child> = (1..=processes).map(worker).collect();
    let mut dice = Dice(7);
    for seed in (processes + 1..).take(kills) {
        thread::sleep(Duration::from_millis(dice.roll(20)));
        let victim = &mut workers[usize::try_from(dice.roll(processes)).expect("small")];
        // It may have ended by itself, and must then have ended well.
        if victim.try_wait().expect("ours").is_none_or(|status| !status.success()) {
            victim.kill().expect("ours");
            let output = std::mem::replace(victim, worker(seed)).wait_with_output().expect("ours");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(!said.contains("panicked"), "{said}");
        } else {
            *victim = worker(seed);
        }
    }
    for worker in workers {
        let output = worker.wait_with_output().expect("ours");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let mut waits: HashMap<char, Vec<u64>> = HashMap::new();
    let mut means: Vec<f64> = Vec::new();
    for file in fs::read_dir(home.path().join("waits")).expect("logs") {
        let text = fs::read_to_string(file.expect("a log").path()).expect("a log");
        let own: Vec<f64> = text.lines().filter_map(|line| line.get(2..)?.parse().ok()).collect();
        // Of those who came to their end, each asked as often.
        if own.len() as u64 == rounds {
            means.push(own.iter().sum::<f64>() / own.len() as f64);
        }
        for (class, wait) in text.lines().filter_map(|line| line.split_once(' ')) {
            // The last line of a killed worker may be cut.
            waits.entry(class.chars().next().expect("a class")).or_default().extend(wait.parse::<u64>());
        }
    }
    let total: usize = waits.values().map(Vec::len).sum();
    assert!(total as u64 >= processes * rounds, "{total} acquisitions");
    println!("{total} acquisitions in {:?}, {kills} kills, 0 overlaps", began.elapsed());
    for (class, mut waits) in waits {
        waits.sort_unstable();
        let at = |share: usize| waits[(waits.len() - 1) * share / 100];
        println!(
            "  {class}: {} acquisitions, wait p50 {} µs, p99 {} µs, max {} µs",
            waits.len(),
            at(50),
            at(99),
            at(100)
        );
    }
    // Jain's index: 1 if all wait as long on average, 1/n if one does all the waiting.
    let (sum, squares) = means.iter().fold((0.0, 0.0), |(sum, squares), mean| (sum + mean, squares + mean * mean));
    println!(
        "  fairness between {} processes: index {:.4}, the longest mean wait is {:.2} of the average",
        means.len(),
        sum * sum / (means.len() as f64 * squares),
        means.iter().copied().fold(0.0, f64::max) * means.len() as f64 / sum
    );
    let left: Vec<_> = list(&home.path().join("locks")).expect("a list");
    assert_eq!(left, [], "nobody is left");
}
