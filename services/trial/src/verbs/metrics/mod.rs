//! `metrics`: what of the service's success can be measured from outside, beside what it is to be.

mod latency;
mod records;
mod tenants;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use crate::house::{House, Tenant, Wish};
use crate::metric::{
    AUDIT, AUTHENTICATION, BILLING, COST, DISPATCH, GOALS, Goal, Metric, SCALE_DOWN, SCALE_UP, State, TENANTS, table,
};
use crate::options::duration;
use crate::report::{Fault, Report, Stop, say};

#[derive(Debug, Args)]
pub(crate) struct Metrics {
    /// Requests that authentication is measured with
    #[arg(long, value_name = "COUNT", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
    /// Jobs that dispatch is measured with, one after the other
    #[arg(long, value_name = "COUNT", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
    /// Tenants that have a job at the same time
    #[arg(long, value_name = "COUNT", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    tenants: u32,
    /// What authentication may take
    #[arg(long, value_name = "DURATION", default_value = "50ms", value_parser = duration)]
    authentication_within: Duration,
    /// What may pass between a job and its begin
    #[arg(long, value_name = "DURATION", default_value = "200ms", value_parser = duration)]
    dispatch_within: Duration,
    /// What `outpost-cost` printed, or a figure
    #[arg(long, value_name = "FILE")]
    cost: Option<PathBuf>,
    /// A report of a trial before, such as `scaling`; may be given again
    #[arg(long, value_name = "FILE")]
    report: Vec<PathBuf>,
}

/// Jobs of one tenant, all of which have ended.
pub(crate) struct Done {
    pub(crate) tenant: Tenant,
    pub(crate) jobs: Vec<String>,
    /// One that may be charged for or not: it was cancelled.
    pub(crate) besides: Option<String>,
}

/// A figure, and how it was found.
type Found = (f64, String);

pub(crate) async fn run(house: &House, report: &mut Report, metrics: &Metrics) -> Result<(), Stop> {
    let earlier = report.check("reports of before are read", async { earlier(&metrics.report) }).await?;
    let wish = Wish { tier: Some("enterprise"), ..Wish::default() };
    let ada = report.check("a tenant comes", house.tenant("ada", wish)).await?;
    let agent = report.check("the service offers an agent to it", house.agent(&ada)).await?;
    report.check("it stores a secret", house.store_secret(&ada, &agent)).await?;

    let measured = latency::authentication(house, &ada, metrics.requests);
    let found = report.judge("calls with a key and without one are timed", measured).await;
    let goal = AUTHENTICATION.within(metrics.authentication_within.as_secs_f64() * 1000.0);
    tell(report, goal, found);

    let trail = records::audit(house, &ada, &agent);
    let found = report.judge("requests are looked for in the audit trail", trail).await;
    let (found, besides) = found.unzip();
    tell(report, AUDIT, found);

    let mut done = Vec::new();
    let measured = latency::dispatch(house, &ada, &agent, metrics.jobs);
    let found = report.judge("jobs are timed, one after the other", measured).await;
    let goal = DISPATCH.within(metrics.dispatch_within.as_secs_f64() * 1000.0);
    tell(
        report,
        goal,
        found.map(|(found, jobs)| {
            done.push(Done { tenant: ada.clone(), jobs, besides });
            found
        }),
    );

    if house.has_operator() {
        let many = tenants::together(house, metrics.tenants);
        let found = report.judge("many tenants submit a job at the same time", many).await;
        let enough = metrics.tenants >= tenants::ENOUGH;
        match found {
            Some((found, jobs)) if enough => {
                done.extend(jobs);
                tell(report, TENANTS, Some(found));
            }
            Some(((count, told), jobs)) => {
                done.extend(jobs);
                let few = format!("only {} were asked for; {count} at once: {told}", metrics.tenants);
                report.metric(TENANTS.not_measured(few));
            }
            None => tell(report, TENANTS, None),
        }
    } else {
        let why = "an address may register five tenants in an hour: bring a key of the operator";
        report.metric(TENANTS.not_measured(why));
    }

    let found = report.judge("bills are compared with what was done", records::billing(house, &done)).await;
    tell(report, BILLING, found);
    cost(report, metrics.cost.as_deref()).await;
    for goal in [SCALE_UP, SCALE_DOWN] {
        if !earlier.iter().any(|metric| metric.name == goal.name) {
            report.metric(goal.not_measured("`scaling` measures it: give its report"));
        }
    }
    // What was measured here is newer.
    for metric in earlier {
        let known = report.metrics.iter().any(|one| one.name == metric.name && one.result.is_some());
        if !known {
            report.metrics.retain(|one| one.name != metric.name);
            report.metric(metric);
        }
    }
    let place = |metric: &Metric| GOALS.iter().position(|goal| goal.name == metric.name);
    report.metrics.sort_by_key(place);
    for line in table(&report.metrics) {
        say(&line);
    }
    Ok(())
}

