//! What success is measured by: a goal, and what was found. What was not measured says so, and why; it has no figure.

use serde::{Deserialize, Serialize};

/// A goal, and its bound where nobody says otherwise.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Goal {
    /// For programs.
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    bound: Bound,
    unit: &'static str,
}

#[derive(Clone, Copy, Debug)]
enum Bound {
    Below(f64),
    AtLeast(f64),
}

const fn below(name: &'static str, what: &'static str, most: f64, unit: &'static str) -> Goal {
    Goal { name, what, bound: Bound::Below(most), unit }
}

const fn at_least(name: &'static str, what: &'static str, least: f64, unit: &'static str) -> Goal {
    Goal { name, what, bound: Bound::AtLeast(least), unit }
}

pub(crate) const AUTHENTICATION: Goal = below("api_authentication_p99", "API authentication, p99", 50.0, "ms");
pub(crate) const DISPATCH: Goal = below("job_dispatch_p99", "job dispatch, p99", 200.0, "ms");
pub(crate) const TENANTS: Goal = at_least("concurrent_tenants", "tenants with a job at the same time", 100.0, "");
pub(crate) const SCALE_UP: Goal = below("worker_scale_up", "workers, from none to one", 60.0, "s");
pub(crate) const SCALE_DOWN: Goal = below("worker_scale_down", "workers, back to none", 900.0, "s");
pub(crate) const AUDIT: Goal = at_least("audit_coverage", "audit trail coverage", 100.0, "%");
pub(crate) const BILLING: Goal = at_least("billing_accuracy", "billing accuracy", 100.0, "%");
pub(crate) const COST: Goal = below("idle_cost", "idle cost a month", 15.0, "$");
/// In the order in which they are shown.
pub(crate) const GOALS: [Goal; 8] = [AUTHENTICATION, DISPATCH, TENANTS, SCALE_UP, SCALE_DOWN, AUDIT, BILLING, COST];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Met,
    Missed,
    /// It follows from something that was not tried here.
    Derived,
    NotMeasured,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Metric {
    pub(crate) name: String,
    pub(crate) what: String,
    pub(crate) target: String,
    pub(crate) result: Option<f64>,
    pub(crate) unit: String,
    pub(crate) state: State,
    /// How it was found, or why not.
    pub(crate) told: String,
}

impl Goal {
    /// The same with a bound of the caller's.
    pub(crate) fn within(self, most: f64) -> Self {
        Self { bound: Bound::Below(most), ..self }
    }

    fn target(&self) -> String {
        match self.bound {
            Bound::Below(most) => format!("< {}", figure(most, self.unit)),
            Bound::AtLeast(least) => format!("≥ {}", figure(least, self.unit)),
        }
    }

    pub(crate) fn measured(&self, result: f64, told: impl Into<String>) -> Metric {
        let met = match self.bound {
            Bound::Below(most) => result < most,
            Bound::AtLeast(least) => result >= least,
        };
        // To what a clock and a count can tell.
        let result = (result * 1000.0).round() / 1000.0;
        self.metric(Some(result), if met { State::Met } else { State::Missed }, told)
    }

    /// It was tried, and there was nothing to measure before it was too late.
    pub(crate) fn missed(&self, told: impl Into<String>) -> Metric {
        self.metric(None, State::Missed, told)
    }

    pub(crate) fn derived(&self, told: impl Into<String>) -> Metric {
        self.metric(None, State::Derived, told)
    }

    pub(crate) fn not_measured(&self, told: impl Into<String>) -> Metric {
        self.metric(None, State::NotMeasured, told)
    }

    fn metric(&self, result: Option<f64>, state: State, told: impl Into<String>) -> Metric {
        Metric {
            name: self.name.to_owned(),
            what: self.what.to_owned(),
            target: self.target(),
            result,
            unit: self.unit.to_owned(),
            state,
            told: told.into(),
        }
    }
}

fn figure(number: f64, unit: &str) -> String {
    match unit {
        "$" => format!("${number:.2}"),
        "%" => format!("{number} %"),
        "" => format!("{number}"),
        unit => format!("{number} {unit}"),
    }
}

impl Metric {
    pub(crate) fn is_missed(&self) -> bool {
        self.state == State::Missed
    }

    /// The result, or a word in its place.
    pub(crate) fn shown(&self) -> String {
        match (self.result, self.state) {
            (Some(result), State::Missed) => format!("{}, missed", figure(result, &self.unit)),
            (Some(result), _) => figure(result, &self.unit),
            (None, State::Derived) => "derived".to_owned(),
            (None, State::Missed) => "missed".to_owned(),
            (None, _) => "not measured".to_owned(),
        }
    }
}

/// All goals beside what was found, in lines of a table.
pub(crate) fn table(metrics: &[Metric]) -> Vec<String> {
    let mut lines = vec!["| metric | target | result | how |".to_owned(), "|---|---|---|---|".to_owned()];
    lines.extend(metrics.iter().map(|metric| {
        format!("| {} | {} | {} | {} |", metric.what, metric.target, metric.shown(), metric.told.replace('|', "/"))
    }));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_met_or_missed_and_what_was_not_measured_has_no_figure() {
        assert_eq!(AUTHENTICATION.measured(49.9, "").state, State::Met);
        assert_eq!(AUTHENTICATION.measured(50.0, "").state, State::Missed);
        assert_eq!(TENANTS.measured(100.0, "").state, State::Met);
        assert_eq!(BILLING.measured(99.99, "").shown(), "99.99 %, missed");
        assert_eq!(SCALE_UP.within(5.0).measured(7.0, "").target, "< 5 s");
        for (metric, word) in [(COST.derived("a page"), "derived"), (COST.not_measured("no file"), "not measured")] {
            assert_eq!((metric.result, metric.shown().as_str(), metric.is_missed()), (None, word, false));
        }
        assert_eq!(table(&[COST.measured(4.4, "of a | b")])[2], "| idle cost a month | < $15.00 | $4.40 | of a / b |");
    }
}
