//! A command is sent once or twice, seen or not, brought or not: the work happens once, and its end is told.

use outpost_executor::{Executor as _, NotStarted, Outcome, Standing, Trace};

use crate::cloud::Fault;
use crate::stage::{Stage, on_tokio};

const EFFECT: &str = "echo x >> effects; exit 4";

#[test]
fn too_many_requests_are_asked_again() {
    let stage = Stage::new();
    stage.cloud.fault("SendCommand", &[Fault::Throttle; 3]);
    stage.cloud.fault("ListCommands", &[Fault::Throttle, Fault::Fail, Fault::LoseAnswer]);
    stage.cloud.fault("ListCommandInvocations", &[Fault::Throttle, Fault::LoseAnswer]);
    stage.cloud.fault("GetCommandInvocation", &[Fault::Throttle, Fault::Fail]);
    assert_eq!(stage.report(stage.work(EFFECT)).outcome, Outcome::Exited(4));
    assert_eq!((stage.cloud.calls("SendCommand").len(), stage.text("effects").as_str()), (4, "x\n"));
}

#[test]
fn a_command_whose_answer_was_lost_is_found_by_its_comment() {
    let stage = Stage::new();
    stage.cloud.fault("SendCommand", &[Fault::LoseAnswer]);
    assert_eq!(stage.report(stage.work(EFFECT)).outcome, Outcome::Exited(4));
    assert_eq!((stage.cloud.calls("SendCommand").len(), stage.text("effects").as_str()), (1, "x\n"));
}

#[test]
fn a_command_that_is_sent_again_because_nobody_saw_the_first_is_performed_once() {
    let stage = Stage::new();
    stage.cloud.fault("SendCommand", &[Fault::LoseAnswer]);
    stage.cloud.fault("ListCommands", &[Fault::Fail; 3]);
    assert_eq!(stage.report(stage.work(EFFECT)).outcome, Outcome::Exited(4));
    assert_eq!((stage.cloud.calls("SendCommand").len(), stage.text("effects").as_str()), (2, "x\n"));
}

#[test]
fn a_command_that_is_brought_twice_is_performed_once() {
    for round in 0..5 {
        let stage = Stage::new();
        stage.cloud.fault("SendCommand", &[Fault::Twice]);
        let report = stage.report(stage.work(EFFECT));
        assert_eq!((report.outcome, stage.text("effects").as_str()), (Outcome::Exited(4), "x\n"), "round {round}");
    }
}

#[test]
fn a_service_that_fails_before_it_sends_is_asked_again() {
    let stage = Stage::new();
    stage.cloud.fault("SendCommand", &[Fault::Fail, Fault::Fail]);
    assert_eq!(stage.report(stage.work(EFFECT)).outcome, Outcome::Exited(4));
    assert_eq!(stage.text("effects"), "x\n");
}

#[test]
fn what_aws_refuses_is_told_and_did_not_start() {
    let mut stage = Stage::new();
    stage.settings.document = "AWS-RunNothing".into();
    let outcome = stage.report(stage.work(EFFECT)).outcome;
    assert!(
        matches!(&outcome, Outcome::NotStarted(NotStarted::Other(why)) if why.contains("InvalidDocument")),
        "{outcome:?}"
    );
    stage.settings.state_directory = "here".into();
    let outcome = stage.report(stage.work(EFFECT)).outcome;
    assert!(
        matches!(&outcome, Outcome::NotStarted(NotStarted::Refused(why)) if why.contains("absolute")),
        "{outcome:?}"
    );
    assert_eq!(stage.cloud.calls("SendCommand").len(), 1);
}

#[test]
fn a_machine_that_is_not_there_did_not_start_it() {
    let stage = Stage::new();
    stage.cloud.fault("SendCommand", &[Fault::Offline]);
    let outcome = stage.report(stage.work(EFFECT)).outcome;
    assert!(
        matches!(&outcome, Outcome::NotStarted(NotStarted::Other(why)) if why.contains("DeliveryTimedOut")),
        "{outcome:?}"
    );
}

#[test]
fn a_success_that_nobody_saw_happen_is_none() {
    let stage = Stage::new();
    // The second one is sent to ask what became of it.
    stage.cloud.fault("SendCommand", &[Fault::Canned, Fault::Canned]);
    let outcome = stage.report(stage.work(EFFECT)).outcome;
    assert!(matches!(&outcome, Outcome::Lost(why) if why.contains("i-00000001")), "{outcome:?}");
    // Where the target can be asked, it says that it never saw it.
    stage.cloud.fault("SendCommand", &[Fault::Canned]);
    let outcome = stage.report(stage.work(EFFECT)).outcome;
    assert_eq!(outcome, Outcome::NotStarted(NotStarted::Cancelled));
    assert!(!stage.has("effects"));
}

#[test]
fn a_command_that_comes_after_it_was_asked_for_is_not_performed() {
    let stage = Stage::new();
    on_tokio(async {
        let ssm = stage.ssm();
        let work = stage.work(EFFECT);
        let (token, log) = (work.token.clone(), work.log.clone());
        // The runner died before it sent anything; as far as the next one can know, it may have.
        let trace = Trace { token: &token, log: &log, handle: None };
        let Standing::Running(asked) = ssm.reattach(trace).await else { panic!("nobody was asked") };
        assert_eq!(ssm.wait(&asked).await.outcome, Outcome::NotStarted(NotStarted::Cancelled));
        // And then it comes after all.
        let late = ssm.start(work).await.expect("a start");
        assert_eq!(ssm.wait(&late).await.outcome, Outcome::NotStarted(NotStarted::Cancelled));
    });
    assert!(!stage.has("effects"));
}

#[test]
fn what_aws_has_forgotten_the_target_still_knows() {
    let stage = Stage::new();
    on_tokio(async {
        let ssm = stage.ssm();
        let work = stage.work(EFFECT);
        let (token, log) = (work.token.clone(), work.log.clone());
        let handle = ssm.start(work).await.expect("a start");
        assert_eq!(ssm.wait(&handle).await.outcome, Outcome::Exited(4));
        stage.cloud.forget();
        let next = stage.ssm();
        let trace = Trace { token: &token, log: &log, handle: Some(&handle) };
        let Standing::Running(asked) = next.reattach(trace).await else { panic!("nobody was asked") };
        assert_eq!(next.wait(&asked).await.outcome, Outcome::Exited(4));
    });
    assert_eq!(stage.text("effects"), "x\n");
}

#[test]
fn a_service_that_never_answers_leaves_work_unknown() {
    let mut stage = Stage::new();
    stage.settings.patience = 1;
    on_tokio(async {
        let ssm = stage.ssm();
        let handle = ssm
            .start(stage.work("touch begun; until [ -e go ]; do sleep 0.01; done; touch over"))
            .await
            .expect("a start");
        stage.until("it has begun", || stage.has("begun")).await;
        stage.cloud.set_down(true);
        let outcome = ssm.wait(&handle).await.outcome;
        assert!(matches!(&outcome, Outcome::Lost(why) if why.contains("AWS has not answered")), "{outcome:?}");
        // It went on all the same.
        stage.touch("go");
        stage.until("it is over", || stage.has("over")).await;
    });
}
