//! A change: one `TransactWriteItems`, whose conditions are what the writes ask for.
//!
//! **Whether it happened is known, or is not claimed.** The client sends once; what is sent again is sent here, with the same
//! token, so that it happens at most once. Every item carries the number of its commit: where an answer was lost and the
//! change is refused when it is sent again, an item with our number says that it was ours. `Busy` is told only if no answer
//! was lost on the way; otherwise it is `Broken`, which promises nothing.
//!
//! An item that has ended may still lie in its place: a new row takes it, a counter is cleared away first.

use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use outpost_core::id::TenantId;
use outpost_core::moment::Moment;
use outpost_core::store::{Address, Problem, Row, Table, Write};

use crate::item::{self, ENDS, EXPIRES, Item, NONCE, TENANT, TOTAL, VERSION, number, text};
use crate::tables::Tables;
use crate::trouble::{is, is_busy};

/// How often a change is sent before it is called busy.
const TRIES: u32 = 4;
const OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;

/// What one sending came to.
enum Fate {
    Done,
    /// The first write that was refused, and what lies there.
    Refused(usize, Option<Item>),
    Busy,
    /// It may have happened.
    Unsure(Problem),
    /// It did not happen, and will not.
    Never(Problem),
}

impl Tables {
    pub(crate) async fn change(&self, tenant: &TenantId, writes: &[Write]) -> Result<(), Problem> {
        Write::fit(tenant, writes)?;
        if writes.is_empty() {
            return Ok(());
        }
        let (now, nonce) = (self.now(), self.nonce()?);
        let step = |write| Step { tables: self, tenant, now, nonce: &nonce }.of(write);
        let steps = writes.iter().map(step).collect::<Result<Vec<_>, _>>()?;
        let mut doubt = None;
        for time in 0..TRIES {
            match self.send(steps.clone(), &nonce).await {
                Fate::Done => return Ok(()),
                Fate::Refused(at, there) => {
                    let address = writes[at].address(tenant);
                    let counter = matches!(writes[at], Write::Count { .. });
                    if counter && there.is_some_and(|there| item::has_ended(&there, now)) {
                        self.clear(address.table, item::key(&address), now).await?;
                        continue;
                    }
                    return match doubt {
                        None => Err(Problem::Refused(at)),
                        Some(doubt) => self.settle(writes, &nonce, at, doubt).await,
                    };
                }
                Fate::Busy => {}
                Fate::Unsure(problem) => doubt = Some(problem),
                Fate::Never(problem) => return Err(problem),
            }
            if time + 1 < TRIES {
                self.breathe(time).await?;
            }
        }
        Err(doubt.unwrap_or(Problem::Busy))
    }

    async fn send(&self, steps: Vec<TransactWriteItem>, nonce: &str) -> Fate {
        let sent = self.once.transact_write_items().set_transact_items(Some(steps)).client_request_token(nonce);
        let Err(error) = sent.send().await else { return Fate::Done };
        if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() {
            return self.judge(cancelled.cancellation_reasons(), nonce);
        }
        // The same change is under way: an earlier sending of ours, whose answer was lost.
        let under_way =
            error.as_service_error().is_some_and(TransactWriteItemsError::is_transaction_in_progress_exception);
        let call = self.call("TransactWriteItems", Table::Jobs);
        match (call.failed(&error), &error) {
            (Problem::Busy, _) if under_way => Fate::Unsure(call.broken("the same change is still under way")),
            (Problem::Busy, _) => Fate::Busy,
            (problem, SdkError::ConstructionFailure(_)) => Fate::Never(problem),
            (problem, SdkError::ServiceError(told)) if told.raw().status().is_client_error() => Fate::Never(problem),
            (problem, _) => Fate::Unsure(problem),
        }
    }

    /// Reasons come in the order of the writes.
    fn judge(&self, reasons: &[CancellationReason], nonce: &str) -> Fate {
        let ours = |reason: &CancellationReason| {
            reason.item().is_some_and(|there| item::said(there, NONCE).is_some_and(|there| there == nonce))
        };
        if reasons.iter().any(ours) {
            return Fate::Done;
        }
        for (at, reason) in reasons.iter().enumerate() {
            match reason.code() {
                None | Some("None") => {}
                Some("ConditionalCheckFailed") => return Fate::Refused(at, reason.item().cloned()),
                Some(code) if is_busy(code) || code == "ProvisionedThroughputExceeded" => return Fate::Busy,
                Some(code) => {
                    let call = self.call("TransactWriteItems", Table::Jobs);
                    return Fate::Never(call.broken(&format!("write {at} of the change: {code}")));
                }
            }
        }
        Fate::Busy
    }

