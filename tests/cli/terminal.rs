//! Where the output goes: colour on terminals only, and readers that stop reading.

use crate::builder::Test;
use crate::{FAULTY, RELEASE};

fn colourful(text: &str) -> bool {
    text.contains('\u{1b}')
}

/// The same text without colours.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        plain.push_str(part.split_once('m').expect("a colour ends with `m`").1);
    }
    plain
}

#[test]
fn a_pipe_gets_no_colour_unless_asked_for() {
    for arguments in
        [&["check", "f.md"][..], &["--color", "auto", "check", "f.md"], &["check", "f.md", "--color=never"]]
    {
        Test::of(arguments).file("f.md", FAULTY).stdout_snapshot("check_four_mistakes").code(2).run();
    }
    Test::of(&["check", "f.md", "--color", "always"])
        .file("f.md", FAULTY)
        .env("NO_COLOR", "1")
        .stdout_fits(|text| {
            assert!(colourful(text));
            assert!(plain(text).starts_with("error[BP202]: 3 tasks wait for each other: "), "{text}");
        })
        .code(2)
        .run();
}

#[test]
fn colour_says_nothing_that_words_do_not() {
    let (sent, seen) = std::sync::mpsc::channel();
    for when in ["always", "never"] {
        let sent = sent.clone();
        Test::of(&["graph", "r.md", "--color", when])
            .file("r.md", RELEASE)
            .stdout_fits(move |text| sent.send(text.to_owned()).expect("heard"))
            .run();
    }
    let (coloured, bare) = (seen.recv().expect("two"), seen.recv().expect("two"));
    assert!(colourful(&coloured) && !colourful(&bare));
    assert_eq!(plain(&coloured), bare);
}

#[test]
fn data_is_never_coloured() {
    for arguments in [
        &["check", "--json", "r.md"][..],
        &["check", "--format", "sarif", "r.md"],
        &["plan", "--json", "r.md"],
        &["graph", "--format", "mermaid", "r.md"],
        &["graph", "--format", "dot", "r.md"],
        &["graph", "--format", "svg", "r.md"],
        &["graph", "--format", "json", "r.md"],
        &["schema"],
        &["new"],
        &["man"],
    ] {
        Test::of(&[&["--color", "always"], arguments].concat())
            .file("r.md", RELEASE)
            .stdout_fits(|text| assert!(!text.is_empty() && !colourful(text), "{text}"))
            .run();
    }
}

#[cfg(target_os = "linux")]
mod tty {
    //! A real terminal, from the kernel's other end of it.

    use std::fs::{File, OpenOptions};
    use std::io::Read;
    use std::thread;

    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    use super::{FAULTY, Test, colourful};

    /// What `check` prints on a terminal, in this environment.
    fn shown(environment: &[(&'static str, &str)], arguments: &[&str]) -> String {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("a terminal of our own");
        unlockpt(&master).expect("a terminal that can be opened");
        let name = ptsname(&master, Vec::new()).expect("its name").into_string().expect("a path");
        let terminal = OpenOptions::new().read(true).write(true).open(name).expect("its other end");
        let mut master = File::from(master);
        let reader = thread::spawn(move || {
            let mut bytes = Vec::new();
            // When nobody holds the other end any more, Linux answers with an error.
            let _ = master.read_to_end(&mut bytes);
            String::from_utf8(bytes).expect("UTF-8")
        });
        let test = Test::of(&[&["check", "f.md"], arguments].concat()).file("f.md", FAULTY).code(2);
        environment.iter().fold(test, |test, (name, value)| test.env(name, value)).into_file(terminal).run();
        reader.join().expect("the terminal is read")
    }

    #[test]
    fn a_terminal_gets_colour_unless_the_user_says_no() {
        let term = ("TERM", "xterm-256color");
        assert!(colourful(&shown(&[term], &[])));
        for (environment, arguments) in [
            (&[term, ("NO_COLOR", "1")][..], &[][..]),
            (&[term, ("CLICOLOR", "0")], &[]),
            (&[("TERM", "dumb")], &[]),
            (&[term], &["--color", "never"]),
        ] {
            let text = shown(environment, arguments);
            assert!(!colourful(&text), "{environment:?} {arguments:?}: {text}");
            assert!(text.contains("error[BP202]"), "{text}");
        }
        assert!(!colourful(&shown(&[term, ("NO_COLOR", "1")], &["--color", "auto"])));
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    for (arguments, code) in [
        (&["check", "r.md"][..], 0),
        (&["check", "f.md"], 2),
        (&["check", "--json", "r.md"], 0),
        (&["check", "--format", "sarif", "r.md"], 0),
        (&["check", "--format", "github", "f.md"], 2),
        (&["plan", "r.md"], 0),
        (&["plan", "r.md", "--json"], 0),
        (&["graph", "r.md"], 0),
        (&["graph", "r.md", "--format", "svg"], 0),
        (&["explain"], 0),
        (&["explain", "BP201"], 0),
        (&["schema"], 0),
        (&["new"], 0),
        (&["completions", "bash"], 0),
        (&["man"], 0),
        (&["--help"], 0),
        (&["--version"], 0),
    ] {
        Test::of(arguments).file("r.md", RELEASE).file("f.md", FAULTY).closed_pipe().code(code).run();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let full = || std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
    for arguments in [&["check", "r.md"][..], &["plan", "r.md"], &["graph", "r.md"], &["schema"]] {
        Test::of(arguments)
            .file("r.md", RELEASE)
            .into_file(full())
            .stderr(
                "error: failed to write the output: No space left on device (os error 28)\nhint: check where it goes\n",
            )
            .code(2)
            .run();
    }
}
