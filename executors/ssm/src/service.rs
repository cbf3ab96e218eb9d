//! Systems Manager and S3, as far as they are asked: one request each, no retries, answers in our own words.
//!
//! Trouble is told apart by what the caller may conclude: whether a request was certainly not carried out is all that
//! matters to one that must not be carried out twice.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ssm::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_ssm::types::{Command, CommandFilter, CommandFilterKey, Target};

use crate::order::{Mark, Script};
use crate::settings::{Settings, Targets};

/// For one request.
const PATIENCE: Duration = Duration::from_secs(30);
const TO_CONNECT: Duration = Duration::from_secs(10);
/// Pages of commands that are looked through for a token: fifty commands each.
const MOST_PAGES: usize = 20;
/// Seconds that a command may take on a target, by the rules of AWS.
const LONGEST: u64 = 172_800;

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Too many requests: it was not carried out.
    Busy(String),
    /// The connection or the service failed: it may have been carried out.
    Unsure(String),
    /// It was not carried out, and will not be.
    Refused(String),
}

impl Trouble {
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Busy(words) | Self::Unsure(words) | Self::Refused(words) => words,
        }
    }
}

/// A command, as Systems Manager sees it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) is_over: bool,
    pub(crate) details: String,
}

/// A command on one machine.
#[derive(Clone, Debug)]
pub(crate) struct Invocation {
    pub(crate) machine: String,
    pub(crate) details: String,
    pub(crate) text: String,
    /// Where the whole of it is in the store.
    pub(crate) key: Option<String>,
}

#[derive(Debug)]
pub(crate) struct Service {
    ssm: aws_sdk_ssm::Client,
    s3: aws_sdk_s3::Client,
}

impl Service {
    pub(crate) fn new(settings: &Settings, config: &SdkConfig) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(PATIENCE).connect_timeout(TO_CONNECT).build();
        let mut ssm =
            aws_sdk_ssm::config::Builder::from(config).retry_config(RetryConfig::disabled()).timeout_config(timeouts);
        let mut s3 = aws_sdk_s3::config::Builder::from(config);
        if let Some(region) = &settings.region {
            ssm = ssm.region(Region::new(region.clone()));
            s3 = s3.region(Region::new(region.clone()));
        }
        if let Some(endpoint) = &settings.endpoint {
            ssm = ssm.endpoint_url(endpoint);
            s3 = s3.endpoint_url(endpoint).force_path_style(true);
        }
        Self { ssm: aws_sdk_ssm::Client::from_conf(ssm.build()), s3: aws_sdk_s3::Client::from_conf(s3.build()) }
    }

    /// Whom this machine is to AWS.
    pub(crate) async fn config(settings: &Settings) -> SdkConfig {
        let mut loader = aws_config::defaults(BehaviorVersion::latest());
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &settings.profile {
            loader = loader.profile_name(profile);
        }
        loader.load().await
    }

    /// Sends a command and answers its id.
    pub(crate) async fn send(
        &self,
        settings: &Settings,
        targets: &Targets,
        mark: &Mark,
        script: &Script,
        seconds: Option<u64>,
    ) -> Result<String, Trouble> {
        let seconds = seconds.unwrap_or(LONGEST).clamp(30, LONGEST);
        let parameters = HashMap::from([
            ("commands".to_owned(), script.0.clone()),
            ("executionTimeout".to_owned(), vec![seconds.to_string()]),
        ]);
        let mut request = self
            .ssm
            .send_command()
            .document_name(&settings.document)
            .comment(comment(mark))
            .timeout_seconds(i32::try_from(settings.delivery_timeout).unwrap_or(i32::MAX))
            .set_parameters(Some(parameters))
            .set_max_concurrency(settings.max_concurrency.clone())
            .set_max_errors(settings.max_errors.clone());
        request = match targets {
            Targets::Instances(ids) => request.set_instance_ids(Some(ids.clone())),
            Targets::Tags(tags) => {
                let target = |name: &str, values: &[String]| {
                    Target::builder().key(format!("tag:{name}")).set_values(Some(values.to_vec())).build()
                };
                request.set_targets(Some(tags.iter().map(|tag| target(&tag.name, &tag.values)).collect()))
            }
        };
        if let Some(store) = &settings.output {
            let prefix = Some(store.prefix.trim_matches('/')).filter(|prefix| !prefix.is_empty());
            request = request.output_s3_bucket_name(&store.bucket).set_output_s3_key_prefix(prefix.map(str::to_owned));
        }
        let sent = request.send().await.map_err(|error| trouble(&error))?;
        let id = sent.command.and_then(|command| command.command_id);
        id.ok_or_else(|| Trouble::Unsure("the answer to `SendCommand` names no command".to_owned()))
    }

    /// The command of this id, or nothing if there is none (yet: what was sent is seen a moment later).
    pub(crate) async fn look(&self, id: &str) -> Result<Option<Seen>, Trouble> {
        let answer = match self.ssm.list_commands().command_id(id).send().await {
            Ok(answer) => answer,
            Err(error) if code(&error) == Some("InvalidCommandId") => return Ok(None),
            Err(error) => return Err(trouble(&error)),
        };
        Ok(answer.commands.unwrap_or_default().first().map(Seen::of))
    }

    /// The newest command about this token. There is no filter for comments: the newest commands with the document
    /// are looked through.
    pub(crate) async fn find(&self, settings: &Settings, mark: &Mark) -> Result<Option<String>, Trouble> {
        let filter = CommandFilter::builder().key(CommandFilterKey::DocumentName).value(&settings.document).build();
        let filter = filter.map_err(|error| Trouble::Refused(error.to_string()))?;
        let mut pages = self.ssm.list_commands().filters(filter).max_results(50).into_paginator().send();
        let wanted = comment(mark);
        for _ in 0..MOST_PAGES {
            let Some(page) = pages.next().await else {
                break;
            };
            let commands = page.map_err(|error| trouble(&error))?.commands.unwrap_or_default();
            let found = commands.into_iter().find(|command| command.comment.as_deref() == Some(&wanted));
            if let Some(id) = found.and_then(|command| command.command_id) {
                return Ok(Some(id));
            }
        }
        Ok(None)
    }

    /// What a command that is over left on each of its machines, by their names.
    pub(crate) async fn invocations(&self, id: &str) -> Result<Vec<Invocation>, Trouble> {
        let mut pages = self.ssm.list_command_invocations().command_id(id).into_paginator().send();
        let mut machines = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| trouble(&error))?;
            for invocation in page.command_invocations.unwrap_or_default() {
                let details = invocation.status_details.unwrap_or_default();
                machines.push((invocation.instance_id.unwrap_or_default(), details));
            }
        }
        machines.sort();
        let mut found = Vec::new();
        for (machine, details) in machines {
            let answer = self.ssm.get_command_invocation().command_id(id).instance_id(&machine).send().await;
            let answer = answer.map_err(|error| trouble(&error))?;
            let text = answer.standard_output_content.unwrap_or_default();
            let key = answer.standard_output_url.filter(|url| !url.is_empty());
            found.push(Invocation { machine, details, text, key });
        }
        Ok(found)
    }

    /// What a machine left in the store. The address is one of S3, with the bucket in its path.
    pub(crate) async fn fetch(&self, bucket: &str, address: &str) -> Result<String, Trouble> {
        let key = address.split_once(&format!("/{bucket}/")).map(|(_, key)| key);
        let key = key.ok_or_else(|| Trouble::Refused(format!("`{address}` is not in the bucket `{bucket}`")))?;
        let answer = self.s3.get_object().bucket(bucket).key(key).send().await.map_err(|error| trouble(&error))?;
        let bytes = answer.body.collect().await.map_err(|error| Trouble::Unsure(error.to_string()))?;
        Ok(String::from_utf8_lossy(&bytes.to_vec()).into_owned())
    }

    /// Asks for the end of a command. One that is over needs none.
    pub(crate) async fn cancel(&self, id: &str) -> Result<(), Trouble> {
        self.ssm.cancel_command().command_id(id).send().await.map(drop).map_err(|error| trouble(&error))
    }
}

