//! Who comes first.

use outpost_core::job::Status;
use outpost_core::tenant::Tier;

use crate::bench::{World, shell};

#[tokio::test(flavor = "multi_thread")]
async fn higher_lanes_come_first_and_free_has_its_share() {
    let world = World::new().await;
    let (free, pro, enterprise) =
        (world.tenant(Tier::Free).await, world.tenant(Tier::Pro).await, world.tenant(Tier::Enterprise).await);
    let mut jobs = Vec::new();
    for caller in [&free, &pro].into_iter().cycle().take(6).chain([&enterprise; 20]) {
        jobs.push((caller, world.submit(caller, shell("true")).await));
    }
    let _worker = world.worker().args(["--slots", "1"]).start(&world.path("said"));
    let mut begun = Vec::new();
    for (caller, id) in &jobs {
        let (job, _) = world.ended(caller, id).await;
        assert_eq!((job.status, job.epoch), (Status::Succeeded, 1));
        begun.push((job.started_at.expect("it began"), job.lane));
    }
    begun.sort_by_key(|(at, _)| *at);
    let order: String = begun.iter().map(|(_, lane)| lane.as_str().chars().next().expect("a letter")).collect();
    // Ten of the higher ones, one of free, and so on; what is left of free comes last.
    assert_eq!(order, format!("{0}f{0}f{1}f", "e".repeat(10), "ppp"));
}
