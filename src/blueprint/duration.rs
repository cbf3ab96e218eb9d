//! ISO 8601 durations (`PT30S`, `P1DT2H`) and sizes (`512Mi`), with a suggestion where a person
//! wrote something else that can only mean one thing.

use std::time::Duration;

use jiff::{SignedDuration, Span, SpanRelativeTo, Unit};

/// Why a text is no duration, and what was probably meant.
#[derive(Debug, PartialEq, Eq)]
pub struct NotADuration {
    pub reason: &'static str,
    /// The same length of time in ISO 8601, when the text leaves no doubt.
    pub meant: Option<String>,
}

/// Reads an ISO 8601 duration. Days are 24 hours; months and years have no length.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    length(text).map_err(|reason| NotADuration { reason, meant: suggestion(text) })
}

fn length(text: &str) -> Result<Duration, &'static str> {
    let trimmed = text.trim();
    if !trimmed.starts_with('P') {
        return Err("not an ISO 8601 duration");
    }
    let span: Span = trimmed.parse().map_err(|_| "not an ISO 8601 duration")?;
    if span.get_years() != 0 || span.get_months() != 0 {
        return Err("a month or a year has no fixed length");
    }
    let nanoseconds = span.total((Unit::Nanosecond, SpanRelativeTo::days_are_24_hours()));
    match nanoseconds.map(|n| n / 1e9) {
        Ok(seconds) if seconds >= 0.0 => Duration::try_from_secs_f64(seconds).map_err(|_| "too long"),
        Ok(_) => Err("negative"),
        Err(_) => Err("too long"),
    }
}

/// Writes a duration as ISO 8601, in the largest units without days.
pub fn write(duration: Duration) -> String {
    SignedDuration::try_from(duration).map_or_else(|_| "PT0S".to_owned(), |signed| signed.to_string())
}

/// Writes a duration as ISO 8601, if reading it gives the same again.
pub fn exact(duration: Duration) -> Option<String> {
    let text = write(duration);
    (parse(&text) == Ok(duration)).then_some(text)
}

/// A duration that was probably meant, and that will do.
fn suggestion(text: &str) -> Option<String> {
    let lower = text.trim().to_lowercase();
    let iso = lower.to_uppercase();
    let written = || Some(write(Duration::try_from(lower.parse::<SignedDuration>().ok()?).ok()?));
    let candidates = [Some(iso.clone()), Some(format!("PT{iso}")), written()];
    candidates.into_iter().flatten().find(|candidate| length(candidate).is_ok())
}

/// Bytes of a size such as `4Gi`, `500M` or `1024`.
pub fn bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match &text[digits.len()..] {
        "" | "B" => 1,
        "k" | "K" | "kB" | "KB" => 1000,
        "M" | "MB" => 1000 * 1000,
        "G" | "GB" => 1000 * 1000 * 1000,
        "T" | "TB" => 1000 * 1000 * 1000 * 1000,
        "Ki" | "KiB" => 1 << 10,
        "Mi" | "MiB" => 1 << 20,
        "Gi" | "GiB" => 1 << 30,
        "Ti" | "TiB" => 1 << 40,
        _ => return None,
    };
    if let Ok(whole) = digits.parse::<u64>() {
        return whole.checked_mul(factor);
    }
    let amount: f64 = digits.parse().ok()?;
    let total = amount * factor as f64;
    (amount.is_finite() && amount >= 0.0 && total < u64::MAX as f64).then_some(total as u64)
}

/// Thousandths of a processor: `2`, `0.5`, `500m`.
pub fn millicores(text: &str) -> Option<u32> {
    let text = text.trim();
    if let Some(milli) = text.strip_suffix('m') {
        return milli.parse().ok();
    }
    let cores: f64 = text.parse().ok()?;
    (cores.is_finite() && (0.0..=1_000_000.0).contains(&cores)).then_some((cores * 1000.0).round() as u32)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{bytes, millicores, parse, write};

    #[test]
    fn iso_durations_have_a_length() {
        for (text, seconds) in [
            ("PT30S", 30.0),
            ("PT1H", 3600.0),
            ("P1DT2H", 93_600.0),
            ("P7D", 604_800.0),
            ("P1W", 604_800.0),
            ("PT1.5S", 1.5),
            ("PT0S", 0.0),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs_f64(seconds)), "{text}");
        }
        assert_eq!(write(Duration::from_secs(5400)), "PT1H30M");
    }

    #[test]
    fn other_spellings_are_refused_with_what_was_meant() {
        for (text, meant) in [
            ("30s", Some("PT30S")),
            ("5m", Some("PT5M")),
            ("1h 30m", Some("PT1H30M")),
            ("pt10s", Some("PT10S")),
            ("10 minutes", Some("PT10M")),
            ("T5M", None),
            ("PT", None),
            ("600", None),
            ("soon", None),
            ("P1Y", None),
            ("P1M", None),
            ("-PT5S", None),
            ("PT99999999999999999999S", None),
            ("PT99999999999999S", None),
        ] {
            let refused = parse(text).expect_err(text);
            assert_eq!(refused.meant.as_deref(), meant, "{text}: {}", refused.reason);
        }
    }

    #[test]
    fn sizes_and_processors() {
        assert_eq!(bytes("4Gi"), Some(4 << 30));
        assert_eq!(bytes("500M"), Some(500_000_000));
        assert_eq!(bytes("1.5Ki"), Some(1536));
        assert_eq!(bytes("0"), Some(0));
        for bad in ["", "Gi", "4 GiB x", "-1", "4Xi", "99999999999Ti"] {
            assert_eq!(bytes(bad), None, "{bad}");
        }
        assert_eq!(millicores("500m"), Some(500));
        assert_eq!(millicores("0.25"), Some(250));
        assert_eq!(millicores("-1"), None);
    }
}
