//! What jobs cost beside an idle installation: so many a day, each of a size that is said.

use crate::prices::Prices;

/// Days in a month.
const DAYS: f64 = 30.4;

/// What a job takes, on the whole.
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub minutes: f64,
    /// From the start of a container to its end, for a job that has one to itself, beside the job's own minutes.
    pub around: f64,
    pub requests: f64,
    pub reads: f64,
    pub writes: f64,
    pub tickets: f64,
    pub artifact_mb: f64,
    /// What it says; it lies where artifacts do.
    pub log_mb: f64,
    /// Files that what it says comes in: one a second, while it says something.
    pub log_pieces: f64,
}

/// The one that the tables of `docs/COST.md` are counted with.
pub const USUAL: Job = Job {
    minutes: 5.0,
    around: 7.0,
    requests: 25.0,
    reads: 150.0,
    writes: 60.0,
    tickets: 30.0,
    artifact_mb: 5.0,
    log_mb: 1.0,
    log_pieces: 60.0,
};

/// How many of ten workers stand on capacity that AWS may take back.
const SPOT: f64 = 0.7;
/// Days that artifacts are kept.
const KEPT: f64 = 90.0;
/// Files that a job leaves beside what it says.
const FILES: f64 = 4.0;
/// Gigabytes that a request leaves in logs: half a kilobyte of the gateway's, and as much of each of two functions.
const TOLD: f64 = 1.5e-6;

/// What so many jobs a day cost a month, by part. With few each has a container to itself; from a job each ten minutes on they
/// follow each other, and of the time around them nothing is left but a share.
pub fn month(job: &Job, a_day: f64, prices: &Prices) -> Result<Vec<(&'static str, f64)>, String> {
    let jobs = a_day * DAYS;
    let million = jobs / 1e6;
    let apart = 24.0 * 60.0 / a_day.max(1.0);
    let around = job.around * (apart / (job.minutes + job.around)).min(1.0);
    let hours = jobs * (job.minutes + around) / 60.0;
    let price = |name| prices.of(name);
    let container = 0.5 * price("container_vcpu_hour_arm64")? + price("container_gb_hour_arm64")?;
    let share = 1.0 - SPOT + SPOT * price("container_spot_share")?;
    let gb_seconds = jobs * job.requests * 2.0 * 0.25 * 0.05;
    let files = a_day * KEPT * (job.artifact_mb + job.log_mb) / 1e3;
    let puts = jobs / 1e3 * (FILES + job.log_pieces);
    Ok(vec![
        ("API Gateway", million * job.requests * price("api_million")?),
        (
            "Lambda",
            million * job.requests * 2.0 * price("function_million")? + gb_seconds * price("function_gb_second_arm64")?,
        ),
        (
            "DynamoDB",
            million * (job.reads * price("dynamodb_read_million")? + job.writes * price("dynamodb_write_million")?),
        ),
        ("SQS", million * job.tickets * price("queue_million")?),
        ("ECS Fargate", hours * (container * share + price("ipv4_hour")?)),
        // Parameters of the standard tier are read for nothing.
        ("Secrets Manager", 0.0),
        ("S3", files * price("s3_gb_month")? + puts * price("s3_put_thousand")?),
        ("CloudWatch", jobs * job.requests * TOLD * price("log_gb")?),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a_day: f64) -> f64 {
        let lines = month(&USUAL, a_day, &Prices::known().expect("prices")).expect("a month");
        lines.iter().map(|(_, dollars)| dollars).sum()
    }

    #[test]
    fn more_jobs_cost_more_and_each_costs_less() {
        assert_eq!(sum(0.0), 0.0);
        let (few, many) = (sum(100.0), sum(1000.0));
        assert!(many > few && many < 10.0 * few, "{few} {many}");
    }

    #[test]
    fn what_a_job_says_is_paid_by_its_pieces_and_where_files_lie() {
        let prices = Prices::known().expect("prices");
        let of = |job: &Job, part: &str| {
            let lines = month(job, 100.0, &prices).expect("a month");
            lines.iter().find(|line| line.0 == part).map_or(0.0, |line| line.1)
        };
        let silent = Job { log_mb: 0.0, log_pieces: 0.0, ..USUAL };
        assert_eq!(of(&silent, "CloudWatch"), of(&USUAL, "CloudWatch"));
        let pieces = of(&Job { log_mb: 0.0, ..USUAL }, "S3") - of(&silent, "S3");
        assert!((pieces - 100.0 * DAYS * 60.0 / 1e3 * 0.005).abs() < 1e-9, "{pieces}");
        assert!(of(&Job { log_mb: 2.0, ..USUAL }, "S3") > of(&USUAL, "S3"));
    }
}
