//! Addresses outside of this machine, and whom we are to them: whether their parts fit each other.

use crate::blueprint::model::{Auth, AuthKind, CredentialsSource, Draft, Network, Output, Storage, Transfer};
use crate::blueprint::variable;
use crate::diagnostic::{Code, Diagnostic};
use crate::document::Text;

pub(super) fn check_output(output: &Output<'_>, problems: &mut Vec<Diagnostic>) {
    if output.location == Transfer::Network {
        match &output.network {
            None => problems.push(
                Diagnostic::new(Code::BadOutput, output.span, "`location: network` without a `network` block")
                    .help("add `network:` with a `protocol` and an `endpoint`"),
            ),
            Some(network) => check_network(network, problems),
        }
    }
    if let Some(cleanup) = &output.cleanup
        && let Some(span) = cleanup.archives
        && cleanup.archive_path.is_none()
    {
        problems.push(
            Diagnostic::new(Code::BadOutput, span, "`archive` without an `archive_path`")
                .help("add `archive_path`, or write `keep`"),
        );
    }
}

fn check_network(network: &Network<'_>, problems: &mut Vec<Diagnostic>) {
    let (protocol, endpoint) = (&network.protocol, &network.endpoint);
    if matches!(protocol.as_str(), "sqs" | "kafka") {
        problems.push(
            Diagnostic::new(Code::Unsupported, protocol.span, format!("`{protocol}` outputs are not supported"))
                .help("write to `s3`, `http` or `https`, and let a command send the message"),
        );
        return;
    }
    if !endpoint.starts_with(&format!("{protocol}://")) && !endpoint.starts_with("${") {
        problems.push(
            Diagnostic::new(
                Code::BadOutput,
                endpoint.span,
                format!("the endpoint does not begin with `{protocol}://`"),
            )
            .related(protocol.span, "because of this protocol")
            .help("make protocol and endpoint the same"),
        );
    } else if let Some(place) = endpoint.strip_prefix("s3://")
        && place.split_once('/').is_none_or(|(bucket, key)| bucket.is_empty() || key.is_empty())
    {
        problems.push(
            Diagnostic::new(Code::BadOutput, endpoint.span, "the endpoint names no object of a bucket")
                .help("write `s3://BUCKET/KEY`"),
        );
    }
    if let Some(auth) = &network.auth {
        check_auth(auth, protocol, problems);
    }
}

fn check_auth(auth: &Auth<'_>, protocol: &Text<'_>, problems: &mut Vec<Diagnostic>) {
    let (fits, help) = match protocol.as_str() {
        "s3" => (auth.kind == AuthKind::Aws, "write `type: aws_credentials`, or leave `auth` out"),
        _ => (auth.kind != AuthKind::Aws, "write `bearer_token`, `api_key` or `none`"),
    };
    if !fits {
        problems.push(
            Diagnostic::new(Code::BadOutput, auth.span, format!("`{protocol}` knows no such credentials"))
                .related(protocol.span, "the protocol")
                .help(help),
        );
        return;
    }
    match &auth.secret {
        None if matches!(auth.kind, AuthKind::Bearer | AuthKind::ApiKey) => problems.push(
            Diagnostic::new(Code::BadOutput, auth.span, "these credentials name no secret")
                .help("add `secret_ref: \"${secrets.NAME}\"`"),
        ),
        Some(secret) if !is_reference(secret) => problems.push(
            Diagnostic::new(Code::BadOutput, secret.span, "`secret_ref` is no reference to a secret")
                .help("write `${secrets.NAME}`, and give its value to a source of secrets"),
        ),
        _ => {}
    }
}

/// Whether a text is one reference to a secret and nothing else.
fn is_reference(text: &str) -> bool {
    let mut references = variable::references(text);
    references.next().is_some_and(|reference| {
        reference.secret().is_some() && reference.at == 0 && reference.name.len() + 3 == text.len()
    })
}

pub(super) fn check_storage(draft: &Draft<'_>, problems: &mut Vec<Diagnostic>) {
    let Some(storage) = draft.execution.storage.as_deref().filter(|storage| storage.uses_objects()) else {
        return;
    };
    if let Some(backend) = storage.backend.as_ref().filter(|backend| backend.value != "s3") {
        problems.push(
            Diagnostic::new(Code::Unsupported, backend.span, format!("the object store `{backend}` is not supported"))
                .help("write `backend: s3`; `endpoint` leads to a store that speaks its protocol"),
        );
        return;
    }
    check_bucket(storage, problems);
}

fn check_bucket(storage: &Storage<'_>, problems: &mut Vec<Diagnostic>) {
    if storage.bucket.is_none() {
        problems.push(
            Diagnostic::new(Code::MissingField, storage.span, "the object store has no `bucket`")
                .help("add `bucket`, and `region` unless the environment has one"),
        );
    }
    if let Some(credentials) = &storage.credentials
        && credentials.source == CredentialsSource::File
        && credentials.file.is_none()
    {
        problems.push(
            Diagnostic::new(Code::MissingField, credentials.span, "credentials from a file, and no `credentials_file`")
                .help("add `credentials_file`, a file as the `aws` command has it"),
        );
    }
}
