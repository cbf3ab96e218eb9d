//! What travels for a task: its output, before its end is written down, and its inputs, before it starts.
//!
//! An errand owns all it needs and runs on a thread of its own, so that the driver never waits for a network or hashes a
//! large file. It can be broken off, between two pieces of what
//! it copies or when the process ends: what was sent is sent again by whoever takes the run up, the same
//! file to the same address.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::{Content, Copy, Place, Problem, measure, shown};
use crate::blueprint::TaskIndex;
use crate::blueprint::model::{BindingSource, Transfer};
use crate::engine::bench::Bench;
use crate::engine::fence::Fence;
use crate::engine::moment::now;
use crate::engine::output::{self, Places, RECORD, Values};
use crate::engine::secret::Resolved;
use crate::run::{KeptPort, Moment, Run};

/// How long a signed address is of use.
const SIGNED: Duration = Duration::from_secs(3600);

/// The file that an output came in, and where it went; kept with the ports, and so in the journal's digests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub file: PathBuf,
    pub content: Content,
    /// When it was left.
    pub made: Moment,
    /// Whether the attempt wrote the file: what was there before and was left as it is belongs to somebody else.
    pub written: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Copy>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored: Option<Copy>,
}

impl Record {
    /// The record among the ports of a task.
    pub fn among(values: &Values) -> Option<Self> {
        values.get(RECORD).and_then(|value| serde_json::from_value(value.clone()).ok())
    }
}

impl Bench<'_> {
    /// Whether more is kept of the output of a task than its ports: it is sent somewhere, or cleaned up one day.
    pub(in crate::engine) fn wants_record(&self, index: TaskIndex) -> bool {
        let Some(output) = self.task(index).output.as_deref() else {
            return false;
        };
        let is_stored = || self.stored_output(index, Moment::default()).is_some();
        output.location == Transfer::Network || output.cleanup.is_some() || is_stored()
    }

    /// What has to be sent of what an attempt left; nothing if it left nothing that could be.
    pub(in crate::engine) fn sending(
        &self,
        index: TaskIndex,
        attempt: u32,
        at: Moment,
        values: &Values,
    ) -> Result<Option<Sending>, String> {
        let task = self.task(index);
        let Some(output) = task.output.as_deref() else {
            return Ok(None);
        };
        let network = self.network(index, at).transpose()?;
        let file = |name| self.files.of_attempt(&task.id, attempt, name);
        let record = self.stored_record(index, &format!("{}@{attempt}.ports.json", task.id)).transpose()?;
        let stored = self.stored_output(index, at).transpose()?.zip(record);
        let places = self.places(index, attempt, at);
        let (left, written) = match output::find(output, &places) {
            Some(left) => {
                let written = places.declared.as_ref() != Some(&left) || self.wrote(index, attempt, &left);
                (left, written)
            }
            // All ports have fixed values: they are what is sent.
            None if !values.is_empty() && (network.is_some() || stored.is_some()) => {
                let left = file("left.json");
                output::keep(&left, values).map_err(|error| format!("`{}`: {error}", left.display()))?;
                (left, true)
            }
            None if network.is_some() => return Err(output::missing(output, &places)),
            None => return Ok(None),
        };
        let made = now();
        Ok(Some(Sending {
            file: left,
            made,
            written,
            values: values.clone(),
            network,
            stored,
            aside: file("sent.json"),
            fence: self.fence(),
            guard: output::is_opaque(output).then(|| (places, self.secrets.clone())),
        }))
    }

    /// What has to be here before a task starts.
    pub(in crate::engine) fn fetching(
        &self,
        run: &Run,
        index: TaskIndex,
        attempt: u32,
    ) -> Result<Vec<Fetching>, String> {
        let mut all: Vec<Fetching> = Vec::new();
        for binding in &*self.task(index).bindings {
            let BindingSource::Task { target: Some(source), .. } = &binding.source else {
                continue;
            };
            let source = run.stand_in(*source);
            let (task, kept) = (self.task(source), run.task(source).kept.as_ref());
            let at = run.task(source).attempt_started.unwrap_or(run.latest());
            let network = match binding.transfer {
                Transfer::Network => self.network(source, at).transpose()?,
                _ => None,
            };
            let stored = match kept {
                Some((made, _)) => {
                    let record = self.stored_record(source, &format!("{}@{made}.ports.json", task.id)).transpose()?;
                    self.stored_output(source, at).transpose()?.zip(record)
                }
                None => None,
            };
            if network.is_none() && stored.is_none() {
                continue;
            }
            if let Some(known) = all.iter_mut().find(|known| known.source == source.0) {
                known.network = known.network.take().or(network);
                continue;
            }
            all.push(Fetching {
                source: source.0,
                id: task.id.to_string(),
                kept: kept.map(|(made, ports)| (ports.clone(), self.files.ports(&task.id, *made))),
                network,
                stored,
                to: self.files.of_attempt(&self.task(index).id, attempt, &format!("from-{}", task.id)),
            });
        }
        Ok(all)
    }
}

