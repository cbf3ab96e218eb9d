//! Real processes behind the real layers of this machine. What the machine lacks is said on stderr, not passed over.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stderr, reason = "what was skipped has to be seen")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use outpost_sandbox::{Gap, Layers, Limits, Network, Policy, WrapError};
use tempfile::TempDir;

struct Place {
    root: TempDir,
    policy: Policy,
}

impl Place {
    fn new() -> Self {
        // Not below /tmp: bubblewrap's view has one of its own there.
        let root = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let folder = |name: &str| {
            let path = root.path().join(name);
            fs::create_dir(&path).unwrap();
            path
        };
        let policy = Policy::new(folder("workspace"), folder("home"));
        fs::write(root.path().join("secret"), "hunter2").unwrap();
        Self { policy, root }
    }

    fn outside(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn run(&self, layers: &Layers, script: &str) -> Output {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", &self.policy.home);
        layers.wrap(&self.policy, &command, true).unwrap().output().unwrap()
    }
}

/// Both ways that this machine has. The first is always there on a machine that runs the suite.
fn ways() -> Vec<(&'static str, Layers)> {
    let layers = Layers::probe_with(PathBuf::from(env!("CARGO_BIN_EXE_outpost-sandbox-probe")));
    let mut ways = Vec::new();
    if layers.landlock() >= 6 && layers.seccomp() {
        ways.push(("Landlock and seccomp", layers.clone().without_bubblewrap()));
    } else {
        eprintln!(
            "SKIPPED: this machine lacks Landlock (with signals, of Linux 6.12) or seccomp: {:?}",
            layers.describe()
        );
    }
    if layers.bubblewrap().is_some() {
        ways.push(("bubblewrap", layers));
    } else {
        eprintln!("SKIPPED: this machine lacks bubblewrap: {:?}", layers.describe());
    }
    ways
}

fn said(output: &Output) -> String {
    format!(
        "{:?}\n{}{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn the_workspace_can_be_written_and_nothing_beside_it() {
    for (way, layers) in ways() {
        let place = Place::new();
        let output = place.run(&layers, "pwd; echo inside > file && cat file && echo home > $HOME/file");
        assert!(output.status.success(), "{way}: {}", said(&output));
        assert_eq!(fs::read_to_string(place.policy.workspace.join("file")).unwrap(), "inside\n", "{way}");
        assert_eq!(fs::read_to_string(place.policy.home.join("file")).unwrap(), "home\n", "{way}");
        let beside = place.outside("beside");
        let output = place.run(&layers, &format!("echo x > {0} || mkdir {0}", beside.display()));
        assert!(!output.status.success() && !beside.exists(), "{way}: {}", said(&output));
        let output = place.run(&layers, "echo x > /usr/outpost-was-here");
        assert!(!output.status.success() && !Path::new("/usr/outpost-was-here").exists(), "{way}: {}", said(&output));
    }
}

#[test]
fn what_is_not_named_cannot_be_read() {
    for (way, layers) in ways() {
        let place = Place::new();
        let secret = place.outside("secret");
        let output = place.run(&layers, &format!("cat {}", secret.display()));
        assert!(!output.status.success() && !said(&output).contains("hunter2"), "{way}: {}", said(&output));
        // A link does not lead there either.
        let output = place.run(&layers, "ln -s ../secret link && cat link");
        assert!(!output.status.success() && !said(&output).contains("hunter2"), "{way}: {}", said(&output));
        if let Some(home) = std::env::home_dir() {
            let output = place.run(&layers, &format!("ls {}", home.display()));
            assert!(!output.status.success(), "{way}: {}", said(&output));
        }
    }
}

#[test]
fn what_is_hidden_in_the_workspace_is_kept_from_it_or_said_not_to_be() {
    for (way, layers) in ways() {
        let mut place = Place::new();
        let hidden = place.policy.workspace.join("hidden");
        let within = hidden.join("within");
        fs::create_dir_all(&within).unwrap();
        fs::write(hidden.join("file"), "hunter2").unwrap();
        place.policy.hidden.push(hidden.clone());
        place.policy.read_write.push(within.clone());
        if layers.bubblewrap().is_none() {
            assert!(layers.gaps(&place.policy).contains(&Gap::Hidden), "{way}");
            let refused = layers.wrap(&place.policy, &Command::new("/bin/sh"), true).unwrap_err();
            assert_eq!(refused, WrapError::Open(Gap::Hidden), "{way}");
            continue;
        }
        let output = place
            .run(&layers, "echo here > beside; echo x > hidden/within/file; cat hidden/file || ! echo x > hidden/new");
        assert!(output.status.success() && !said(&output).contains("hunter2"), "{way}: {}", said(&output));
        assert_eq!(fs::read_to_string(hidden.join("file")).unwrap(), "hunter2", "{way}");
        assert!(within.join("file").exists() && place.policy.workspace.join("beside").exists(), "{way}");
        assert!(!hidden.join("new").exists(), "{way}");
    }
}

#[test]
fn what_ends_its_group_ends_all_of_it_and_its_own_signals_end_at_the_fence() {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::process::CommandExt as _;

    for (way, layers) in ways() {
        let place = Place::new();
        let script = format!(
            "trap 'echo asked; exit 3' TERM; if kill -0 {} 2> /dev/null; then echo outside; fi; echo begun; \
             while :; do sleep 0.05; done",
            std::process::id()
        );
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]).env("PATH", "/usr/bin:/bin");
        let mut wrapped = layers.wrap(&place.policy, &command, true).unwrap();
        let mut child = wrapped.process_group(0).stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        assert_eq!(lines.next().as_deref(), Some("begun"), "{way}: it signals who is outside");
        let group = layers.group(child.id()).unwrap_or_else(|| panic!("{way}: it runs, and has no group"));
        let group = rustix::process::Pid::from_raw(i32::try_from(group).unwrap()).unwrap();
        rustix::process::kill_process_group(group, rustix::process::Signal::TERM).unwrap();
        assert_eq!(lines.next().as_deref(), Some("asked"), "{way}");
        // To the end of its output: nobody holds it any more.
        assert_eq!(lines.next(), None, "{way}");
        assert_eq!(child.wait().unwrap().code(), Some(3), "{way}");
    }
}

