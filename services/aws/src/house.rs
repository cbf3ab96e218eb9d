//! What is asked for all tenants, of the same tables.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure};
use outpost_core::id::{JobId, MessageId, TenantId};
use outpost_core::job::Status;
use outpost_core::key::{KeyHash, KeyRecord};
use outpost_core::moment::Moment;
use outpost_core::store::{Address, House, Page, Pending, Problem, Row, Table};
use outpost_core::tenant::Tenant;

use crate::item::{
    self, CREATED, CUSTOMER, DUE, DUE_AT, DUE_MESSAGE, ENDS, EXPIRES, Item, KIND, STATUS, TOTAL, USER, number, text,
};
use crate::list::own_key;
use crate::tables::{BATCH, Tables};

/// How often a table or an index is asked for one answer.
const ROUNDS: usize = 256;

impl House for Tables {
    fn key<'a>(&'a self, hash: &'a KeyHash) -> Pending<'a, Result<Option<KeyRecord>, Problem>> {
        Box::pin(async move {
            let there = self.item(&Address::key(hash)).await?;
            match there.map(|there| item::row(&there, self.now())).transpose()?.flatten() {
                // The database has looked for it; what it found is compared in a time that tells nothing.
                Some(Row::Key(key)) if key.hash.is(hash) => Ok(Some(key)),
                _ => Ok(None),
            }
        })
    }

    fn tenant_of_email<'a>(&'a self, unique: &'a str) -> Pending<'a, Result<Option<TenantId>, Problem>> {
        Box::pin(async move {
            let there = self.item(&Address::email(unique)).await?;
            match there.map(|there| item::row(&there, self.now())).transpose()?.flatten() {
                Some(Row::Email(claim)) => Ok(Some(claim.tenant)),
                _ => Ok(None),
            }
        })
    }

    fn tenant_of_customer<'a>(&'a self, customer: &'a str) -> Pending<'a, Result<Option<TenantId>, Problem>> {
        Box::pin(async move {
            if customer.is_empty() {
                return Ok(None);
            }
            let found = self
                .client
                .query()
                .table_name(self.name(Table::Users))
                .index_name("stripe_customer_id-index")
                .key_condition_expression("#c = :c")
                .expression_attribute_names("#c", CUSTOMER)
                .expression_attribute_values(":c", text(customer))
                .limit(1)
                .send()
                .await;
            let found = found.map_err(|error| self.call("Query", Table::Users).failed(&error))?;
            let id = found.items().first().and_then(|found| item::said(found, USER).map(str::parse));
            id.transpose().map_err(|_| self.call("Query", Table::Users).broken("an id that is none"))
        })
    }

    fn tenants<'a>(&'a self, limit: usize, after: Option<&'a str>) -> Pending<'a, Result<Page<Tenant>, Problem>> {
        Box::pin(self.all_tenants(limit, after))
    }

    fn jobs(
        &self,
        status: Status,
        before: Moment,
        limit: usize,
    ) -> Pending<'_, Result<Vec<(TenantId, JobId)>, Problem>> {
        Box::pin(async move {
            let index = ("status-created_at-index", STATUS, CREATED);
            let bound = (text(status.as_str()), "<", text(before.to_string()));
            let rows = self.indexed(Table::Jobs, index, &bound, limit).await?;
            let jobs = rows.into_iter().filter_map(|row| match row {
                Row::Job(job) if job.status == status => Some((job.tenant, job.id)),
                _ => None,
            });
            Ok(jobs.collect())
        })
    }

    fn messages(&self, due: Moment, limit: usize) -> Pending<'_, Result<Vec<(TenantId, MessageId)>, Problem>> {
        Box::pin(async move {
            let index = ("due-index", DUE, DUE_AT);
            let bound = (text(DUE_MESSAGE), "<=", number(due.millis()));
            let rows = self.indexed(Table::Idempotency, index, &bound, limit).await?;
            let messages = rows.into_iter().filter_map(|row| match row {
                Row::Message(message) if message.next_at.is_some_and(|at| at <= due) => {
                    Some((message.tenant, message.id))
                }
                _ => None,
            });
            Ok(messages.collect())
        })
    }

    fn throttle<'a>(&'a self, name: &'a str, most: u64, expires: Moment) -> Pending<'a, Result<bool, Problem>> {
        Box::pin(async move {
            if most == 0 {
                return Ok(false);
            }
            let key = Item::from([("key".to_owned(), text(format!("throttle#{name}")))]);
            // It may count anew what ended; the second time nothing has.
            for _ in 0..2 {
                let counted = self.count_one(&key, most, expires).await?;
                if let Some(counted) = counted {
                    return Ok(counted);
                }
            }
            Err(Problem::Busy)
        })
    }

    fn ready(&self) -> Pending<'_, Result<(), Problem>> {
        Box::pin(async move {
            let mut question = self.client.batch_get_item();
            for table in Table::ALL {
                let asked = KeysAndAttributes::builder().keys(item::key(&nowhere(table))).build();
                let asked = asked.map_err(|error| self.call("BatchGetItem", table).broken(&error.to_string()))?;
                question = question.request_items(self.name(table), asked);
            }
            let Err(error) = question.send().await else { return Ok(()) };
            // Which of them it is.
            for table in Table::ALL {
                self.item(&nowhere(table)).await?;
            }
            Err(self.call("BatchGetItem", Table::Users).failed(&error))
        })
    }
}

