//! Numbers as a reader wants them: three or four significant digits, a true minus sign, no false precision.

/// What stands where there is no number.
pub const MISSING: &str = "–";

/// A value with three significant digits, or every digit of a whole number below ten million.
pub fn value(v: f64) -> String {
    if !v.is_finite() {
        return not_finite(v);
    }
    if v.fract() == 0.0 && v.abs() < 1e7 {
        return fixed(v, 0);
    }
    match decimals_for(v, 3) {
        Some(decimals) => fixed(v, decimals),
        None => scientific(v, 2),
    }
}

/// A value and its interval with the same number of decimals, enough to tell the three apart.
pub fn with_interval(v: f64, interval: Option<[f64; 2]>) -> (String, Option<String>) {
    let Some([low, high]) = interval else { return (value(v), None) };
    let largest = [v, low, high].into_iter().filter(|x| x.is_finite()).fold(0.0, |a: f64, x| a.max(x.abs()));
    let (Some(three), Some(four)) = (decimals_for(largest, 3), decimals_for(largest, 4)) else {
        return (value(v), Some(format!("[{}, {}]", value(low), value(high))));
    };
    let narrow = (high - low).abs() < 2.0 * 10f64.powi(-(three as i32));
    let decimals = if narrow { four } else { three };
    let show = |x: f64| if x.is_finite() { fixed(x, decimals) } else { not_finite(x) };
    (show(v), Some(format!("[{}, {}]", show(low), show(high))))
}

/// A number that stands beside a value and its interval, with the same decimals where they show it.
pub fn beside(v: f64, reference: f64, interval: Option<[f64; 2]>) -> String {
    let (shown, _) = with_interval(reference, interval);
    let decimals = shown.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let scale = 10f64.powi(decimals as i32);
    let exact = ((v * scale).round() / scale - v).abs() <= 1e-9 * v.abs();
    let lost = !exact && v.abs() < 10.0 / scale;
    if !v.is_finite() || lost || shown.contains('×') || !shown.contains(|c: char| c.is_ascii_digit()) {
        return value(v);
    }
    if decimals == 0 && v.fract() != 0.0 { value(v) } else { fixed(v, decimals) }
}

/// A p-value: never more exact than a reader can use, never zero.
pub fn p_value(p: f64) -> String {
    match p {
        p if !p.is_finite() => MISSING.into(),
        p if p < 0.001 => "< 0.001".into(),
        p if p < 0.1 => fixed(p, 3),
        p => fixed(p, 2),
    }
}

/// A count with its thousands apart.
pub fn count(n: u64) -> String {
    group(&n.to_string())
}

/// A value with `decimals` decimals, thousands apart and U+2212 as the minus sign.
pub fn fixed(v: f64, decimals: usize) -> String {
    let digits = format!("{:.decimals$}", v.abs());
    let zero = digits.bytes().all(|b| matches!(b, b'0' | b'.'));
    let sign = if v < 0.0 && !zero { "\u{2212}" } else { "" };
    match digits.split_once('.') {
        Some((whole, fraction)) => format!("{sign}{}.{fraction}", group(whole)),
        None => format!("{sign}{}", group(&digits)),
    }
}

/// A value as `m×10ⁿ` with at most `digits` significant digits, trailing zeros dropped.
pub fn scientific(v: f64, digits: usize) -> String {
    if v == 0.0 {
        return "0".into();
    }
    let text = format!("{:.*e}", digits.saturating_sub(1), v);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = match mantissa.contains('.') {
        true => mantissa.trim_end_matches('0').trim_end_matches('.'),
        false => mantissa,
    };
    let power: String = exponent.chars().map(superscript).collect();
    match mantissa {
        "1" => format!("10{power}"),
        "-1" => format!("\u{2212}10{power}"),
        m => format!("{}×10{power}", m.replace('-', "\u{2212}")),
    }
}

