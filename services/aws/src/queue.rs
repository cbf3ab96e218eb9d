//! Tickets in SQS: a standard queue for each lane, whose redrive policy puts what was received three times into one more.
//!
//! A message is a ticket as JSON; its lane stands beside it, because all dead lie in one queue. The tenant is the message's
//! group: SQS then lets no tenant with many tickets keep others waiting. Seconds are rounded up.
//!
//! Whether a receipt is stale, SQS may not know: nothing relies on that but politeness.

use std::time::Duration;

use aws_config::SdkConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName};
use outpost_core::ports::{Delivery, Depth, Queue, Ticket};
use outpost_core::store::{Pending, Problem};
use outpost_core::tenant::Tier;

use crate::settings::Settings;
use crate::trouble::{Call, is};

/// The longest that SQS waits.
const LONGEST: Duration = Duration::from_secs(20);
/// The longest that SQS hides a message.
const HIDDEN: Duration = Duration::from_secs(43_200);
const DEAD_HIDDEN: i32 = 60;
/// Messages in one answer.
const BATCH: usize = 10;
/// More than the longest wait.
const PATIENCE: Duration = Duration::from_secs(30);
const LANE: &str = "lane";
/// What SQS says of a receipt that is no longer anybody's.
const STALE: &[&str] = &["ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue"];

#[derive(Debug)]
pub(crate) struct Lanes {
    client: Client,
    urls: [String; Tier::ALL.len()],
    dead: String,
}

impl Lanes {
    /// Looks up those queues that are named and not addressed.
    pub(crate) async fn open(config: &SdkConfig, settings: &Settings) -> Result<Self, Problem> {
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(PATIENCE).read_timeout(PATIENCE).build();
        let client = Client::from_conf(aws_sdk_sqs::config::Builder::from(config).timeout_config(timeouts).build());
        let mut urls = [const { String::new() }; Tier::ALL.len()];
        for (url, name) in urls.iter_mut().zip(&settings.queues) {
            *url = address(&client, name).await?;
        }
        let dead = address(&client, &settings.dead).await?;
        Ok(Self { client, urls, dead })
    }

    fn url(&self, lane: Tier) -> &str {
        match lane {
            Tier::Free => &self.urls[0],
            Tier::Pro => &self.urls[1],
            Tier::Enterprise => &self.urls[2],
        }
    }

    async fn received(&self, url: &str, most: usize, wait: Duration, hide: i32) -> Result<Vec<Message>, Problem> {
        let answer = self
            .client
            .receive_message()
            .queue_url(url)
            .max_number_of_messages(i32::try_from(most.clamp(1, BATCH)).unwrap_or(1))
            .wait_time_seconds(seconds(wait, LONGEST))
            .visibility_timeout(hide)
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .message_attribute_names(LANE)
            .send()
            .await;
        let answer = answer.map_err(|error| call("ReceiveMessage", url).failed(&error))?;
        Ok(answer.messages.unwrap_or_default())
    }

    async fn delete(&self, url: &str, receipt: &str) -> Result<(), Problem> {
        match self.client.delete_message().queue_url(url).receipt_handle(receipt).send().await {
            Ok(_) => Ok(()),
            Err(error) if is(&error, STALE) => Ok(()),
            Err(error) => Err(call("DeleteMessage", url).failed(&error)),
        }
    }
}

fn call<'a>(operation: &'static str, on: &'a str) -> Call<'a> {
    Call { service: "SQS", operation, on }
}

async fn address(client: &Client, name: &str) -> Result<String, Problem> {
    if name.starts_with("http") {
        return Ok(name.to_owned());
    }
    let found = client.get_queue_url().queue_name(name).send().await;
    let found = found.map_err(|error| call("GetQueueUrl", name).failed(&error))?;
    found.queue_url.ok_or_else(|| call("GetQueueUrl", name).broken("an answer without an address"))
}

/// Whole seconds, rounded up.
fn seconds(time: Duration, most: Duration) -> i32 {
    let whole = time.min(most).as_millis().div_ceil(1000);
    i32::try_from(whole).unwrap_or(i32::MAX)
}