    /// Whether a change happened whose answer was lost, now that it was refused.
    async fn settle(&self, writes: &[Write], nonce: &str, at: usize, doubt: Problem) -> Result<(), Problem> {
        // Who writes such a row writes it once, and nobody changes it.
        let lasting = |row: &Row| matches!(row, Row::Audit(_) | Row::Usage(_) | Row::BillingEvent(_));
        let witness = writes.iter().find_map(|write| match write {
            Write::Create(row) if lasting(row) => Some(row.address()),
            _ => None,
        });
        let Some(witness) = witness else { return Err(doubt) };
        match self.item(&witness).await {
            Ok(Some(there)) if item::said(&there, NONCE) == Some(nonce) => Ok(()),
            Ok(_) => Err(Problem::Refused(at)),
            Err(_) => Err(doubt),
        }
    }

    /// Takes away a counter that has ended, and no other.
    pub(crate) async fn clear(&self, table: Table, key: Item, now: Moment) -> Result<(), Problem> {
        let cleared = self
            .client
            .delete_item()
            .table_name(self.name(table))
            .set_key(Some(key))
            .condition_expression("#e <= :now")
            .expression_attribute_names("#e", ENDS)
            .expression_attribute_values(":now", number(now.millis()))
            .send()
            .await;
        match cleared {
            Ok(_) => Ok(()),
            // Somebody else did, and it has begun anew.
            Err(error) if is(&error, &["ConditionalCheckFailedException"]) => Ok(()),
            Err(error) => Err(self.call("DeleteItem", table).failed(&error)),
        }
    }

    /// Waits a while that grows, and that is not the same for two who wait.
    async fn breathe(&self, time: u32) -> Result<(), Problem> {
        let mut random = [0; 2];
        self.chance.fill(&mut random)?;
        let most = 20_u64 << time.min(6);
        let share = u64::from(u16::from_be_bytes(random));
        tokio::time::sleep(Duration::from_millis(1 + most * share / u64::from(u16::MAX))).await;
        Ok(())
    }
}

/// What all writes of a change have in common.
#[derive(Clone, Copy)]
struct Step<'a> {
    tables: &'a Tables,
    tenant: &'a TenantId,
    now: Moment,
    nonce: &'a str,
}