/// What could not be measured has failed as a check before.
fn tell(report: &mut Report, goal: Goal, found: Option<Found>) {
    report.metric(match found {
        Some((result, told)) => goal.measured(result, told),
        None => goal.not_measured("the trial of it failed"),
    });
}

/// What reports of before have measured.
fn earlier(files: &[PathBuf]) -> Result<Vec<Metric>, Fault> {
    let mut all: Vec<Metric> = Vec::new();
    for file in files {
        let shown = file.display();
        let text = fs::read(file).map_err(|error| Fault::wrong(format!("`{shown}`: {error}")))?;
        let no = |error: serde_json::Error| Fault::wrong(format!("`{shown}` is no report: {error}"));
        let report: Value = serde_json::from_slice(&text).map_err(no)?;
        let metrics = report.get("metrics").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
        let metrics: Vec<Metric> = serde_json::from_value(metrics).map_err(no)?;
        for mut metric in metrics {
            let known = GOALS.iter().any(|goal| goal.name == metric.name);
            if known && matches!(metric.state, State::Met | State::Missed) {
                metric.told = format!("{}; `{shown}`", metric.told);
                all.retain(|one| one.name != metric.name);
                all.push(metric);
            }
        }
    }
    Ok(all)
}

async fn cost(report: &mut Report, file: Option<&Path>) {
    let Some(file) = file else {
        report.metric(COST.derived("docs/COST.md, from Terraform's plan and a list of prices"));
        return;
    };
    let read = async {
        let shown = file.display();
        let text = fs::read_to_string(file).map_err(|error| Fault::wrong(format!("`{shown}`: {error}")))?;
        dollars(&text).ok_or_else(|| Fault::wrong(format!("`{shown}` tells no cost")))
    };
    let found = report.judge("the cost is read", read).await;
    let told = format!("`{}`, from Terraform's plan and a list of prices", file.display());
    tell(report, COST, found.map(|dollars| (dollars, told)));
}

/// A figure, or the last row of the table that `outpost-cost` prints.
fn dollars(text: &str) -> Option<f64> {
    let figure = |text: &str| text.trim().trim_matches('*').trim_start_matches('$').parse::<f64>().ok();
    let total = || {
        let row = text.lines().find(|line| line.contains("**total**"))?;
        row.split('|').rev().find_map(figure)
    };
    figure(text).or_else(total).filter(|dollars| dollars.is_finite() && *dollars >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::dollars;

    #[test]
    fn a_cost_is_a_figure_or_the_total_of_a_table() {
        let table = "| part | what | a month |\n|---|---|---|\n| KMS | a key | $1.00 |\n| **total** | | **$4.40** |\n";
        for (text, cost) in [(table, Some(4.4)), ("4.4\n", Some(4.4)), ("$4.40", Some(4.4))] {
            assert_eq!(dollars(text), cost, "{text}");
        }
        for text in ["", "cheap", "-1", "NaN", "| KMS | a key | $1.00 |"] {
            assert_eq!(dollars(text), None, "{text}");
        }
    }
}