/// None: what lies there is no ticket.
fn delivery(message: Message, lane: Option<Tier>) -> Option<Delivery> {
    let said = || {
        let text = message.message_attributes.as_ref()?.get(LANE)?.string_value()?;
        Tier::ALL.into_iter().find(|tier| tier.as_str() == text)
    };
    let receives =
        message.attributes.as_ref()?.get(&MessageSystemAttributeName::ApproximateReceiveCount)?.parse().ok()?;
    let lane = lane.or_else(said)?;
    let ticket: Ticket = serde_json::from_str(message.body.as_deref()?).ok()?;
    Some(Delivery { ticket, lane, receipt: message.receipt_handle?, receives })
}

impl Queue for Lanes {
    fn send<'a>(&'a self, lane: Tier, ticket: &'a Ticket) -> Pending<'a, Result<(), Problem>> {
        Box::pin(async move {
            let (url, unfit) = (self.url(lane), |why: String| call("SendMessage", self.url(lane)).broken(&why));
            let body = serde_json::to_string(ticket).map_err(|error| unfit(error.to_string()))?;
            let beside = MessageAttributeValue::builder().data_type("String").string_value(lane.as_str()).build();
            let sent = self
                .client
                .send_message()
                .queue_url(url)
                .message_body(body)
                .message_group_id(ticket.tenant.as_str())
                .message_attributes(LANE, beside.map_err(|error| unfit(error.to_string()))?)
                .send()
                .await;
            sent.map(drop).map_err(|error| call("SendMessage", url).failed(&error))
        })
    }

    fn receive(&self, lane: Tier, wait: Duration, hide: Duration) -> Pending<'_, Result<Option<Delivery>, Problem>> {
        Box::pin(async move {
            let url = self.url(lane);
            let Some(message) = self.received(url, 1, wait, seconds(hide, HIDDEN)).await?.pop() else {
                return Ok(None);
            };
            // It is left where it is: after its third time it is dead.
            delivery(message, Some(lane))
                .map(Some)
                .ok_or_else(|| call("ReceiveMessage", url).broken("a message that is no ticket"))
        })
    }

    fn hide<'a>(&'a self, delivery: &'a Delivery, hide: Duration) -> Pending<'a, Result<bool, Problem>> {
        Box::pin(async move {
            let url = self.url(delivery.lane);
            let hidden = self
                .client
                .change_message_visibility()
                .queue_url(url)
                .receipt_handle(&delivery.receipt)
                .visibility_timeout(seconds(hide, HIDDEN))
                .send()
                .await;
            match hidden {
                Ok(_) => Ok(true),
                Err(error) if is(&error, STALE) => Ok(false),
                Err(error) => Err(call("ChangeMessageVisibility", url).failed(&error)),
            }
        })
    }

    fn remove<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Problem>> {
        Box::pin(self.delete(self.url(delivery.lane), &delivery.receipt))
    }

    fn depth(&self, lane: Tier) -> Pending<'_, Result<Depth, Problem>> {
        Box::pin(async move {
            use QueueAttributeName::{
                ApproximateNumberOfMessages as Ready, ApproximateNumberOfMessagesDelayed as Delayed,
                ApproximateNumberOfMessagesNotVisible as Hidden,
            };
            let url = self.url(lane);
            let asked = self.client.get_queue_attributes().queue_url(url);
            let answer = asked.attribute_names(Ready).attribute_names(Delayed).attribute_names(Hidden).send().await;
            let told = answer.map_err(|error| call("GetQueueAttributes", url).failed(&error))?;
            let told = told.attributes.unwrap_or_default();
            let number = |name| told.get(&name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
            Ok(Depth { ready: number(Ready) + number(Delayed), hidden: number(Hidden) })
        })
    }

    fn dead(&self, most: usize) -> Pending<'_, Result<Vec<Delivery>, Problem>> {
        Box::pin(async move {
            let mut dead = Vec::new();
            while dead.len() < most {
                // A second, so that all of its machines are asked and not some.
                let wait = Duration::from_secs(1);
                let found = self.received(&self.dead, most - dead.len(), wait, DEAD_HIDDEN).await?;
                if found.is_empty() {
                    break;
                }
                dead.extend(found.into_iter().filter_map(|message| delivery(message, None)));
            }
            Ok(dead)
        })
    }

    fn bury<'a>(&'a self, delivery: &'a Delivery) -> Pending<'a, Result<(), Problem>> {
        Box::pin(self.delete(&self.dead, &delivery.receipt))
    }
}