impl Step<'_> {
    fn of(self, write: &Write) -> Result<TransactWriteItem, Problem> {
        match write {
            Write::Create(row) | Write::Replace(row) if row.tenant() != self.tenant => self.never(&row.address()),
            Write::Create(row) => self.create(&row.clone().with_version(1)),
            Write::Replace(row) => match row.version().checked_add(1) {
                Some(next) => self.replace(&row.clone().with_version(next), row.version()),
                None => self.never(&row.address()),
            },
            Write::Remove { address, version } => self.remove(address, *version),
            Write::Count { counter, add, most } => {
                let address = Address::counter(self.tenant, *counter);
                self.count(&address, counter.expires(), *add, *most)
            }
        }
    }

    fn create(self, row: &Row) -> Result<TransactWriteItem, Problem> {
        let address = row.address();
        let put = Put::builder()
            .table_name(self.tables.name(address.table))
            .set_item(Some(item::item(row, self.nonce)?))
            .condition_expression("attribute_not_exists(#k) OR #e <= :now")
            .expression_attribute_names("#k", item::key_names(address.table).0)
            .expression_attribute_names("#e", ENDS)
            .expression_attribute_values(":now", number(self.now.millis()))
            .return_values_on_condition_check_failure(OLD)
            .build();
        Ok(TransactWriteItem::builder().put(self.built(put, address.table)?).build())
    }

    fn replace(self, row: &Row, was: u64) -> Result<TransactWriteItem, Problem> {
        let table = row.address().table;
        let put = Put::builder()
            .table_name(self.tables.name(table))
            .set_item(Some(item::item(row, self.nonce)?))
            .condition_expression(IS)
            .expression_attribute_names("#t", TENANT)
            .expression_attribute_names("#v", VERSION)
            .expression_attribute_names("#e", ENDS)
            .expression_attribute_values(":t", text(self.tenant.as_str()))
            .expression_attribute_values(":v", number(was))
            .expression_attribute_values(":now", number(self.now.millis()))
            .return_values_on_condition_check_failure(OLD)
            .build();
        Ok(TransactWriteItem::builder().put(self.built(put, table)?).build())
    }

    fn remove(self, address: &Address, version: u64) -> Result<TransactWriteItem, Problem> {
        let delete = Delete::builder()
            .table_name(self.tables.name(address.table))
            .set_key(Some(item::key(address)))
            .condition_expression(IS)
            .expression_attribute_names("#t", TENANT)
            .expression_attribute_names("#v", VERSION)
            .expression_attribute_names("#e", ENDS)
            .expression_attribute_values(":t", text(self.tenant.as_str()))
            .expression_attribute_values(":v", number(version))
            .expression_attribute_values(":now", number(self.now.millis()))
            .return_values_on_condition_check_failure(OLD)
            .build();
        Ok(TransactWriteItem::builder().delete(self.built(delete, address.table)?).build())
    }

    /// The sum cannot be judged, so what stands is: it has to be between what the sum would leave of either bound.
    fn count(
        self,
        address: &Address,
        ends: Option<Moment>,
        add: i64,
        most: Option<u64>,
    ) -> Result<TransactWriteItem, Problem> {
        let add = i128::from(add);
        // The bounds of an interval that is never empty: the most is no less than nothing.
        let (least, most) = (-add, most.map_or(i128::from(i64::MAX), i128::from) - add);
        let within = "#n BETWEEN :least AND :most AND (attribute_not_exists(#e) OR #e > :now)";
        let condition = match (least..=most).contains(&0) {
            true => format!("attribute_not_exists(#n) OR ({within})"),
            false => within.to_owned(),
        };
        let mut change = "SET #t = :t, #x = :x".to_owned();
        let mut update = Update::builder();
        if let Some(ends) = ends {
            change += ", #e = :e, #s = :s";
            update = update
                .expression_attribute_names("#s", EXPIRES)
                .expression_attribute_values(":e", number(ends.millis()))
                .expression_attribute_values(":s", number(item::seconds(ends)));
        }
        let update = update
            .table_name(self.tables.name(address.table))
            .set_key(Some(item::key(address)))
            .update_expression(change + " ADD #n :n")
            .condition_expression(condition)
            .expression_attribute_names("#n", TOTAL)
            .expression_attribute_names("#e", ENDS)
            .expression_attribute_names("#t", TENANT)
            .expression_attribute_names("#x", NONCE)
            .expression_attribute_values(":n", number(add))
            .expression_attribute_values(":t", text(self.tenant.as_str()))
            .expression_attribute_values(":x", text(self.nonce))
            .expression_attribute_values(":least", number(least))
            .expression_attribute_values(":most", number(most))
            .expression_attribute_values(":now", number(self.now.millis()))
            .return_values_on_condition_check_failure(OLD)
            .build();
        Ok(TransactWriteItem::builder().update(self.built(update, address.table)?).build())
    }

    /// What is refused whatever lies there, in its turn.
    fn never(self, address: &Address) -> Result<TransactWriteItem, Problem> {
        let check = ConditionCheck::builder()
            .table_name(self.tables.name(address.table))
            .set_key(Some(item::key(address)))
            .condition_expression("attribute_exists(#k) AND attribute_not_exists(#k)")
            .expression_attribute_names("#k", item::key_names(address.table).0)
            .build();
        Ok(TransactWriteItem::builder().condition_check(self.built(check, address.table)?).build())
    }

    fn built<T>(self, built: Result<T, aws_sdk_dynamodb::error::BuildError>, table: Table) -> Result<T, Problem> {
        built.map_err(|error| self.tables.call("TransactWriteItems", table).broken(&error.to_string()))
    }
}

/// That a row of the tenant is there, in a version, and has not ended.
const IS: &str = "#t = :t AND #v = :v AND (attribute_not_exists(#e) OR #e > :now)";