#[test]
fn what_is_named_can_be_read_and_stays_as_it_is() {
    for (way, layers) in ways() {
        let mut place = Place::new();
        let tools = place.outside("tools");
        fs::create_dir(&tools).unwrap();
        fs::write(tools.join("file"), "tool").unwrap();
        place.policy.read_only.push(tools.clone());
        let output = place.run(&layers, &format!("cd {} && cat file && ! echo x > file", tools.display()));
        assert!(output.status.success() && said(&output).contains("tool"), "{way}: {}", said(&output));
        assert_eq!(fs::read_to_string(tools.join("file")).unwrap(), "tool", "{way}");
    }
}

#[test]
fn the_environment_is_what_was_given_and_nothing_else() {
    for (way, layers) in ways() {
        let output = Place::new().run(&layers, "env");
        let text = String::from_utf8(output.stdout).unwrap();
        let mut names: Vec<&str> = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
        // The shell's own, and what bubblewrap says of the folder.
        names.retain(|name| !["PWD", "OLDPWD", "SHLVL", "_"].contains(name));
        names.sort_unstable();
        assert_eq!(names, ["HOME", "PATH"], "{way}");
    }
}

#[test]
fn the_runners_environment_cannot_be_read_from_proc() {
    for (way, layers) in ways() {
        let script = format!("cat /proc/{}/environ > leaked", std::process::id());
        let place = Place::new();
        let output = place.run(&layers, &script);
        assert!(!output.status.success(), "{way}: {}", said(&output));
        assert_eq!(fs::read(place.policy.workspace.join("leaked")).unwrap_or_default(), b"", "{way}");
    }
}