/// Decimals that suit a whole column: three significant digits of its smallest value, at most six of its
/// largest, and none that are zero throughout.
///
/// `None` when the column spans too many orders of magnitude for one format.
pub fn column_decimals(values: impl Iterator<Item = f64> + Clone) -> Option<usize> {
    let (mut small, mut large, mut whole) = (f64::INFINITY, 0.0f64, true);
    for v in values.clone().filter(|v| v.is_finite() && *v != 0.0) {
        small = small.min(v.abs());
        large = large.max(v.abs());
        whole &= v.fract() == 0.0;
    }
    if whole {
        return (large < 1e7).then_some(0);
    }
    let wanted = decimals_for(small, 3)?;
    let most = decimals_for(large, 6)?;
    let rounds_to_zero = small < 0.5 * 10f64.powi(-(most.min(wanted) as i32));
    let same = |decimals: usize| {
        let scale = 10f64.powi(decimals as i32);
        values.clone().filter(|v| v.is_finite()).all(|v| ((v * scale).round() / scale - v).abs() <= 1e-9 * v.abs())
    };
    let enough = (1..wanted.min(most)).find(|decimals| same(*decimals)).unwrap_or(wanted.min(most));
    (!rounds_to_zero).then_some(enough)
}

fn decimals_for(v: f64, digits: i32) -> Option<usize> {
    if v == 0.0 {
        return Some(digits as usize - 1);
    }
    let exponent = v.abs().log10().floor() as i32;
    (-4..7).contains(&exponent).then(|| (digits - 1 - exponent).clamp(0, 7) as usize)
}

fn not_finite(v: f64) -> String {
    match v {
        v if v.is_nan() => MISSING.into(),
        v if v > 0.0 => "∞".into(),
        _ => "\u{2212}∞".into(),
    }
}

fn group(digits: &str) -> String {
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        // Four digits read well without a separator: years, step counts.
        if i > 0 && digits.len() > 4 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

fn superscript(c: char) -> char {
    match c {
        '-' => '⁻',
        '1' => '¹',
        '2' => '²',
        '3' => '³',
        c => c.to_digit(10).and_then(|d| char::from_u32(0x2070 + d)).unwrap_or(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_three_significant_digits() {
        let check = |v: f64, expected: &str| assert_eq!(value(v), expected, "{v:e}");
        check(0.0, "0");
        check(-0.0, "0");
        check(0.123456, "0.123");
        check(-0.5, "−0.500");
        check(12.34, "12.3");
        check(1234.5, "1234");
        check(12345.6, "12,346");
        check(20000.0, "20,000");
        check(0.000012, "1.2×10⁻⁵");
        check(-3.0e9, "−3×10⁹");
        check(f64::NAN, "–");
        check(f64::NEG_INFINITY, "−∞");
    }

    #[test]
    fn p_values_are_never_zero() {
        let check = |p: f64, expected: &str| assert_eq!(p_value(p), expected, "{p}");
        check(0.0, "< 0.001");
        check(0.0123, "0.012");
        check(0.5, "0.50");
        check(f64::NAN, "–");
    }

    #[test]
    fn an_interval_shares_the_decimals_of_its_value() {
        let check = |v: f64, i: [f64; 2], expected: (&str, &str)| {
            let (value, interval) = with_interval(v, Some(i));
            assert_eq!((value.as_str(), interval.as_deref()), (expected.0, Some(expected.1)));
        };
        check(0.2, [0.15234, 0.2581], ("0.200", "[0.152, 0.258]"));
        check(0.993, [0.9921, 0.9938], ("0.9930", "[0.9921, 0.9938]"));
        check(0.0, [0.0, 0.0123], ("0.0000", "[0.0000, 0.0123]"));
        check(-12.0, [-14.0, f64::INFINITY], ("−12.0", "[−14.0, ∞]"));
    }

    #[test]
    fn a_control_shares_the_decimals_unless_it_would_lose_its_digits() {
        let check = |v: f64, expected: &str| assert_eq!(beside(v, 0.2134, Some([0.18, 0.25])), expected, "{v}");
        check(0.33333, "0.333");
        check(0.004, "0.004");
        check(0.0021, "0.00210");
        check(0.0, "0.000");
        check(f64::NAN, "–");
        assert_eq!(beside(0.5, 12.0, None), "0.500");
    }

    #[test]
    fn a_column_takes_one_format_unless_it_spans_too_much() {
        let check =
            |v: &[f64], expected: Option<usize>| assert_eq!(column_decimals(v.iter().copied()), expected, "{v:?}");
        check(&[0.1, 0.25, 0.0, f64::NAN], Some(2));
        check(&[0.1, 1.0 / 3.0], Some(3));
        check(&[1.0, 200.0], Some(0));
        check(&[0.0123, 0.9], Some(4));
        check(&[1e-6, 0.9], None);
        check(&[0.001, 150000.5], None);
    }
}
