//! How long a link lives, as tools written for Pocket ID say it: seconds, or a duration as Go writes it.

use serde_json::Value;
use time::Duration;

use crate::http::error::ApiError;

/// Seconds, or Go's duration text (`15m`, `1h30m`, `1.5h`); a day where nothing is said.
///
/// # Errors
/// `validation_failed` for anything else.
pub fn ttl(value: Option<&Value>) -> Result<Duration, ApiError> {
    let seconds = match value {
        None | Some(Value::Null) => Some(0.0),
        Some(Value::Number(number)) => number.as_f64(),
        Some(Value::String(text)) => go_duration(text),
        Some(_) => None,
    };
    match seconds {
        Some(0.0) => Ok(Duration::DAY),
        // The rule about links says what is too long.
        Some(seconds) if seconds > 1.0 && seconds < 1e9 => Ok(Duration::seconds_f64(seconds)),
        _ => Err(ApiError::field("ttl", "ttl", "is no duration between a second and 31 days")),
    }
}

/// Seconds. A number, with a fraction or without, before each unit; `0` needs none.
fn go_duration(text: &str) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    let (mut total, mut rest) = (0.0, text);
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (digits, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        total += digits.parse::<f64>().ok()? * seconds_of(unit)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}

fn seconds_of(unit: &str) -> Option<f64> {
    match unit {
        "h" => Some(3_600.0),
        "m" => Some(60.0),
        "s" => Some(1.0),
        "ms" => Some(1e-3),
        "us" | "µs" | "μs" => Some(1e-6),
        "ns" => Some(1e-9),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lifetime_is_seconds_or_a_duration_as_go_writes_it() {
        for (said, seconds) in [
            (json!(90), 90.0),
            (json!(90.5), 90.5),
            (json!("15m"), 900.0),
            (json!("1h30m"), 5_400.0),
            (json!("1.5h"), 5_400.0),
            (json!("1h0m0s"), 3_600.0),
            (json!("2500ms"), 2.5),
            (json!("2s500000us"), 2.5),
            (json!("744h"), 2_678_400.0),
            (json!(0), 86_400.0),
            (json!("0"), 86_400.0),
            (json!("0s"), 86_400.0),
            (json!(null), 86_400.0),
        ] {
            assert_eq!(ttl(Some(&said)).unwrap(), Duration::seconds_f64(seconds), "{said}");
        }
        assert_eq!(ttl(None).unwrap(), Duration::DAY);
    }

    #[test]
    fn anything_else_is_no_lifetime() {
        let wrong =
            ["", "15", "h", "m15", "-15m", "1d", "1.2.3h", ".h", "1h 30m", "999ms", "1s", "1e9h", "9999999999h"];
        for said in wrong.map(|text| json!(text)).into_iter().chain([json!(1), json!(-90), json!(1e300), json!(true)]) {
            assert_eq!(ttl(Some(&said)).unwrap_err().code, "validation_failed", "{said}");
        }
    }
}
