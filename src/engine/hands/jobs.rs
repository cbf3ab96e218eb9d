//! The fleet of a service: the settings of a document and of this machine, and the executors of a run for them.

use std::sync::{Arc, Mutex, PoisonError};

use outpost_executor::{Executor, NotStarted, Secrets};
use outpost_fleet::{Fleet, Key, Settings};

use crate::blueprint::model;

pub use outpost_fleet::{KEY as FLEET_KEY, URL as FLEET_URL};

/// Executors of this run, by their settings: those of one service share its connections.
#[derive(Debug)]
pub(super) struct Services {
    secrets: Secrets,
    known: Mutex<Vec<(Settings, Arc<Fleet>)>>,
}

impl Services {
    pub(super) fn new(secrets: Secrets) -> Self {
        Self { secrets, known: Mutex::default() }
    }

    pub(super) fn executor(&self, fleet: &model::Fleet<'_>) -> Result<Arc<dyn Executor>, NotStarted> {
        let (settings, key) = settings(fleet).map_err(NotStarted::Refused)?;
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, executor)) = all.iter().find(|(known, _)| *known == settings) {
            return Ok(Arc::clone(executor) as Arc<dyn Executor>);
        }
        let executor = Fleet::new(settings.clone(), key).map_err(NotStarted::Refused)?;
        let executor = Arc::new(executor.knowing(self.secrets.clone()));
        all.push((settings, Arc::clone(&executor)));
        Ok(executor)
    }
}

/// What keeps the fleet from being asked, as far as this machine can tell.
pub fn lacking(fleet: &model::Fleet<'_>) -> Option<String> {
    match settings(fleet) {
        Ok((settings, _)) => settings.problem(),
        Err(why) => Some(why),
    }
}

/// A variable that says something.
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}

fn settings(fleet: &model::Fleet<'_>) -> Result<(Settings, Key), String> {
    let url = fleet.url.as_ref().map(ToString::to_string).or_else(|| variable(FLEET_URL));
    let (url, key) = match (url, variable(FLEET_KEY)) {
        (Some(url), Some(key)) => (url, key),
        (None, Some(_)) => {
            return Err(format!("nobody says where the fleet is: set `{FLEET_URL}`, or write `outpost: {{url: …}}`"));
        }
        (Some(_), None) => return Err(format!("the fleet needs a key: set `{FLEET_KEY}`")),
        (None, None) => {
            return Err(format!("the fleet needs an address and a key: set `{FLEET_URL}` and `{FLEET_KEY}`"));
        }
    };
    let mut settings = Settings::at(url);
    settings.repo = fleet.repo.as_ref().map(ToString::to_string);
    settings.reference = fleet.reference.as_ref().map(ToString::to_string);
    settings.labels = fleet.labels.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    settings.patience = fleet.patience.unwrap_or(settings.patience);
    settings.send_secrets = fleet.send_secrets.unwrap_or(settings.send_secrets);
    Ok((settings, Key::new(key)))
}
