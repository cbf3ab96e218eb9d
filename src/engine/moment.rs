//! The clock, in the words of the run and in those of the journal.

use jiff::Timestamp;

use crate::run::Moment;

pub fn now() -> Moment {
    moment(Timestamp::now())
}

pub fn moment(time: Timestamp) -> Moment {
    Moment(u64::try_from(time.as_millisecond()).unwrap_or_default())
}

pub fn timestamp(at: Moment) -> Timestamp {
    Timestamp::from_millisecond(i64::try_from(at.0).unwrap_or(i64::MAX)).unwrap_or_default()
}