/// Connects, and says `reached` or why not.
const CONNECT: &str = r#"
import socket, sys
kind, port = sys.argv[1], int(sys.argv[2])
try:
    if kind == "tcp":
        socket.create_connection(("127.0.0.1", port), 5)
    elif kind == "udp":
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", port))
    elif kind == "fast":
        socket.socket(socket.AF_INET, socket.SOCK_STREAM).sendto(b"x", 0x20000000, ("127.0.0.1", port))
    elif kind == "mptcp":
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262).connect(("127.0.0.1", port))
    elif kind == "raw":
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    elif kind == "unix":
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).connect(sys.argv[3])
    print("reached")
except OSError as error:
    print("refused", error)
"#;

fn python() -> bool {
    let there = Command::new("/usr/bin/python3").arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        eprintln!("SKIPPED: this machine has no /usr/bin/python3 to connect with");
    }
    there
}

fn connect(place: &Place, layers: &Layers, kind: &str, port: u16, path: &Path) -> String {
    fs::write(place.policy.workspace.join("connect.py"), CONNECT).unwrap();
    let script = format!("/usr/bin/python3 connect.py {kind} {port} {}", path.display());
    let output = place.run(layers, &script);
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn without_a_network_nothing_is_reached() {
    if !python() {
        return;
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (way, layers) in ways() {
        let mut place = Place::new();
        for kind in ["tcp", "fast", "mptcp", "raw"] {
            let told = connect(&place, &layers, kind, port, Path::new("-"));
            assert!(told.starts_with("refused"), "{way}, {kind}: {told}");
        }
        // The judge can tell the difference.
        place.policy.network = Network::On;
        let told = connect(&place, &layers, "tcp", port, Path::new("-"));
        assert!(told.starts_with("reached"), "{way}: {told}");
    }
}

#[test]
fn the_gateways_port_is_reached_and_no_other() {
    if !python() {
        return;
    }
    let [gateway, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    let [gateway, other] = [&gateway, &other].map(|listener| listener.local_addr().unwrap().port());
    for (way, layers) in ways() {
        let mut place = Place::new();
        place.policy.network = Network::Loopback { ports: vec![gateway] };
        if layers.gaps(&place.policy).contains(&Gap::Network) {
            eprintln!("SKIPPED: {way} holds no ports on this machine: {:?}", layers.describe());
            continue;
        }
        let told = connect(&place, &layers, "tcp", gateway, Path::new("-"));
        assert!(told.starts_with("reached"), "{way}: {told}");
        for (kind, port) in [("tcp", other), ("fast", other), ("mptcp", other), ("udp", other), ("udp", gateway)] {
            let told = connect(&place, &layers, kind, port, Path::new("-"));
            assert!(told.starts_with("refused"), "{way}, {kind}: {told}");
        }
    }
}

#[test]
fn a_daemons_socket_is_not_reached() {
    if !python() {
        return;
    }
    for (way, layers) in ways() {
        let mut place = Place::new();
        let socket = place.outside("daemon.sock");
        let _listener = UnixListener::bind(&socket).unwrap();
        place.policy.network = Network::On;
        let told = connect(&place, &layers, "unix", 0, &socket);
        assert!(told.starts_with("refused"), "{way}: {told}");
    }
}

#[test]
fn no_namespace_is_made_inside() {
    for (way, layers) in ways() {
        let output = Place::new().run(&layers, "unshare -Ur true");
        assert!(!output.status.success(), "{way}: {}", said(&output));
        let output = Place::new().run(&layers, "mount -t tmpfs none /mnt");
        assert!(!output.status.success(), "{way}: {}", said(&output));
        // Threads and processes still start.
        let output = Place::new().run(&layers, "(true & wait) && true | cat");
        assert!(output.status.success(), "{way}: {}", said(&output));
    }
}

#[test]
fn limits_hold() {
    for (way, layers) in ways() {
        let mut place = Place::new();
        place.policy.limits = Limits { open_files: Some(64), file_bytes: Some(4096), processes: None };
        let output = place.run(&layers, "ulimit -n; ulimit -c; head -c 100000 /dev/zero > big; wc -c < big");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["64", "0", "4096"], "{way}: {}", said(&output));
    }
}

#[test]
fn root_gives_a_command_a_user_of_its_own() {
    for (way, layers) in ways() {
        let mut place = Place::new();
        place.policy.user = Some(61_234);
        if !layers.can_change_user() {
            let command = Command::new("/bin/sh");
            let refused = layers.wrap(&place.policy, &command, true).unwrap_err();
            assert_eq!(refused, WrapError::Open(Gap::User), "{way}");
            eprintln!("SKIPPED: {way}: users can be changed by root without bubblewrap only");
            continue;
        }
        let mut path = place.root.path();
        // The folders above may be root's alone.
        let mut reachable = true;
        while let Some(above) = path.parent() {
            use std::os::unix::fs::PermissionsExt;
            reachable &= fs::metadata(above).unwrap().permissions().mode() & 1 == 1;
            path = above;
        }
        let output = place.run(&layers, "cd /; id -u; id -G; grep CapEff /proc/self/status");
        let text = said(&output);
        if reachable || output.status.success() {
            assert!(text.contains("61234\n61234\n"), "{way}: {text}");
            assert!(text.contains("CapEff:\t0000000000000000"), "{way}: {text}");
        } else {
            eprintln!("SKIPPED: another user cannot reach the folder of this test: {text}");
        }
    }
}

#[test]
fn an_exit_code_and_a_missing_program_are_told() {
    for (way, layers) in ways() {
        let place = Place::new();
        assert_eq!(place.run(&layers, "exit 7").status.code(), Some(7), "{way}");
        let command = Command::new("/no/such/program");
        let output = layers.wrap(&place.policy, &command, true).unwrap().output().unwrap();
        assert_eq!(output.status.code(), Some(126), "{way}: {}", said(&output));
        assert!(said(&output).contains("`/no/such/program`"), "{way}: {}", said(&output));
    }
}

#[test]
fn variables_are_the_commands_and_nobodys_before_it() {
    for (way, layers) in ways() {
        let place = Place::new();
        let mut command = Command::new("/bin/sh");
        // The loader of every program that has these in its environment writes such a file.
        let trace = place.outside("trace");
        command.args(["-c", "echo \"$LD_DEBUG $LD_DEBUG_OUTPUT\"; env"]);
        command.env("PATH", "/usr/bin:/bin").env("LD_DEBUG", "files").env("LD_DEBUG_OUTPUT", &trace);
        let output = layers.wrap(&place.policy, &command, true).unwrap().env("STARTER", "keeper").output().unwrap();
        let text = said(&output);
        assert!(text.contains(&format!("files {}\n", trace.display())), "{way}: {text}");
        // Who starts it may have a word of its own for it.
        assert!(text.contains("STARTER=keeper\n") && !text.contains("WITHIN"), "{way}: {text}");
        let names: Vec<_> = fs::read_dir(place.root.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!names.iter().any(|name| name.to_string_lossy().starts_with("trace")), "{way}: {names:?}");
    }
}

#[test]
fn a_policy_is_checked_before_anything_runs() {
    let layers = Layers::probe_with(PathBuf::from(env!("CARGO_BIN_EXE_outpost-sandbox-probe")));
    let place = Place::new();
    let command = Command::new("/bin/true");
    let mut policy = place.policy.clone();
    policy.read_only.push(PathBuf::from("here"));
    assert!(matches!(layers.wrap(&policy, &command, false), Err(WrapError::Relative(_))));
    policy.read_only = vec![place.outside("missing")];
    assert!(matches!(layers.wrap(&policy, &command, false), Err(WrapError::Missing(_))));
    for arguments in [&["__sandbox"][..], &["__sandbox", "{}", "--", "true"], &["__sandbox", "{}", "true"]] {
        let output = Command::new(env!("CARGO_BIN_EXE_outpost-sandbox-probe")).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(126), "{}", said(&output));
    }
}
