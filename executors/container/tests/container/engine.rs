//! Engines are found by asking, and told of by what they answer.

use outpost_container::{Engine, Kind};

use crate::script::{NAME, Script, token};

#[test]
fn an_engine_that_does_not_answer_is_none() {
    let script = Script::that("exit 0", "info) echo 'Cannot connect to the daemon' >&2; exit 1;;");
    let said = Engine::find(None, script.dir.path().as_os_str()).unwrap_err().to_string();
    assert!(said.contains("Cannot connect to the daemon") && said.contains("`podman` is not on the PATH"), "{said}");
    let said = Engine::find(None, "relative".as_ref()).unwrap_err().to_string();
    assert!(said.contains("`docker` is not on the PATH"), "{said}");
    let script = Script::that("exit 0", "");
    let engine = Engine::find(None, script.dir.path().as_os_str()).unwrap();
    assert_eq!((engine.kind, engine.program), (Kind::Docker, script.program()));
    assert!(Engine::find(Some(Kind::Podman), script.dir.path().as_os_str()).is_err());
}

#[test]
fn containers_are_listed_and_removed_by_name() {
    let list = format!("ps) printf '{NAME}\\nother\\n';;");
    let script = Script::that("exit 0", &list);
    assert_eq!(script.engine().leftovers("/the/store").unwrap(), [token()]);
    assert!(script.read("ps.args").contains("label=outpost.scope=/the/store\n"));
    script.engine().remove(&token()).unwrap();
    assert!(script.read("rm.args").contains(NAME));
    let none = Script::that("exit 0", "rm) echo 'Error: No such container: x' >&2; exit 1;;");
    none.engine().remove(&token()).unwrap();
    let stuck = Script::that("exit 0", "rm) echo 'device busy' >&2; exit 1;;");
    assert!(stuck.engine().remove(&token()).unwrap_err().to_string().contains("device busy"));
}
