//! S3, by the SDK: objects are sent and fetched in parts of [`PART`], each a request with the place's patience.
//!
//! The SDK repeats nothing: how often is the document's to say. An upload of several parts that fails is taken back; one
//! that is broken off leaves parts that only a lifecycle rule of the bucket removes.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::retry::RetryConfig;
use aws_config::web_identity_token::WebIdentityTokenCredentialsProvider;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Credentials, SharedCredentialsProvider};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::operation::get_object::GetObjectOutput;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ServerSideEncryption};

use super::{Content, Hasher, NO_VERSIONS, Place, Problem, Whom, local, rewind, too_large};
use crate::engine::aws;
use crate::engine::net::causes;

/// What is sent or fetched at once, and held in memory. Ten thousand of them are the most that S3 takes.
const PART: u64 = 16 << 20;

type Found = Result<GetObjectOutput, Problem>;

fn bucket_and_key(place: &Place) -> Result<(&str, &str), Problem> {
    let path = place.uri.strip_prefix("s3://").unwrap_or_default();
    let parts = path.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty());
    parts.ok_or_else(|| Problem::lasting("it is not `s3://BUCKET/KEY`"))
}

async fn client(place: &Place) -> Result<Client, Problem> {
    let config = aws::config(place.bucket.region.as_deref()).await;
    if config.region().is_none() {
        return Err(Problem::lasting("nobody says in which region it is: set AWS_REGION"));
    }
    let mut builder = Builder::from(&config).retry_config(RetryConfig::disabled());
    if let Some(provider) = credentials(&place.whom) {
        builder = builder.credentials_provider(provider);
    }
    if let Some(endpoint) = &place.bucket.endpoint {
        builder = builder.endpoint_url(endpoint);
    }
    // Other stores than AWS seldom have a host name for each bucket.
    let is_elsewhere = config.endpoint_url().is_some() || place.bucket.endpoint.is_some();
    Ok(Client::from_conf(builder.force_path_style(is_elsewhere).build()))
}

/// Whose credentials are used, if not those of the chain.
#[expect(deprecated, reason = "the new name of the type of these files is in a crate of which nothing else is needed")]
fn credentials(whom: &Whom) -> Option<SharedCredentialsProvider> {
    Some(match whom {
        Whom::Keys(id, secret, token) => {
            SharedCredentialsProvider::new(Credentials::new(id, secret, token.clone(), None, "secret_ref"))
        }
        Whom::Environment => SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()),
        Whom::Role => {
            let pod = WebIdentityTokenCredentialsProvider::builder().build();
            let chain = CredentialsProviderChain::first_try("pod", pod)
                .or_else("container", EcsCredentialsProvider::builder().build())
                .or_else("machine", ImdsCredentialsProvider::builder().build());
            SharedCredentialsProvider::new(chain)
        }
        Whom::File(path) => {
            use aws_config::profile::profile_file::{ProfileFileKind, ProfileFiles};
            let files = ProfileFiles::builder().with_file(ProfileFileKind::Credentials, path).build();
            SharedCredentialsProvider::new(ProfileFileCredentialsProvider::builder().profile_files(files).build())
        }
        Whom::Nobody | Whom::Header(..) | Whom::Chain => return None,
    })
}

fn failed<E: ProvideErrorMetadata + std::error::Error + 'static>(error: SdkError<E>) -> Problem {
    let causes = causes(&error);
    match error {
        SdkError::ServiceError(refused) => {
            let status = refused.raw().status().as_u16();
            if refused.raw().status().is_success() {
                return Problem::passing(format!("its answer cannot be understood: {causes}"));
            }
            let code = refused.err().code().unwrap_or_default();
            let said = match refused.err().message() {
                Some(message) => format!("{code} ({message})"),
                None => code.to_owned(),
            };
            let problem = Problem::status(status, said.trim());
            let passing = problem.passing || matches!(code, "SlowDown" | "RequestTimeout" | "Throttling");
            Problem { passing, ..problem }
        }
        SdkError::TimeoutError(_) => Problem::passing("it does not answer in time"),
        SdkError::DispatchFailure(failure) if failure.is_io() || failure.is_timeout() => {
            Problem::passing(format!("it cannot be reached: {causes}"))
        }
        SdkError::ResponseError(_) => Problem::passing("its answer was cut off or cannot be understood"),
        _ => Problem::lasting(format!("the request cannot be made: {causes}")),
    }
}

fn encrypted(place: &Place) -> (Option<ServerSideEncryption>, Option<String>) {
    match &place.bucket.encryption {
        None => (None, None),
        Some(None) => (Some(ServerSideEncryption::Aes256), None),
        Some(Some(key)) => (Some(ServerSideEncryption::AwsKms), Some(key.clone())),
    }
}

/// The version that was written, where it counts.
fn version(place: &Place, version: Option<&str>) -> Result<Option<String>, Problem> {
    match version.filter(|version| *version != "null") {
        _ if !place.bucket.versioning => Ok(None),
        Some(version) => Ok(Some(version.to_owned())),
        None => Err(Problem::lasting(NO_VERSIONS)),
    }
}

pub(super) async fn put(place: &Place, path: &Path, content: &Content) -> Result<Option<String>, Problem> {
    let mut file = place.fence.open(path).map_err(|error| local(&error))?;
    let (bucket, key) = bucket_and_key(place)?;
    let client = client(place).await?;
    if content.bytes > PART {
        return put_parts(place, &client, &mut file, content.bytes).await;
    }
    let bytes = next_part(&mut file)?;
    let (encryption, kms_key) = encrypted(place);
    let sent = place.patiently(async || {
        let request = client.put_object().bucket(bucket).key(key).body(ByteStream::from(bytes.clone()));
        let request = request.set_server_side_encryption(encryption.clone()).set_ssekms_key_id(kms_key.clone());
        request.metadata("sha256", &content.sha256).send().await.map_err(failed)
    });
    version(place, sent.await?.version_id())
}