impl Seen {
    fn of(command: &Command) -> Self {
        let status = command.status.as_ref().map(|status| status.as_str().to_owned()).unwrap_or_default();
        let is_over = !matches!(status.as_str(), "" | "Pending" | "InProgress" | "Cancelling" | "Delayed");
        let details = command.status_details.clone().filter(|details| !details.is_empty()).unwrap_or(status);
        Self { is_over, details }
    }
}

/// By which a command is found again. AWS takes a hundred characters.
fn comment(mark: &Mark) -> String {
    format!("outpost {}", mark.0)
}

fn code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> Option<&str> {
    error.as_service_error().and_then(ProvideErrorMetadata::code)
}

fn trouble<E>(error: &SdkError<E>) -> Trouble
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let text = DisplayErrorContext(error).to_string();
    // What follows is for those who develop the SDK.
    let words = text.split(" (").next().unwrap_or(&text).to_owned();
    match error {
        SdkError::ConstructionFailure(_) => Trouble::Refused(words),
        // Without credentials nothing is sent; whatever else breaks a connection may do so after the request is through.
        SdkError::DispatchFailure(failure) if failure.is_user() || has_no_credentials(error) => Trouble::Refused(words),
        SdkError::ServiceError(service) => {
            let code = service.err().code().unwrap_or("an error without a code");
            let words = format!("{code}: {}", service.err().message().unwrap_or("without a word"));
            let status = service.raw().status().as_u16();
            let is_busy = ["Throttl", "TooManyRequests", "RequestLimitExceeded", "SlowDown", "RateExceeded"];
            if status == 429 || is_busy.iter().any(|busy| code.contains(busy)) {
                Trouble::Busy(words)
            } else if status >= 500 {
                Trouble::Unsure(words)
            } else {
                Trouble::Refused(words)
            }
        }
        _ => Trouble::Unsure(words),
    }
}

fn has_no_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<CredentialsError>() {
            return true;
        }
        next = error.source();
    }
    false
}
