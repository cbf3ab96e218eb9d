//! Files in S3, under `{tenant}/{path}`.
//!
//! What is large goes up in parts, one at a time, so that memory holds one part; it is there whole or not at all, and parts
//! of what failed are taken away. A link is a signed address of S3 itself: the bytes do not pass through us. S3 signs for a
//! week at most.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, Delete, ObjectIdentifier};
use outpost_core::id::TenantId;
use outpost_core::moment::Moment;
use outpost_core::ports::{Blobs, Clock, is_path, is_prefix};
use outpost_core::store::{Pending, Problem};
use rustix::fs::{Mode, OFlags};

use crate::settings::Settings;
use crate::tenants::Tenants;
use crate::trouble::{Call, is};

/// Of all parts but the last one. S3 takes ten thousand, so a file may have 78 GiB.
const PART: u64 = 8 << 20;
/// Names in one answer, or one request.
const BATCH: usize = 1000;
/// How long S3 signs for.
const LONGEST: Duration = Duration::from_secs(7 * 86_400);

#[derive(Debug)]
pub(crate) struct Objects {
    tenants: Arc<Tenants>,
    bucket: String,
    clock: Arc<dyn Clock>,
}

fn call<'a>(operation: &'static str, on: &'a str) -> Call<'a> {
    Call { service: "S3", operation, on }
}

impl Objects {
    pub(crate) fn new(tenants: Arc<Tenants>, settings: &Settings) -> Self {
        Self { tenants, bucket: settings.bucket.clone(), clock: Arc::clone(&settings.clock) }
    }

    fn key(&self, operation: &'static str, tenant: &TenantId, path: &str) -> Result<String, Problem> {
        if is_path(path) {
            Ok(format!("{tenant}/{path}"))
        } else {
            Err(call(operation, &self.bucket).broken("a path has plain segments, and this is none"))
        }
    }

    fn begun(&self, operation: &'static str, tenant: &TenantId, prefix: &str) -> Result<String, Problem> {
        if is_prefix(prefix) {
            Ok(format!("{tenant}/{prefix}"))
        } else {
            Err(call(operation, &self.bucket).broken("no path begins like this"))
        }
    }

    async fn put_whole(&self, client: &Client, key: &str, bytes: Vec<u8>) -> Result<(), Problem> {
        let put = client.put_object().bucket(&self.bucket).key(key).body(ByteStream::from(bytes)).send().await;
        put.map(drop).map_err(|error| call("PutObject", &self.bucket).failed(&error))
    }

    async fn put_parts(&self, client: &Client, key: &str, first: Vec<u8>, file: File) -> Result<(), Problem> {
        let begun = client.create_multipart_upload().bucket(&self.bucket).key(key).send().await;
        let begun = begun.map_err(|error| call("CreateMultipartUpload", &self.bucket).failed(&error))?;
        let upload = begun.upload_id.ok_or_else(|| call("CreateMultipartUpload", &self.bucket).broken("no id"))?;
        let done = self.parts(client, key, &upload, first, file).await;
        if done.is_err() {
            // What cannot be taken away now, the bucket's lifecycle takes away.
            let _ = client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(&upload).send().await;
        }
        done
    }

    async fn parts(
        &self,
        client: &Client,
        key: &str,
        upload: &str,
        first: Vec<u8>,
        mut file: File,
    ) -> Result<(), Problem> {
        let (mut bytes, mut parts) = (first, Vec::new());
        for number in 1.. {
            let last = (bytes.len() as u64) < PART;
            let asked = client.upload_part().bucket(&self.bucket).key(key).upload_id(upload).part_number(number);
            let put = asked.body(ByteStream::from(bytes)).send().await;
            let put = put.map_err(|error| call("UploadPart", &self.bucket).failed(&error))?;
            let part = CompletedPart::builder().part_number(number).set_e_tag(put.e_tag);
            parts.push(part.set_checksum_crc32(put.checksum_crc32).build());
            if last {
                break;
            }
            (file, bytes) = self.read(file).await?;
            if bytes.is_empty() {
                break;
            }
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let asked = client.complete_multipart_upload().bucket(&self.bucket).key(key).upload_id(upload);
        let done = asked.multipart_upload(parts).send().await;
        done.map(drop).map_err(|error| call("CompleteMultipartUpload", &self.bucket).failed(&error))
    }

    /// The next part of a file; less than a part at its end.
    async fn read(&self, file: File) -> Result<(File, Vec<u8>), Problem> {
        let read = tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::new();
            (&file).take(PART).read_to_end(&mut bytes).map(|_| (file, bytes))
        });
        let unread = |why: &dyn std::fmt::Display| call("PutObject", &self.bucket).broken(&format!("the file: {why}"));
        read.await.map_err(|error| unread(&error))?.map_err(|error| unread(&error))
    }

    async fn names(&self, client: &Client, begun: &str, after: Option<&str>, most: usize) -> Result<Names, Problem> {
        let listed = client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(begun)
            .set_start_after(after.map(str::to_owned))
            .max_keys(i32::try_from(most.clamp(1, BATCH)).unwrap_or(1))
            .send()
            .await;
        let listed = listed.map_err(|error| call("ListObjectsV2", &self.bucket).failed(&error))?;
        let more = listed.is_truncated().unwrap_or(false);
        Ok(Names {
            keys: listed.contents.unwrap_or_default().into_iter().filter_map(|found| found.key).collect(),
            more,
        })
    }
}

struct Names {
    keys: Vec<String>,
    more: bool,
}

/// A plain file, whose last name is no link: a job may have made it.
fn open(path: &Path) -> std::io::Result<File> {
    // Something that is no file must not keep who opens it waiting.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(std::io::Error::other("it is no plain file")) }
}