/// Where no row of ours is.
fn nowhere(table: Table) -> Address {
    Address { table, partition: "?".into(), sort: "?".into() }
}

impl Tables {
    async fn all_tenants(&self, limit: usize, after: Option<&str>) -> Result<Page<Tenant>, Problem> {
        let mut page = Page { rows: Vec::new(), next: after.filter(|after| !after.is_empty()).map(str::to_owned) };
        for _ in 0..ROUNDS {
            let start = page.next.as_ref().map(|after| Item::from([(USER.to_owned(), text(after))]));
            let answer = self
                .client
                .scan()
                .table_name(self.name(Table::Users))
                .filter_expression("#k = :k")
                .expression_attribute_names("#k", KIND)
                .expression_attribute_values(":k", text("tenant"))
                .consistent_read(true)
                // Beside each tenant lies its address.
                .limit(i32::try_from(limit.saturating_mul(2).clamp(20, 1000)).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start)
                .send()
                .await;
            let answer = answer.map_err(|error| self.call("Scan", Table::Users).failed(&error))?;
            for there in answer.items() {
                if page.rows.len() == limit {
                    return Ok(page);
                }
                if let Some(Row::Tenant(tenant)) = item::row(there, self.now())? {
                    page.next = Some(tenant.id.to_string());
                    page.rows.push(tenant);
                }
            }
            page.next = answer.last_evaluated_key.as_ref().and_then(|key| item::said(key, USER)).map(str::to_owned);
            if page.next.is_none() {
                break;
            }
        }
        Ok(page)
    }

    /// Rows of an index up to a bound, the smallest first, as they are now; those that have ended are not among them.
    async fn indexed(
        &self,
        table: Table,
        (index, partition, range): (&'static str, &'static str, &'static str),
        (whose, how, bound): &(AttributeValue, &str, AttributeValue),
        limit: usize,
    ) -> Result<Vec<Row>, Problem> {
        let (mut rows, mut start) = (Vec::new(), None);
        for _ in 0..ROUNDS {
            let answer = self
                .client
                .query()
                .table_name(self.name(table))
                .index_name(index)
                .key_condition_expression(format!("#p = :p AND #r {how} :r"))
                .expression_attribute_names("#p", partition)
                .expression_attribute_names("#r", range)
                .expression_attribute_values(":p", whose.clone())
                .expression_attribute_values(":r", bound.clone())
                .limit(i32::try_from((limit - rows.len()).clamp(1, BATCH)).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start)
                .send()
                .await;
            let answer = answer.map_err(|error| self.call("Query", table).failed(&error))?;
            let entries = answer.items.unwrap_or_default();
            let mut items = self.by_key(table, &entries).await?;
            for entry in &entries {
                if let Some(there) = items.remove(&own_key(table, entry))
                    && let Some(row) = item::row(&there, self.now())?
                    && rows.len() < limit
                {
                    rows.push(row);
                }
            }
            start = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() || rows.len() >= limit {
                break;
            }
        }
        Ok(rows)
    }

    /// Counts one if there is room; none: what lies there has ended, and was taken away. An answer that was lost may have
    /// one counted that nobody was told of: it errs towards too few.
    async fn count_one(&self, key: &Item, most: u64, expires: Moment) -> Result<Option<bool>, Problem> {
        let now = self.now();
        let counted = self
            .client
            .update_item()
            .table_name(self.name(Table::Idempotency))
            .set_key(Some(key.clone()))
            .update_expression("SET #e = if_not_exists(#e, :e), #s = if_not_exists(#s, :s) ADD #n :one")
            .condition_expression("attribute_not_exists(#n) OR (#n < :most AND #e > :now)")
            .expression_attribute_names("#n", TOTAL)
            .expression_attribute_names("#e", ENDS)
            .expression_attribute_names("#s", EXPIRES)
            .expression_attribute_values(":e", number(expires.millis()))
            .expression_attribute_values(":s", number(item::seconds(expires)))
            .expression_attribute_values(":one", number(1_u64))
            .expression_attribute_values(":most", number(most))
            .expression_attribute_values(":now", number(now.millis()))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = counted else { return Ok(Some(true)) };
        let Some(UpdateItemError::ConditionalCheckFailedException(refused)) = error.as_service_error() else {
            return Err(self.call("UpdateItem", Table::Idempotency).failed(&error));
        };
        if !refused.item().is_some_and(|there| item::has_ended(there, now)) {
            return Ok(Some(false));
        }
        self.clear(Table::Idempotency, key.clone(), now).await?;
        Ok(None)
    }
}
