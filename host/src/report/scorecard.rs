//! What a study published, and whether it came out again.

use super::number;

/// The published numbers of one study beside those of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scorecard {
    /// The study's title.
    pub title: String,
    /// Where it was published.
    pub source: String,
    /// Id of the run whose numbers stand here; empty before there is one.
    pub run_id: String,
    /// Path of the run's report, relative to the page; empty for none.
    pub href: String,
    /// Its claims, in order.
    pub claims: Vec<ScoredClaim>,
    /// Defects of the original as a whole.
    pub defects: Vec<String>,
}

/// One published number, or a few that belong together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScoredClaim {
    /// A name that stays the same.
    pub id: String,
    /// What was measured.
    pub quantity: String,
    /// Unit of all numbers.
    pub unit: String,
    /// The model that was studied.
    pub model: String,
    /// The published values.
    pub published: Vec<f64>,
    /// How far a value may lie from the published one: one for each, or one for all. Without any, two
    /// published values are the ends of a range.
    pub tolerance: Vec<f64>,
    /// The values that came out, in the order of the published ones; `None` for what the run does not have.
    pub value: Vec<Option<f64>>,
    /// Interval at 95 % of a single value.
    pub interval: Option<[f64; 2]>,
    /// Number of observations.
    pub n: Option<u64>,
    /// The statistic that the run gives with it.
    pub test: String,
    /// Why the published number should be read with care; empty for no reason.
    pub defect: String,
    /// Where it stands: page, table, figure.
    pub source: String,
    /// What came out.
    pub verdict: ScoreVerdict,
    /// Why, as a sentence.
    pub reason: String,
}

/// What came of a claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum ScoreVerdict {
    /// The value lies within the tolerance.
    Reproduced,
    /// It does not.
    NotReproduced,
    /// There is nothing to compare.
    #[default]
    NotTestable,
}

impl ScoreVerdict {
    /// All, in the order in which they are counted.
    pub const ALL: [Self; 3] = [Self::Reproduced, Self::NotReproduced, Self::NotTestable];

    /// A symbol of its own.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Reproduced => "✓",
            Self::NotReproduced => "✗",
            Self::NotTestable => "○",
        }
    }

    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Reproduced => "reproduced",
            Self::NotReproduced => "not reproduced",
            Self::NotTestable => "not testable",
        }
    }

    /// How many of the claims have it.
    pub fn count(self, claims: &[ScoredClaim]) -> usize {
        claims.iter().filter(|claim| claim.verdict == self).count()
    }
}

impl ScoredClaim {
    /// `0.821 ± 0.05`, `84, 258, 584 ± 15, 40, 80` or `0.85 to 0.94`, without the unit.
    pub fn published_text(&self) -> String {
        let published: Vec<String> = self.published.iter().map(|v| number::value(*v)).collect();
        match (&published[..], &self.tolerance[..]) {
            ([], _) => number::MISSING.into(),
            ([low, high], []) => format!("{low} to {high}"),
            (_, []) => published.join(", "),
            (_, tolerance) => {
                let tolerance: Vec<String> = tolerance.iter().map(|v| short(*v)).collect();
                format!("{} ± {}", published.join(", "), tolerance.join(", "))
            }
        }
    }

    /// The values that came out, and the interval of a single one.
    pub fn value_text(&self) -> (String, Option<String>) {
        match self.value[..] {
            _ if self.value.iter().all(Option::is_none) => (number::MISSING.into(), None),
            [Some(value)] => number::with_interval(value, self.interval),
            _ => {
                let shown: Vec<String> =
                    self.value.iter().map(|v| v.map_or(number::MISSING.into(), number::value)).collect();
                (shown.join(", "), None)
            }
        }
    }

    /// The unit where it tells something: not for plain ratios.
    pub fn unit_text(&self) -> &str {
        if self.unit == "1" { "" } else { &self.unit }
    }
}

/// `3 reproduced · 1 not reproduced · 2 not testable`, without those that are zero.
pub fn counts_text(claims: &[ScoredClaim]) -> String {
    let counts = ScoreVerdict::ALL.map(|verdict| (verdict.count(claims), verdict));
    let told: Vec<String> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, v)| format!("{n} {}", v.words())).collect();
    if told.is_empty() { "no claims".into() } else { told.join(" · ") }
}

/// A tolerance as a person wrote it: no zeros behind.
fn short(v: f64) -> String {
    let text = number::value(v);
    match text.contains('.') && !text.contains('×') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_numbers_read_with_their_tolerance() {
        let check = |published: &[f64], tolerance: &[f64], expected: &str| {
            let claim =
                ScoredClaim { published: published.to_vec(), tolerance: tolerance.to_vec(), ..ScoredClaim::default() };
            assert_eq!(claim.published_text(), expected);
        };
        check(&[0.821], &[0.05], "0.821 ± 0.05");
        check(&[84.0, 258.0, 584.0], &[15.0, 40.0, 80.0], "84, 258, 584 ± 15, 40, 80");
        check(&[84.0, 258.0], &[10.0], "84, 258 ± 10");
        check(&[-0.56, -0.18], &[], "−0.560 to −0.180");
        check(&[0.4], &[], "0.400");
        check(&[], &[0.1], "–");
    }

    #[test]
    fn values_that_a_run_lacks_are_shown_as_missing() {
        let check = |value: &[Option<f64>], interval: Option<[f64; 2]>, expected: (&str, Option<&str>)| {
            let (value, shown) = ScoredClaim { value: value.to_vec(), interval, ..ScoredClaim::default() }.value_text();
            assert_eq!((value.as_str(), shown.as_deref()), expected);
        };
        check(&[], None, ("–", None));
        check(&[None, None], None, ("–", None));
        check(&[Some(0.8)], Some([0.78, 0.82]), ("0.800", Some("[0.780, 0.820]")));
        check(&[Some(80.0), None], None, ("80, –", None));
    }

    #[test]
    fn counts_name_every_verdict_that_occurs() {
        let claim = |verdict| ScoredClaim { verdict, ..ScoredClaim::default() };
        use ScoreVerdict::*;
        assert_eq!(
            counts_text(&[claim(NotTestable), claim(Reproduced), claim(NotTestable)]),
            "1 reproduced · 2 not testable"
        );
        assert_eq!(counts_text(&[claim(NotReproduced)]), "1 not reproduced");
        assert_eq!(counts_text(&[]), "no claims");
    }
}
