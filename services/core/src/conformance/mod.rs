//! What every adapter does: one suite for each port, run over each adapter by the tests of its own crate.
//!
//! ```text
//! outpost_core::conformance!(with);
//!
//! fn with(case: Case) { /* a runtime, a fresh subject */ runtime.block_on(case(&subject)) }
//! ```
//! A case knows the ports and nothing of what is behind them. Time is the subject's: a case lets it pass and waits until it
//! sees what it has to see; none measures it. Ids are new in each case, so that subjects may share what they keep in.

#![expect(clippy::expect_used, clippy::panic, reason = "a suite fails by panicking")]

mod blobs;
mod commit;
mod house;
mod list;
mod made;
mod queue;
mod race;
mod vault;

use std::fmt;
use std::future::{Future, poll_fn};
use std::path::Path;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::id::TenantId;
use crate::moment::Moment;
use crate::ports::{Blobs, Queue, Vault};
use crate::record::Counter;
use crate::store::{Address, House, Page, Pending, Problem, Row, Store, Write};

pub use blobs::{
    a_file_is_replaced_whole, a_large_file_arrives_as_it_is, a_link_opens_one_file_until_it_ends,
    bad_paths_are_refused, paths_are_listed_in_order, prefixes_stay_within_their_tenant, removing_takes_what_begins_so,
};
pub use commit::{
    a_change_has_a_size, a_counter_stays_within_its_bounds, a_row_is_created_once, a_row_is_removed_in_its_version,
    a_row_is_replaced_in_its_version, each_kind_of_row_is_kept_as_it_is, refusals_leave_nothing_behind,
    rows_of_others_are_out_of_reach, what_has_expired_is_gone,
};
pub use house::{
    due_messages_are_found, jobs_are_found_by_status_and_age, keys_and_tenants_are_found, tenants_are_all_listed,
    too_much_is_throttled,
};
pub use list::{
    every_limit_pages_through_everything, listings_are_in_their_order, other_places_lead_nowhere,
    usage_is_listed_for_its_span,
};
pub use queue::{
    a_receive_waits_for_a_ticket, a_stale_receipt_is_harmless, a_ticket_is_given_again_after_a_while,
    a_ticket_that_is_never_removed_dies, depth_is_told, hiding_longer_keeps_it, lanes_are_apart,
    two_receivers_never_hold_one_ticket,
};
pub use race::{
    one_of_many_creates_happens, one_of_many_replacements_happens, rivals_on_two_rows_never_mix,
    sixty_four_at_one_counter,
};
pub use vault::{
    a_secret_comes_back_and_goes, notes_tell_little, secrets_are_nowhere_in_clear,
    secrets_changed_at_once_are_all_there, secrets_stay_with_their_tenant,
};

/// An adapter under trial, with nothing in it yet.
pub trait Subject: Send + Sync + fmt::Debug {
    fn store(&self) -> &dyn Store;
    fn house(&self) -> &dyn House;
    fn queue(&self) -> &dyn Queue;
    fn blobs(&self) -> &dyn Blobs;
    fn vault(&self) -> &dyn Vault;
    /// The time that it goes by.
    fn now(&self) -> Moment;
    /// Lets so much of that time pass.
    fn pass(&self, time: Duration) -> Pending<'_, ()>;
    /// Lets a moment of real time pass between two looks.
    fn pause(&self) -> Pending<'_, ()>;
    /// What somebody gets who has nothing but this link.
    fn fetch<'a>(&'a self, link: &'a str) -> Pending<'a, Option<Vec<u8>>>;
    /// Whether these bytes are anywhere in what is stored, as far as that can be looked at.
    fn holds(&self, bytes: &[u8]) -> bool;
    /// A folder for files of the case.
    fn folder(&self) -> &Path;
}

