//! The suite that every executor passes. What this one does otherwise is in `can`.

use std::path::Path;
use std::time::Duration;

use outpost_executor::conformance::{self, Can, Case, Subject};
use outpost_executor::{Executor, Pending, Token, Work};
use outpost_fleet::Fleet;

use crate::Test;
use crate::stage::{Stage, on_tokio};

macro_rules! cases {
    ($($case:ident)*) => {
        pub(crate) const TESTS: &[Test] = &[$((
            stringify!($case),
            || with(|subject| Box::pin(conformance::$case(subject))),
        )),*];
    };
}

cases! {
    work_finds_its_arguments_environment_and_input what_cannot_start_is_told statuses_are_told a_signal_is_told
    a_report_may_be_given_up_and_asked_for_again settling_changes_nothing_else
    both_streams_are_told_apart large_output_is_bounded a_file_takes_standard_output_as_it_is secrets_are_hidden
    a_cancel_ends_the_whole_tree a_late_cancel_is_harmless a_timeout_ends_the_whole_tree
    what_outlives_its_program_is_ended
    work_of_a_dead_runner_is_found_again work_of_a_dead_runner_can_be_cancelled
    an_end_that_was_not_settled_is_told_to_the_next_runner work_whose_handle_was_lost_is_answered_for
    nobody_knows_of_what_never_started
    one_token_started_twice a_lost_connection_is_not_an_end
}

struct Remote {
    stage: Stage,
    fleet: Fleet,
}

fn with(case: Case) {
    on_tokio(async {
        let stage = Stage::new().await;
        let _worker = stage.worker();
        let mut subject = Remote { fleet: stage.fleet(), stage };
        case(&mut subject).await;
    });
}

impl Subject for Remote {
    fn executor(&self) -> &dyn Executor {
        &self.fleet
    }

    fn work(&self, script: &str, token: Token) -> Work {
        self.stage.work(script, token)
    }

    fn restart(&mut self) {
        self.fleet = self.stage.fleet();
    }

    fn can(&self) -> Can {
        Can { tell_signals: false, die_with_the_runner: false, start_a_token_once: true, ..Can::default() }
    }

    fn folder(&self) -> &Path {
        &self.stage.place
    }

    fn pause(&self) -> Pending<'_, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(10)))
    }

    fn connect(&self, up: bool) -> bool {
        self.stage.proxy.set_up(up);
        true
    }
}
