//! The service's world in AWS: DynamoDB, SQS, S3, Secrets Manager, and ECS to wake workers.
//!
//! ```text
//! DynamoDB         {prefix}-{users,api-keys,jobs,usage-events,audit,idempotency}-{env}, as `tables.json` has them
//! SQS              one queue for each lane, one for the dead
//! S3               {bucket}/{user_id}/{path}
//! Secrets Manager  /outpost/tenants/{user_id}/{name}
//! ```
//! What is answered is stored in three buildings. Nothing here makes tables, queues, buckets or roles: that is Terraform's.
//! No rule of the service is known here; what AWS does otherwise than its emulators stands in the crate's README.

mod blobs;
mod commit;
mod house;
mod installation;
mod item;
mod list;
mod queue;
mod settings;
mod stay;
mod store;
mod tables;
mod tenants;
mod trouble;
mod vault;
mod wake;

use std::sync::Arc;

use aws_config::SdkConfig;
use outpost_core::actions::Ports;
use outpost_core::ports::{Queue, Wake};
use outpost_core::store::Problem;
use outpost_here::Timer;

/// Whose types the functions here take.
pub use {aws_config, aws_credential_types};

pub use installation::{SECRET, Surroundings};
pub use outpost_here::SystemClock;
pub use settings::{Settings, Workers};
pub use stay::stay;
pub use tables::TABLES;
pub use tenants::for_tenant;

/// The ports, in one account and region, as whoever this says, where it says.
pub async fn open_as(config: &SdkConfig, settings: &Settings) -> Result<Ports, Problem> {
    let tables = Arc::new(tables::Tables::new(config, settings));
    let queue: Arc<dyn Queue> = Arc::new(queue::Lanes::open(config, settings).await?);
    let tenants = Arc::new(tenants::Tenants::new(config, settings));
    let wake: Arc<dyn Wake> = match &settings.workers {
        Some(workers) => Arc::new(wake::Fleet::new(config, settings, workers, Arc::clone(&queue))?),
        None => Arc::new(wake::Asleep),
    };
    Ok(Ports {
        store: Arc::<tables::Tables>::clone(&tables),
        house: tables,
        queue,
        blobs: Arc::new(blobs::Objects::new(Arc::clone(&tenants), settings)),
        vault: Arc::new(vault::Secrets::new(tenants, settings)),
        wake,
        clock: Arc::clone(&settings.clock),
        chance: Arc::clone(&settings.chance),
        pause: Arc::new(Timer),
    })
}