/// One promise, tried on a fresh subject.
pub type Case = for<'a> fn(&'a dyn Subject) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// A test for each case, given to a function that takes a [`Case`].
#[macro_export]
macro_rules! conformance {
    ($with:path) => {
        $crate::conformance! { $with =>
            each_kind_of_row_is_kept_as_it_is a_row_is_created_once a_row_is_replaced_in_its_version
            a_row_is_removed_in_its_version a_counter_stays_within_its_bounds refusals_leave_nothing_behind
            rows_of_others_are_out_of_reach what_has_expired_is_gone a_change_has_a_size
            sixty_four_at_one_counter one_of_many_creates_happens one_of_many_replacements_happens
            rivals_on_two_rows_never_mix
            listings_are_in_their_order every_limit_pages_through_everything usage_is_listed_for_its_span
            other_places_lead_nowhere
            keys_and_tenants_are_found tenants_are_all_listed jobs_are_found_by_status_and_age due_messages_are_found
            too_much_is_throttled
            a_ticket_is_given_again_after_a_while hiding_longer_keeps_it a_ticket_that_is_never_removed_dies
            a_stale_receipt_is_harmless two_receivers_never_hold_one_ticket lanes_are_apart depth_is_told
            a_receive_waits_for_a_ticket
            bad_paths_are_refused paths_are_listed_in_order prefixes_stay_within_their_tenant
            a_file_is_replaced_whole a_large_file_arrives_as_it_is removing_takes_what_begins_so
            a_link_opens_one_file_until_it_ends
            a_secret_comes_back_and_goes secrets_changed_at_once_are_all_there notes_tell_little secrets_stay_with_their_tenant secrets_are_nowhere_in_clear
        }
    };
    ($with:path => $($case:ident)*) => {
        $(#[test]
        fn $case() {
            $with(|subject| Box::pin($crate::conformance::$case(subject)));
        })*
    };
}

/// How often something is looked for before it is given up.
const LOOKS: usize = 10_000;

/// Waits for something to be there.
async fn until<T>(subject: &dyn Subject, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    for _ in 0..LOOKS {
        if let Some(found) = look().await {
            return found;
        }
        subject.pause().await;
    }
    panic!("waited in vain until {what}")
}

/// All at once: each is begun before any is waited for.
async fn together<T>(mut pending: Vec<Pending<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = pending.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut waits = false;
        for (pending, done) in pending.iter_mut().zip(&mut done) {
            if done.is_none() {
                match pending.as_mut().poll(context) {
                    Poll::Ready(value) => *done = Some(value),
                    Poll::Pending => waits = true,
                }
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    done.into_iter().flatten().collect()
}

/// Commits, again while the store is busy: that is no answer to what was asked.
async fn commit(subject: &dyn Subject, tenant: &TenantId, writes: Vec<Write>) -> Result<(), Problem> {
    for _ in 0..LOOKS {
        match subject.store().commit(tenant, writes.clone()).await {
            Err(Problem::Busy) => subject.pause().await,
            answer => return answer,
        }
    }
    panic!("the store stayed busy")
}

async fn create(subject: &dyn Subject, tenant: &TenantId, row: impl Into<Row>) {
    assert_eq!(commit(subject, tenant, vec![Write::Create(row.into())]).await, Ok(()));
}

async fn get(subject: &dyn Subject, tenant: &TenantId, address: &Address) -> Option<Row> {
    subject.store().get(tenant, address).await.expect("a store that answers")
}

async fn count(subject: &dyn Subject, tenant: &TenantId, counter: Counter) -> u64 {
    subject.store().count(tenant, counter).await.expect("a store that answers")
}

/// All pages of a listing. A page may be shorter than it might, and an empty one may lead on.
async fn pages<T>(limit: usize, mut ask: impl AsyncFnMut(Option<String>) -> Page<T>) -> Vec<T> {
    let (mut all, mut after) = (Vec::new(), None);
    for _ in 0..LOOKS {
        let page = ask(after).await;
        assert!(page.rows.len() <= limit, "{} rows, where {limit} were asked for", page.rows.len());
        all.extend(page.rows);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
    panic!("pages without an end")
}
