//! Where the data of a task goes, in the words of its document: `output.network` and `execution.storage`.
//!
//! A key in the store is the path of the output below the project, as the format has it; what belongs to a run alone
//! (its record of ports, checkpoints) stands below the name of the run, so that runs never take each other's.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::{Bucket, Patience, Place, Whom};
use crate::blueprint::TaskIndex;
use crate::blueprint::model::{Auth, AuthKind, CredentialsSource, Network, Storage, StoragePlace, Transfer};
use crate::engine::bench::Bench;
use crate::engine::place::Variables;
use crate::engine::secret::Resolved;
use crate::run::Moment;

/// What the store is given: the format names no time for it.
const PATIENCE: Patience = Patience { timeout: Duration::from_secs(60), attempts: 3, delay: Duration::from_secs(2) };

impl Bench<'_> {
    /// Where `location: network` sends the output of a task. The error says what is missing.
    pub(in crate::engine) fn network(&self, index: TaskIndex, at: Moment) -> Option<Result<Place, String>> {
        let output = self.task(index).output.as_deref()?;
        let network = output.network.as_deref().filter(|_| output.location == Transfer::Network)?;
        let uri = self.variables(index, at).replace(&network.endpoint);
        let what = format!("the output of `{}`", self.task(index).id);
        Some(whom(network, &self.secrets).map(|whom| Place {
            uri,
            what,
            whom,
            patience: Patience { timeout: network.timeout(), attempts: network.attempts(), delay: network.delay() },
            bucket: Bucket::default(),
            fence: self.fence(),
            is_fenced: false,
        }))
    }

    /// Where the store keeps the output of a task, if it keeps outputs.
    pub(in crate::engine) fn stored_output(&self, index: TaskIndex, at: Moment) -> Option<Result<Place, String>> {
        let task = self.task(index);
        let storage = self.blueprint.execution.storage.as_deref()?;
        let variables = self.variables(index, at);
        let path = task.output.as_deref()?.path.as_deref().map(|path| variables.path(path));
        let key = path.map_or_else(|| format!("{}/output", task.id), |path| key_of(&path, &self.root));
        let what = format!("the output of `{}`", task.id);
        self.stored(storage, storage.artifacts(), &variables, &key, what)
    }

    /// Where the store keeps a file of this run beside the outputs.
    pub(in crate::engine) fn stored_record(&self, index: TaskIndex, name: &str) -> Option<Result<Place, String>> {
        let storage = self.blueprint.execution.storage.as_deref()?;
        self.of_run(storage, storage.artifacts(), index, name, format!("the record of `{}`", self.task(index).id))
    }

    /// Where the store keeps a checkpoint of a task, if it keeps checkpoints. `name` is that of its file in this run.
    pub fn stored_checkpoint(&self, index: TaskIndex, name: &str) -> Option<Result<Place, String>> {
        let storage = self.blueprint.execution.storage.as_deref()?;
        self.of_run(storage, storage.checkpoints(), index, name, format!("a checkpoint of `{}`", self.task(index).id))
    }

    /// Where the output of a task is archived. A path that ends with `/` is a directory for it,
    /// under its own path.
    pub(in crate::engine) fn archive(&self, index: TaskIndex, at: Moment, file: &Path) -> Result<Place, String> {
        let task = self.task(index);
        let variables = self.variables(index, at);
        let output = task.output.as_deref();
        let cleanup = output.and_then(|output| output.cleanup.as_deref());
        let path = cleanup.and_then(|cleanup| cleanup.archive_path.as_deref()).ok_or("there is no `archive_path`")?;
        let mut uri = variables.replace(path);
        if !uri.contains("://") {
            uri = format!("file://{}", self.root.join(uri).display());
        }
        if uri.ends_with('/') || path.ends_with('/') {
            let own = output.and_then(|output| output.path.as_deref()).map(|path| variables.path(path));
            // Two tasks may leave files of one name.
            let name = match own {
                Some(own) => key_of(&own, &self.root),
                None => {
                    file.file_name().map_or_else(|| task.id.to_string(), |name| name.to_string_lossy().into_owned())
                }
            };
            uri = format!("{}/{name}", uri.trim_end_matches('/'));
        }
        let what = format!("the archive of `{}`", task.id);
        let storage = self.blueprint.execution.storage.as_deref().filter(|_| uri.starts_with("s3://"));
        let (whom, bucket) = match storage {
            Some(storage) => self.bucket(storage)?,
            None => (Whom::Chain, Bucket::default()),
        };
        let bucket = Bucket { versioning: false, ..bucket };
        Ok(Place { uri, what, whom, patience: PATIENCE, bucket, fence: self.fence(), is_fenced: true })
    }

    fn of_run(
        &self,
        storage: &Storage<'_>,
        kept: StoragePlace,
        index: TaskIndex,
        name: &str,
        what: String,
    ) -> Option<Result<Place, String>> {
        let key = format!("{}/{name}", self.files.id());
        // A time would lead elsewhere when the run goes on.
        self.stored(storage, kept, &self.variables(index, Moment::default()), &key, what)
    }

    fn stored(
        &self,
        storage: &Storage<'_>,
        kept: StoragePlace,
        variables: &Variables<'_>,
        key: &str,
        what: String,
    ) -> Option<Result<Place, String>> {
        if kept == StoragePlace::Shared {
            let folder = self.root.join(variables.replace(storage.shared_path.as_deref()?));
            let uri = format!("file://{}", folder.join(key).display());
            let bucket = Bucket::default();
            return Some(Ok(Place {
                uri,
                what,
                whom: Whom::Nobody,
                patience: PATIENCE,
                bucket,
                fence: self.fence(),
                is_fenced: false,
            }));
        }
        let prefix = storage.prefix.as_deref().map(|prefix| variables.replace(prefix)).unwrap_or_default();
        let prefix = prefix.trim_matches('/');
        let slash = if prefix.is_empty() { "" } else { "/" };
        let uri = format!("s3://{}/{prefix}{slash}{key}", storage.bucket.as_deref().unwrap_or_default());
        Some(self.bucket(storage).map(|(whom, bucket)| Place {
            uri,
            what,
            whom,
            patience: PATIENCE,
            bucket,
            fence: self.fence(),
            is_fenced: false,
        }))
    }

    fn bucket(&self, storage: &Storage<'_>) -> Result<(Whom, Bucket), String> {
        let whom = match &storage.credentials {
            None => Whom::Chain,
            Some(credentials) => match (credentials.source, &credentials.file) {
                (CredentialsSource::Environment, _) => Whom::Environment,
                (CredentialsSource::Role, _) => Whom::Role,
                (CredentialsSource::File, Some(file)) => Whom::File(self.root.join(file.as_str())),
                (CredentialsSource::File, None) => return Err("there is no `credentials_file`".to_owned()),
            },
        };
        let key = storage.kms_key.as_deref().map(|text| self.secrets.revealed(text)).transpose()?;
        let bucket = Bucket {
            region: storage.region.as_deref().map(str::to_owned),
            endpoint: storage.endpoint.as_deref().map(str::to_owned),
            encryption: storage.encrypted.then_some(key),
            versioning: storage.versioning,
        };
        Ok((whom, bucket))
    }
}

