//! What children are born with, what is told of their end, and what is said where there is no program. One thread, as a
//! keeper has: the nursery takes the signals of the whole process.

#![expect(clippy::expect_used, reason = "a test that cannot go on has to say so")]

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{Read as _, pipe};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::process::ExitStatus;
use std::thread::sleep;
use std::time::{Duration, Instant};

use outpost_spawn::{Collected, Nursery, Program, Used};
use rustix::io::Errno;
use rustix::process::Pid;

fn main() {
    let mut nursery = Nursery::new().expect("a nursery");
    nothing_is_collected_from_nobody(&nursery);
    a_child_has_a_clean_slate(&mut nursery);
    descriptors_are_found_under_their_numbers(&mut nursery);
    an_end_comes_with_its_status_and_use(&mut nursery);
    without_a_program_there_is_a_reason_and_no_child(&mut nursery);
}

fn nothing_is_collected_from_nobody(nursery: &Nursery) {
    assert!(matches!(nursery.collect(), Collected::Childless));
}

fn a_child_has_a_clean_slate(nursery: &mut Nursery) {
    let (told, status, _) = said(nursery, c"/bin/cat", &[c"cat", c"/proc/self/status"], &[]);
    assert!(status.success(), "{status}");
    for word in ["SigPnd:", "SigBlk:", "SigIgn:", "SigCgt:"] {
        let line = told.lines().find_map(|line| line.strip_prefix(word)).expect("a line of its status");
        // The C library keeps two for itself and lets nobody touch them.
        let signals = u64::from_str_radix(line.trim(), 16).expect("a mask") & !0x1_8000_0000;
        assert_eq!(signals, 0, "{word}{line}");
    }
    let script = c"[ $(cut -d' ' -f5 /proc/$$/stat) = $$ ] && echo $A-$B";
    let (told, status, _) = said(nursery, c"/bin/sh", &[c"sh", c"-c", script], &[c"A=1", c"B=x y"]);
    assert!(status.success(), "{status}");
    assert_eq!(told, "1-x y\n", "in a group of its own");
}

fn descriptors_are_found_under_their_numbers(nursery: &mut Nursery) {
    let (mut reader, writer) = pipe().expect("a pipe");
    let kept = File::open("/dev/null").expect("nothing");
    let closed = File::open("/dev/null").expect("nothing");
    let script = script_of(&format!(
        "[ -e /proc/self/fd/{} ] && ! [ -e /proc/self/fd/{} ] && echo kept >&7; exit 3",
        kept.as_raw_fd(),
        closed.as_raw_fd()
    ));
    let moved = [(writer.as_fd(), 1), (writer.as_fd(), 7)];
    let kept = [kept.as_fd()];
    let args = [c"sh", c"-c", script.as_c_str()];
    let program = Program { path: c"/bin/sh", args: &args, env: &[], moved: &moved, kept: &kept };
    let pid = nursery.spawn(&program).expect("a child");
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("its words");
    let (status, _) = end(nursery, pid);
    assert_eq!((text.as_str(), status.code()), ("kept\n", Some(3)));
    assert!(matches!(nursery.collect(), Collected::Childless));
}

fn an_end_comes_with_its_status_and_use(nursery: &mut Nursery) {
    let busy = c"i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; kill -9 $$";
    let (_, status, used) = said(nursery, c"/bin/sh", &[c"sh", c"-c", busy], &[]);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(9));
    assert!(used.user_us > 0 && used.max_rss_bytes > 100_000, "{used:?}");
}

fn without_a_program_there_is_a_reason_and_no_child(nursery: &mut Nursery) {
    for (path, reason) in
        [(c"/no/such/program", Errno::NOENT), (c"/", Errno::ACCESS), (c"/proc/self/status", Errno::ACCESS)]
    {
        let program = Program { path, args: &[c"x"], env: &[], moved: &[], kept: &[] };
        assert_eq!(nursery.spawn(&program).err(), Some(reason), "{path:?}");
        assert!(matches!(nursery.collect(), Collected::Childless), "{path:?}");
    }
}

fn script_of(text: &str) -> CString {
    CString::new(text).expect("text")
}

/// Runs a program to its end: what it wrote, how it ended, and what it used.
fn said(nursery: &mut Nursery, path: &CStr, args: &[&CStr], env: &[&CStr]) -> (String, ExitStatus, Used) {
    let (mut reader, writer) = pipe().expect("a pipe");
    let out: BorrowedFd<'_> = writer.as_fd();
    let path_in_env = [env, &[c"PATH=/usr/bin:/bin"]].concat();
    let program = Program { path, args, env: &path_in_env, moved: &[(out, 1)], kept: &[] };
    let pid = nursery.spawn(&program).expect("a child");
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("its words");
    let (status, used) = end(nursery, pid);
    (text, status, used)
}

fn end(nursery: &Nursery, child: Pid) -> (ExitStatus, Used) {
    let began = Instant::now();
    loop {
        match nursery.collect() {
            Collected::Ended(pid, status, used) if pid == child => return (status, used),
            Collected::Nothing if began.elapsed() < Duration::from_secs(60) => sleep(Duration::from_millis(1)),
            other => panic!("{other:?} in place of the end of {child:?}"),
        }
    }
}
