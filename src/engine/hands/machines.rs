//! Machines that Systems Manager reaches: the settings of a document, and the executors of a run for them.

use std::sync::{Arc, Mutex, PoisonError};

use outpost_executor::{Executor, NotStarted, Secrets};
use outpost_ssm::{Settings, Ssm, Store, Tag, Targets};

use crate::blueprint::model::{self, Machines};
use crate::document::Text;

/// Executors of this run, by their settings: each connects once.
#[derive(Debug)]
pub(super) struct Fleet {
    secrets: Secrets,
    known: Mutex<Vec<(Settings, Arc<Ssm>)>>,
}

impl Fleet {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { secrets, known: Mutex::default() }
    }

    pub(super) async fn executor(&self, machines: &Machines<'_>) -> Result<Arc<dyn Executor>, NotStarted> {
        let settings = settings(machines)?;
        let known = |all: &Vec<(Settings, Arc<Ssm>)>| {
            all.iter().find(|(known, _)| *known == settings).map(|(_, executor)| Arc::clone(executor))
        };
        if let Some(executor) = known(&self.known.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(executor);
        }
        let executor = Arc::new(Ssm::connect(settings.clone()).await.knowing(self.secrets.clone()));
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        all.push((settings, Arc::clone(&executor)));
        Ok(executor)
    }
}

/// `check` has seen to it that there are targets, in one way.
fn settings(machines: &Machines<'_>) -> Result<Settings, NotStarted> {
    let text = |text: &Option<Text<'_>>| text.as_ref().map(ToString::to_string);
    let targets = machines.targets.as_ref().and_then(targets);
    let targets = targets.ok_or_else(|| NotStarted::Refused("nobody says on which machines it runs".to_owned()))?;
    let mut settings = Settings::for_targets(targets);
    settings.region = text(&machines.region);
    settings.profile = text(&machines.profile);
    settings.endpoint = text(&machines.endpoint);
    settings.max_concurrency = text(&machines.max_concurrency);
    settings.max_errors = text(&machines.max_errors);
    settings.output = machines.output.as_ref().map(|output| Store {
        bucket: output.name.to_string(),
        prefix: output.prefix.as_ref().map(ToString::to_string).unwrap_or_default(),
    });
    settings.document = text(&machines.document).unwrap_or(settings.document);
    settings.state_directory = text(&machines.state_directory).unwrap_or(settings.state_directory);
    settings.delivery_timeout = machines.delivery_timeout.unwrap_or(settings.delivery_timeout);
    settings.patience = machines.patience.unwrap_or(settings.patience);
    settings.contain = machines.contain.unwrap_or(settings.contain);
    settings.send_secrets = machines.send_secrets.unwrap_or(settings.send_secrets);
    Ok(settings)
}

fn targets(targets: &model::Targets<'_>) -> Option<Targets> {
    let texts = |texts: &[Text<'_>]| texts.iter().map(ToString::to_string).collect();
    let tag = |tag: &model::Tag<'_>| Tag { name: tag.name.to_string(), values: texts(&tag.values) };
    let tags = |tags: &[model::Tag<'_>]| Targets::Tags(tags.iter().map(tag).collect());
    let instances = targets.instances.as_deref().map(|ids| Targets::Instances(texts(ids)));
    instances.or_else(|| targets.tags.as_deref().map(tags))
}