/// Up to [`PART`] bytes.
fn next_part(file: &mut File) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    file.take(PART).read_to_end(&mut bytes).map_err(|error| local(&error))?;
    Ok(bytes)
}

async fn put_parts(place: &Place, client: &Client, file: &mut File, bytes: u64) -> Result<Option<String>, Problem> {
    let (bucket, key) = bucket_and_key(place)?;
    let (encryption, kms_key) = encrypted(place);
    let begun = place.patiently(async || {
        let request = client.create_multipart_upload().bucket(bucket).key(key);
        let request = request.set_server_side_encryption(encryption.clone()).set_ssekms_key_id(kms_key.clone());
        request.send().await.map_err(failed)
    });
    let begun = begun.await?;
    let upload = begun.upload_id().ok_or_else(|| Problem::lasting("it began no upload"))?;
    let sent = parts(place, client, file, (upload, bytes)).await;
    if sent.is_err() {
        // What stays behind costs money and is no object; the reason for it is told anyway.
        let _ = client.abort_multipart_upload().bucket(bucket).key(key).upload_id(upload).send().await;
    }
    sent
}

async fn parts(
    place: &Place,
    client: &Client,
    file: &mut File,
    (upload, bytes): (&str, u64),
) -> Result<Option<String>, Problem> {
    let (bucket, key) = bucket_and_key(place)?;
    let mut parts = Vec::new();
    for number in (1..).take(usize::try_from(bytes.div_ceil(PART)).unwrap_or(usize::MAX)) {
        let piece = next_part(file)?;
        let sent = place.patiently(async || {
            let body = ByteStream::from(piece.clone());
            let request = client.upload_part().bucket(bucket).key(key).upload_id(upload);
            request.part_number(number).body(body).send().await.map_err(failed)
        });
        let sent = sent.await?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag().map(str::to_owned));
        parts.push(part.set_checksum_crc32(sent.checksum_crc32().map(str::to_owned)).build());
    }
    let whole = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let made = place.patiently(async || {
        let request = client.complete_multipart_upload().bucket(bucket).key(key).upload_id(upload);
        request.multipart_upload(whole.clone()).send().await.map_err(failed)
    });
    version(place, made.await?.version_id())
}

pub(super) async fn get(place: &Place, wanted: Option<&str>, mut to: &File, most: u64) -> Result<Content, Problem> {
    let client = client(place).await?;
    rewind(to)?;
    let mut hasher = Hasher::default();
    // All parts are of the object that the first one was of.
    let mut of: Option<String> = None;
    loop {
        let (piece, whole, tag) = place
            .patiently(async || {
                let found = part(place, &client, wanted, of.as_deref(), hasher.bytes).await?;
                let whole = whole(&found);
                let tag = found.e_tag().map(str::to_owned);
                if whole > most {
                    return Err(too_large(most));
                }
                let piece = found.body.collect().await;
                let piece = piece.map_err(|error| Problem::passing(format!("its answer was cut off: {error}")))?;
                Ok((piece.into_bytes(), whole, tag))
            })
            .await?;
        hasher.add(&piece);
        to.write_all(&piece).map_err(|error| local(&error))?;
        if hasher.bytes >= whole {
            return Ok(hasher.content());
        }
        if piece.is_empty() {
            return Err(Problem::passing("its answer ends too early"));
        }
        of = tag;
    }
}

async fn part(place: &Place, client: &Client, version: Option<&str>, of: Option<&str>, at: u64) -> Found {
    let (bucket, key) = bucket_and_key(place)?;
    let request = client.get_object().bucket(bucket).key(key);
    let request = request.set_version_id(version.map(str::to_owned)).set_if_match(of.map(str::to_owned));
    match request.clone().range(format!("bytes={at}-{}", at + PART - 1)).send().await.map_err(failed) {
        // Of nothing there is no part.
        Err(Problem { status: Some(416), .. }) if at == 0 => request.send().await.map_err(failed),
        found => found,
    }
}

/// The size of the object that this is a part of.
fn whole(found: &GetObjectOutput) -> u64 {
    let ranged = found.content_range().and_then(|range| range.rsplit_once('/')?.1.parse().ok());
    ranged.unwrap_or_else(|| u64::try_from(found.content_length().unwrap_or(0)).unwrap_or(0))
}

pub(super) async fn delete(place: &Place, version: Option<&str>) -> Result<(), Problem> {
    let (bucket, key) = bucket_and_key(place)?;
    let client = client(place).await?;
    let gone = place.patiently(async || {
        let request = client.delete_object().bucket(bucket).key(key);
        request.set_version_id(version.map(str::to_owned)).send().await.map_err(failed)
    });
    gone.await.map(|_| ())
}

pub(super) async fn sign(place: &Place, version: Option<&str>, valid: Duration) -> Result<String, Problem> {
    let (bucket, key) = bucket_and_key(place)?;
    let terms = PresigningConfig::expires_in(valid).map_err(|error| Problem::lasting(error.to_string()))?;
    let request = client(place).await?.get_object().bucket(bucket).key(key).set_version_id(version.map(str::to_owned));
    let signed = request.presigned(terms).await.map_err(failed)?;
    Ok(signed.uri().to_owned())
}
