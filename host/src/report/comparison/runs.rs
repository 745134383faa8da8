//! What a comparison is made of.

use emhost_abi::wire::Headline;

use super::difference::Difference;

/// Everything that a comparison's page shows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComparisonReport {
    /// What is compared, as a short title.
    pub title: String,
    /// The question, as a sentence.
    pub question: String,
    /// The answer that the numbers give; empty for none.
    pub verdict: String,
    /// The runs, in the order of their columns.
    pub runs: Vec<ComparedRun>,
    /// Differences of the second run from the first that the caller has computed, paired ones for instance.
    ///
    /// Where two runs are compared and this holds none for a quantity and condition, the page shows
    /// [`independent_difference`](super::independent_difference).
    pub differences: Vec<Difference>,
    /// Every reason to read the comparison with care, beyond those of its runs.
    pub caveats: Vec<String>,
    /// Names and values: who compared, with which version.
    pub provenance: Vec<(String, String)>,
    /// The exact command that repeats the comparison.
    pub command: String,
}

/// One run of a comparison.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ComparedRun {
    /// A short name for columns and figures; empty for the run's letter alone.
    pub name: String,
    /// Id of the run.
    pub run_id: String,
    /// Name of the plugin.
    pub plugin: String,
    /// Version of the plugin.
    pub version: String,
    /// When it ran, as text.
    pub when: String,
    /// Its seeds.
    pub seeds: Vec<u64>,
    /// Path of its report, relative to the comparison; empty for none.
    pub href: String,
    /// Its resolved parameters: dotted names and values as text.
    pub parameters: Vec<(String, String)>,
    /// Its headline numbers.
    pub headline: Vec<Headline>,
    /// Its own caveats.
    pub caveats: Vec<String>,
    /// Names and values of its provenance.
    pub provenance: Vec<(String, String)>,
}

impl ComparedRun {
    /// `A` or `A: rank 1`, for a legend.
    pub fn label(&self, place: usize) -> String {
        if self.name.is_empty() { letter(place) } else { format!("{}: {}", letter(place), self.name) }
    }
}

/// The letter by which a comparison names the run at a place: A to Z, then AA.
pub fn letter(place: usize) -> String {
    let last = char::from(b'A' + (place % 26) as u8);
    if place < 26 { last.into() } else { format!("{}{last}", letter(place / 26 - 1)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_named_by_letters() {
        let check = |place: usize, expected: &str| assert_eq!(letter(place), expected);
        check(0, "A");
        check(25, "Z");
        check(26, "AA");
        check(52, "BA");
    }
}