/// What has to be sent before the end of a task counts.
#[derive(Debug)]
pub struct Sending {
    pub file: PathBuf,
    pub made: Moment,
    pub written: bool,
    /// What the task left, judged.
    pub values: Values,
    pub network: Option<Place>,
    /// Where the store keeps the file, and the ports.
    pub stored: Option<(Place, Place)>,
    /// Where the ports stand until they are sent.
    pub aside: PathBuf,
    /// What nobody looked into goes nowhere with one of these secrets.
    pub guard: Option<(Places, Resolved)>,
    pub fence: Fence,
}

impl Sending {
    /// What the task left, with the record of where it is.
    pub async fn carry_out(self) -> Result<Values, Problem> {
        let Self { file, made, written, mut values, network, stored, aside, guard, fence } = self;
        if let Some((places, secrets)) = &guard
            && let Some(secret) = secrets.find_in(&file)
        {
            return Err(Problem::lasting(places.refuse(&file, secret)));
        }
        let mut content = None;
        let mut copy = async |place: Option<&Place>| match place {
            Some(place) => {
                let (copy, sent) = place.put(&file).await?;
                // Both addresses have the same file, or it is nobody's output.
                if content.replace(sent.clone()).is_some_and(|before| before != sent) {
                    return Err(Problem::lasting(format!("`{}` changes while it is sent", file.display())));
                }
                Ok(Some(copy))
            }
            None => Ok(None),
        };
        let network = copy(network.as_ref()).await?;
        let in_store = copy(stored.as_ref().map(|(output, _)| output)).await?;
        let content = match content {
            Some(content) => content,
            None => measure(&fence, &file)?,
        };
        let record = Record { file, content, made, written, network, stored: in_store };
        let record = serde_json::to_value(&record).map_err(|error| Problem::lasting(error.to_string()))?;
        values.insert(RECORD.to_owned(), record);
        if let Some((_, ports)) = &stored {
            output::keep(&aside, &values).map_err(|error| super::local(&error))?;
            ports.put(&aside).await?;
        }
        Ok(values)
    }
}

/// What has to be here before a task starts: the output of one that it binds.
#[derive(Debug)]
pub struct Fetching {
    /// The task whose output it is.
    pub source: u32,
    pub id: String,
    /// The ports that the journal knows, and where they are kept; nothing for a task that was done before this run.
    pub kept: Option<(Vec<KeptPort>, PathBuf)>,
    /// Whether the task takes it from the network, and how to speak to it; its address unless the record has one.
    pub network: Option<Place>,
    /// How to speak to the store, and where the ports are there.
    pub stored: Option<(Place, Place)>,
    /// Where it goes.
    pub to: PathBuf,
}

/// An output that is here, and how a task is told of it.
#[derive(Clone, Debug)]
pub struct Arrived {
    pub file: PathBuf,
    /// `{uri, file, sha256, bytes, signed_url, expires_at}`
    pub entry: Value,
}

