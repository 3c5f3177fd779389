//! Ids, times and amounts as they stand in table cells.

use bacalhau_protocol::api::Event;
use bacalhau_protocol::ids::{ExecutionId, JobId, NodeId};
use bacalhau_protocol::time::Timestamp;

/// Prefix and eight digits, or the whole id if `wide`. Chosen names are never cut.
pub fn id(id: &str, wide: bool) -> String {
    if wide { id.to_owned() } else { short_id(id) }
}

/// The form of a job's, execution's or node's id that people paste back.
pub fn short_id(id: &str) -> String {
    let short = match id.get(..2) {
        Some(JobId::PREFIX) => JobId::parse(id).map(|id| id.short().to_owned()),
        Some(ExecutionId::PREFIX) => ExecutionId::parse(id).map(|id| id.short().to_owned()),
        _ => NodeId::parse(id).map(|id| id.short().to_owned()),
    };
    short.unwrap_or_else(|_| id.to_owned())
}

/// `2006-01-02 15:04:05` in UTC if `wide`, else `15:04:05`.
pub fn time(at: Timestamp, wide: bool) -> String {
    let text = date_and_time(&at.to_string());
    match text.split_once(' ') {
        Some((_, time)) if !wide => time.to_owned(),
        _ => text,
    }
}

/// `2006-01-02 15:04:05` from RFC 3339.
pub fn date_and_time(rfc3339: &str) -> String {
    match (rfc3339.get(..10), rfc3339.get(11..19)) {
        (Some(date), Some(time)) => format!("{date} {time}"),
        _ => rfc3339.to_owned(),
    }
}

/// `15:04:05.000` from RFC 3339.
pub fn time_with_millis(rfc3339: &str) -> String {
    let fraction: String = rfc3339
        .get(19..)
        .and_then(|rest| rest.strip_prefix('.'))
        .map(|rest| rest.chars().take_while(char::is_ascii_digit).take(3).collect())
        .unwrap_or_default();
    format!("{}.{fraction:0<3}", rfc3339.get(11..19).unwrap_or("00:00:00"))
}

/// `7.8 GB`, `12 GB`: decimal units, one digit when below ten.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    if count < 10 {
        return format!("{count} B");
    }
    let mut scale = 1_u64;
    let mut unit = 0;
    while count / scale >= 1000 {
        scale *= 1000;
        unit += 1;
    }
    // Tenths are enough, and integers never round a size up by a unit they do not have.
    let tenths = (u128::from(count) * 10 + u128::from(scale) / 2) / u128::from(scale);
    if tenths < 100 && unit > 0 {
        format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
    } else {
        format!("{} {}", (tenths + 5) / 10, UNITS[unit])
    }
}

/// What happened: an error is marked, a hint stands on a line of its own.
pub fn event(event: &Event) -> String {
    let mark = if is_error(event) { "Error: " } else { "" };
    let hint = event.details.get("Hint").map(|hint| format!("\nHint: {hint}")).unwrap_or_default();
    format!("{mark}{}{hint}", event.message.trim_end())
}

/// Text of a device or user in which nothing steers the terminal; line breaks and tabs stay.
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// Whether the event tells of something that went wrong.
pub fn is_error(event: &Event) -> bool {
    event.details.get("IsError").is_some_and(|value| value == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_cut_by_their_kind() {
        let uuid = "1a2b3c4d-0000-4000-8000-000000000001";
        assert_eq!(short_id(&format!("j-{uuid}")), "j-1a2b3c4d");
        assert_eq!(short_id(&format!("e-{uuid}")), "e-1a2b3c4d");
        assert_eq!(short_id(&format!("n-{uuid}")), "n-1a2b3c4d");
        assert_eq!(short_id("gateway-7"), "gateway-7");
        assert_eq!(id(&format!("j-{uuid}"), true), format!("j-{uuid}"));
    }

    #[test]
    fn times_lose_their_date_when_narrow() {
        let at = Timestamp(1_730_801_533_100_000_000);
        assert_eq!(time(at, true), "2024-11-05 10:12:13");
        assert_eq!(time(at, false), "10:12:13");
        assert_eq!(time_with_millis(&at.to_string()), "10:12:13.100");
        assert_eq!(time_with_millis("2024-11-05T10:12:13Z"), "10:12:13.000");
        assert_eq!(time_with_millis("2024-11-05T10:12:13.1235Z"), "10:12:13.123");
    }

    #[test]
    fn amounts_are_decimal_with_a_digit_below_ten() {
        for (count, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (7_800_000_000, "7.8 GB"),
            (9_960_000_000, "10 GB"),
            (12_400_000_000, "12 GB"),
            (120_000_000_000, "120 GB"),
            (u64::MAX, "18 EB"),
        ] {
            assert_eq!(bytes(count), expected);
        }
    }
}
