//! A guard for the tests: `probe __container …`; and, for the suite of all executors, the keepers of a shell.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "conformance")]
    if std::env::args_os().nth(1).is_some_and(|word| word == outpost_shell::keeper::ARGUMENT) {
        return outpost_shell::keeper::main();
    }
    outpost_container::guard(std::env::args_os().skip(2))
}
