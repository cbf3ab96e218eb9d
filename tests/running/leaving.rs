//! Notices and the end of their runner: what is under way is waited for, and what never works is written down once.

use rustix::process::Signal;

use crate::project;

#[test]
fn f_26_a_command_that_tells_is_not_broken_off_and_runs_once() {
    let tell = "echo begins >> tells; await go; echo ends >> tells";
    let gate = format!(
        "human_required: {{action: look, reason: so, notify: {{channel: command, command: '{tell}'}}}}\nrun: note ran"
    );
    for arguments in [&["run", "blueprint.md"][..], &["run", "blueprint.md", "--wait"]] {
        let project = project("", &[("a", "", &gate)]);
        let running = project.start(project.command(arguments));
        project.until("the command", || project.path("tells").exists());
        running.signal(Signal::TERM);
        project.write("go", "");
        running.end();
        assert_eq!((project.told("notice_sent").len(), project.told("notice_failed").len()), (1, 0), "{arguments:?}");
        project.outpost(&["resume"]).with(3);
        let tells = std::fs::read_to_string(project.path("tells")).expect("a file");
        assert_eq!(tells, "begins\nends\n", "{arguments:?}");
        project.until_nothing_runs();
    }
}

#[test]
fn f_26_a_channel_that_never_works_is_written_down_once() {
    let gate =
        "human_required: {action: look, reason: so, notify: {channel: command, command: 'exit 3'}}\nrun: note ran";
    let project = project("", &[("a", "", gate)]);
    project.outpost(&["run", "blueprint.md"]).with(3).says(&["nobody was told by command: it exited with 3"]);
    for _ in 0..3 {
        let said = ["nobody was told by command: it exited with 3", "told: 0, not told: 1"];
        project.outpost(&["gates", "--remind"]).with(1).says(&said);
    }
    assert_eq!(project.told("notice_failed").len(), 1);
}