impl Blobs for Objects {
    fn put<'a>(&'a self, tenant: &'a TenantId, path: &'a str, bytes: Vec<u8>) -> Pending<'a, Result<(), Problem>> {
        Box::pin(async move {
            let key = self.key("PutObject", tenant, path)?;
            let client = self.tenants.of(tenant).await.s3;
            self.put_whole(&client, &key, bytes).await
        })
    }

    fn put_file<'a>(&'a self, tenant: &'a TenantId, path: &'a str, file: &'a Path) -> Pending<'a, Result<(), Problem>> {
        Box::pin(async move {
            let key = self.key("PutObject", tenant, path)?;
            let unread =
                |error: std::io::Error| call("PutObject", &self.bucket).broken(&format!("the file to store: {error}"));
            let (file, first) = self.read(open(file).map_err(unread)?).await?;
            let client = self.tenants.of(tenant).await.s3;
            if (first.len() as u64) < PART {
                self.put_whole(&client, &key, first).await
            } else {
                self.put_parts(&client, &key, first, file).await
            }
        })
    }

    fn get<'a>(
        &'a self,
        tenant: &'a TenantId,
        path: &'a str,
        most: u64,
    ) -> Pending<'a, Result<Option<Vec<u8>>, Problem>> {
        Box::pin(async move {
            let key = self.key("GetObject", tenant, path)?;
            let client = self.tenants.of(tenant).await.s3;
            let found = match client.get_object().bucket(&self.bucket).key(&key).send().await {
                Ok(found) => found,
                Err(error) if is(&error, &["NoSuchKey"]) => return Ok(None),
                Err(error) => return Err(call("GetObject", &self.bucket).failed(&error)),
            };
            // How long it is stands before it, and it is not read if that is too long.
            if found.content_length().is_none_or(|length| u64::try_from(length).map_or(true, |length| length > most)) {
                return Ok(None);
            }
            let bytes = found.body.collect().await;
            let bytes = bytes.map_err(|error| call("GetObject", &self.bucket).broken(&error.to_string()))?;
            Ok(Some(bytes.to_vec()))
        })
    }

    fn list<'a>(
        &'a self,
        tenant: &'a TenantId,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> Pending<'a, Result<Vec<String>, Problem>> {
        Box::pin(async move {
            let begun = self.begun("ListObjectsV2", tenant, prefix)?;
            let client = self.tenants.of(tenant).await.s3;
            // What no path begins like is not said to S3, and compared here.
            let mut start = after.filter(|after| is_prefix(after)).map(|after| format!("{tenant}/{after}"));
            let mut paths = Vec::new();
            while paths.len() < limit {
                let Names { keys, more } = self.names(&client, &begun, start.as_deref(), limit - paths.len()).await?;
                start = keys.last().cloned().or(start);
                let found = keys.iter().filter_map(|key| key.get(tenant.as_str().len() + 1..));
                paths.extend(found.filter(|path| after.is_none_or(|after| *path > after)).map(str::to_owned));
                if !more || keys.is_empty() {
                    break;
                }
            }
            Ok(paths)
        })
    }

    fn link<'a>(&'a self, tenant: &'a TenantId, path: &'a str, until: Moment) -> Pending<'a, Result<String, Problem>> {
        Box::pin(async move {
            let key = self.key("GetObject", tenant, path)?;
            let broken = |why: &str| call("sign GetObject", &self.bucket).broken(why);
            let now = self.clock.now();
            let good = until.since(now);
            if good.is_zero() || good > LONGEST {
                return Err(broken("a link is good from now on, for a week at most"));
            }
            let start = UNIX_EPOCH + Duration::from_millis(u64::try_from(now.millis()).unwrap_or(0));
            let config = PresigningConfig::builder().start_time(start).expires_in(good).build();
            let config = config.map_err(|error| broken(&error.to_string()))?;
            let client = self.tenants.signing(tenant, good).await?;
            // A path has nothing in it that a header would have to quote.
            let name = path.rsplit('/').next().unwrap_or(path);
            let asked = client.get_object().bucket(&self.bucket).key(&key);
            let asked = asked.response_content_disposition(format!("attachment; filename=\"{name}\""));
            let signed =
                asked.presigned(config).await.map_err(|error| call("sign GetObject", &self.bucket).failed(&error))?;
            Ok(signed.uri().to_owned())
        })
    }

    fn remove<'a>(&'a self, tenant: &'a TenantId, prefix: &'a str) -> Pending<'a, Result<(), Problem>> {
        Box::pin(async move {
            let begun = self.begun("DeleteObjects", tenant, prefix)?;
            let client = self.tenants.of(tenant).await.s3;
            let failed = |why: &str| call("DeleteObjects", &self.bucket).broken(why);
            let mut start = None;
            loop {
                let Names { keys, more } = self.names(&client, &begun, start.as_deref(), BATCH).await?;
                start = keys.last().cloned();
                if keys.is_empty() {
                    return Ok(());
                }
                let named = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build());
                let named = named.collect::<Result<Vec<_>, _>>().map_err(|error| failed(&error.to_string()))?;
                let these = Delete::builder().set_objects(Some(named)).quiet(true).build();
                let these = these.map_err(|error| failed(&error.to_string()))?;
                let told = client.delete_objects().bucket(&self.bucket).delete(these).send().await;
                let told = told.map_err(|error| call("DeleteObjects", &self.bucket).failed(&error))?;
                if let Some(error) = told.errors().first() {
                    return Err(call("DeleteObjects", &self.bucket).refused(error.code(), error.message(), 200));
                }
                if !more {
                    return Ok(());
                }
            }
        })
    }
}
