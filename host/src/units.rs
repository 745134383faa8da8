//! Sizes and times as people write them.

use std::time::Duration;

/// `1.5 GB`: decimal units, as disks are sold.
pub fn bytes(count: u64) -> String {
    let found = SIZES.iter().rev().find(|(_, size)| *size > 1 && count >= *size);
    found.map_or_else(|| format!("{count} bytes"), |(unit, size)| format!("{:.1} {unit}", count as f64 / *size as f64))
}

/// `4 min`, `2.5 h`: one number that is good enough to wait by.
pub fn seconds(seconds: f64) -> String {
    match seconds {
        s if s < 1.0 => format!("{:.0} ms", s * 1000.0),
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 6000.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.1} days", s / 86400.0),
    }
}

/// Reads `50GB`, `1.5 MB` or `1000`.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let known: Vec<(&str, f64)> = SIZES.iter().map(|(unit, size)| (*unit, *size as f64)).collect();
    Ok(parse(text, &known, "a size such as 50GB")? as u64)
}

/// Reads `30d`, `12h`, `90min` or `45s`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let known = [("s", 1.0), ("min", 60.0), ("h", 3600.0), ("d", 86400.0)];
    let seconds = parse(text, &known, "a time such as 30d, 12h, 90min or 45s")?;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}

const SIZES: [(&str, u64); 5] =
    [("", 1), ("kB", 1000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("TB", 1_000_000_000_000)];

fn parse(text: &str, units: &[(&str, f64)], expected: &str) -> Result<f64, String> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (text[..end].parse::<f64>(), text[end..].trim());
    let unit = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
    match (number, unit) {
        (Ok(number), Some((_, size))) => Ok(number * size),
        _ => Err(format!("`{text}` is not {expected}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_and_written() {
        for (text, expected) in
            [("50GB", Some(50_000_000_000)), ("1.5 mb", Some(1_500_000)), ("7", Some(7)), ("x", None), ("5 days", None)]
        {
            assert_eq!(parse_bytes(text).ok(), expected, "{text}");
        }
        for (text, expected) in
            [("30d", Some(2_592_000)), ("90min", Some(5400)), ("45s", Some(45)), ("30", None), ("-1s", None)]
        {
            assert_eq!(parse_duration(text).ok().map(|d| d.as_secs()), expected, "{text}");
        }
        assert_eq!([bytes(999), bytes(1_000), bytes(2_500_000_000)], ["999 bytes", "1.0 kB", "2.5 GB"]);
        assert_eq!([seconds(2.0), seconds(300.0), seconds(7200.0)], ["2.0 s", "5 min", "2.0 h"]);
    }
}