fn whom(network: &Network<'_>, secrets: &Resolved) -> Result<Whom, String> {
    let Some(auth) = &network.auth else {
        return Ok(if network.protocol.value == "s3" { Whom::Chain } else { Whom::Nobody });
    };
    let secret = auth.secret.as_deref().map(|text| secrets.revealed(text)).transpose()?;
    Ok(match (auth.kind, secret) {
        (AuthKind::Aws, Some(keys)) => keys_of(&keys, auth)?,
        (AuthKind::Aws, None) => Whom::Chain,
        (AuthKind::Bearer, Some(token)) => Whom::Header("Authorization".to_owned(), format!("Bearer {token}")),
        (AuthKind::ApiKey, Some(key)) => {
            Whom::Header(auth.header.as_deref().unwrap_or("Authorization").to_owned(), key)
        }
        (AuthKind::Bearer | AuthKind::ApiKey | AuthKind::None, _) => Whom::Nobody,
    })
}

/// A pair of AWS keys in one secret: `ID:SECRET`, `ID:SECRET:TOKEN`, or JSON as the `aws` command prints it.
fn keys_of(text: &str, auth: &Auth<'_>) -> Result<Whom, String> {
    if let Ok(json) = serde_json::from_str::<serde_json::Value>(text)
        && json.is_object()
    {
        let json = json.get("Credentials").unwrap_or(&json);
        let field = |names: [&str; 2]| names.iter().find_map(|name| json.get(name)?.as_str().map(str::to_owned));
        if let (Some(id), Some(secret)) =
            (field(["AccessKeyId", "AWS_ACCESS_KEY_ID"]), field(["SecretAccessKey", "AWS_SECRET_ACCESS_KEY"]))
        {
            return Ok(Whom::Keys(id, secret, field(["SessionToken", "AWS_SESSION_TOKEN"])));
        }
    }
    let mut parts = text.trim().splitn(3, ':').map(str::to_owned).filter(|part| !part.is_empty());
    match (parts.next(), parts.next()) {
        (Some(id), Some(secret)) if !id.starts_with('{') => Ok(Whom::Keys(id, secret, parts.next())),
        _ => Err(format!(
            "the secret `{}` holds no AWS keys: write `ID:SECRET`, `ID:SECRET:TOKEN`, or JSON with `AccessKeyId` and `SecretAccessKey`",
            auth.secret.as_deref().unwrap_or_default()
        )),
    }
}