/// What came of fetching, by task. The error says what is wrong and whether it may pass.
pub type Arrivals = HashMap<u32, Result<Arrived, Problem>>;

impl Fetching {
    async fn carry_out(&self) -> Result<Arrived, Problem> {
        let record = match &self.kept {
            Some((ports, path)) => Some(self.record(ports, path).await?),
            None => None,
        };
        let place = |template: &Place, copy: Option<&Copy>| {
            copy.map_or_else(|| template.clone(), |copy| template.at(&copy.uri))
        };
        if let Some(network) = &self.network {
            let copy = record.as_ref().and_then(|record| record.network.as_ref());
            let version = copy.and_then(|copy| copy.version.clone());
            let place = place(network, copy);
            let wanted = record.as_ref().map(|record| &record.content);
            let content = place.get(version.as_deref(), wanted, &self.to).await?;
            return arrived(&place, version.as_deref(), self.to.clone(), &content).await;
        }
        let (Some((stored, _)), Some(record)) = (&self.stored, record) else {
            return Err(Problem::lasting(format!("`{}` left nothing that could be fetched", self.id)));
        };
        let Some(copy) = &record.stored else {
            return Err(Problem::lasting(format!("the output of `{}` did not go to the store", self.id)));
        };
        let place = place(stored, Some(copy));
        let version = copy.version.as_deref();
        // Where it was left it serves as well, if it still is what was left.
        let is_here = measure(&place.fence, &record.file).is_ok_and(|content| content == record.content);
        let file = if is_here { record.file } else { self.to.clone() };
        if !is_here {
            place.get(version, Some(&record.content), &file).await?;
        }
        arrived(&place, version, file, &record.content).await
    }

    /// What the journal vouches for. Ports that are not here any more come from the store.
    async fn record(&self, ports: &[KeptPort], path: &Path) -> Result<Record, Problem> {
        if let (false, Some((_, stored))) = (path.exists(), &self.stored) {
            stored.get(None, None, path).await?;
        }
        let values = output::kept(path, ports).map_err(Problem::lasting)?;
        Record::among(&values)
            .ok_or_else(|| Problem::lasting(format!("`{}` left its output before it was to be sent anywhere", self.id)))
    }
}

async fn arrived(place: &Place, version: Option<&str>, file: PathBuf, content: &Content) -> Result<Arrived, Problem> {
    let mut entry = json!({
        "uri": shown(&place.uri),
        "file": file.to_string_lossy(),
        "sha256": content.sha256,
        "bytes": content.bytes,
    });
    let expires = SystemTime::now() + SIGNED;
    if let Some(url) = place.sign(version, SIGNED).await? {
        let expires = jiff::Timestamp::try_from(expires).unwrap_or(jiff::Timestamp::MAX);
        let expires = expires.round(jiff::Unit::Second).unwrap_or(expires);
        entry["signed_url"] = Value::String(url);
        entry["expires_at"] = Value::String(expires.to_string());
    }
    Ok(Arrived { file, entry })
}

/// Fetches all that a task needs.
pub async fn fetch(all: Vec<Fetching>) -> Arrivals {
    let mut arrivals = Arrivals::new();
    for one in all {
        arrivals.insert(one.source, one.carry_out().await);
    }
    arrivals
}

/// How long an errand that was told to stop is waited for: one in the middle of a copy hears it late, and is left behind.
pub const STOPPED: Duration = Duration::from_secs(2);

/// Runs an errand on a thread of its own; nothing if it was told to stop before its end.
pub async fn apart<T, F>(
    errand: impl FnOnce() -> F + Send + 'static,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<Option<T>>
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    let thread = spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(runtime.block_on(async {
            tokio::select! {
                biased;
                // Whoever could tell is gone: as good as told.
                _ = stop.wait_for(|stop| *stop) => None,
                done = errand() => Some(done),
            }
        }))
    });
    match thread.await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