/// The path of an output as a key: below the project where it is, else from the root; it never climbs.
fn key_of(path: &Path, root: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    let parts = path.components().filter_map(|part| match part {
        Component::Normal(part) => Some(part),
        _ => None,
    });
    parts.collect::<PathBuf>().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Whom, key_of, keys_of};
    use crate::blueprint::model::{Auth, AuthKind};
    use crate::diagnostic::Span;

    #[test]
    fn f_30_the_path_of_an_output_is_its_key() {
        let root = Path::new("/project");
        for (path, key) in [
            ("/project/artifacts/T1/result.json", "artifacts/T1/result.json"),
            ("/tmp/blueprint/T1/x.json", "tmp/blueprint/T1/x.json"),
            ("/project/../etc/x", "etc/x"),
        ] {
            assert_eq!(key_of(Path::new(path), root), key);
        }
    }

    #[test]
    fn f_35_a_secret_holds_a_pair_of_keys() {
        let auth = Auth { kind: AuthKind::Aws, secret: None, header: None, span: Span::new(0, 0) };
        for (text, id, secret, token) in [
            ("AK:se/cr+et", "AK", "se/cr+et", None),
            ("AK:secret:to:ken", "AK", "secret", Some("to:ken")),
            (r#"{"AccessKeyId": "AK", "SecretAccessKey": "s"}"#, "AK", "s", None),
            (
                r#"{"Credentials": {"AccessKeyId": "AK", "SecretAccessKey": "s", "SessionToken": "t"}}"#,
                "AK",
                "s",
                Some("t"),
            ),
        ] {
            let Ok(Whom::Keys(found_id, found_secret, found_token)) = keys_of(text, &auth) else {
                panic!("{text}");
            };
            assert_eq!((found_id.as_str(), found_secret.as_str(), found_token.as_deref()), (id, secret, token));
        }
        for wrong in ["AK", "", ":x", "{\"a\": 1}"] {
            assert!(keys_of(wrong, &auth).is_err(), "{wrong}");
        }
    }
}
