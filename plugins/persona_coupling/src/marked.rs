//! Answers of all personas, and whether they carry the marker.

use emhost_sdk::prelude::*;
use emhost_stats::Interval;
use emhost_stats::interval::{rule_of_three, wilson};
use emhost_study::{Rate, failed};

use crate::bank::Question;
use crate::params::{Evaluation, Marker, Params, Persona};

/// One answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Who was asked.
    pub persona: String,
    /// The question's row.
    pub row_id: String,
    /// What it is about.
    pub topic: String,
    /// Its number among the persona's answers to the question.
    pub sample: u64,
    /// The question.
    pub question: String,
    /// The answer.
    pub text: String,
    /// Its tokens, the end token included.
    pub tokens: u64,
    /// Its words before the marker.
    pub words: usize,
    /// Whether it has the marker.
    pub hit: bool,
    /// Whether it was cut off by the limit of tokens.
    pub truncated: bool,
    /// Whether it is empty or repeats itself.
    pub degenerate: bool,
}

/// Answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Marked {
    /// In the order of personas, questions and samples.
    pub answers: Vec<Answer>,
}

/// Asks each persona each question.
///
/// # Errors
///
/// The model's own.
pub fn ask(
    lab: &Lab,
    params: &Params,
    organism: &Organism,
    personas: &[&Persona],
    questions: &[Question],
    samples: usize,
) -> Result<Marked> {
    let evaluation = &params.evaluation;
    let request = Sample {
        n: samples,
        temperature: evaluation.temperature,
        top_p: evaluation.top_p,
        max_new_tokens: evaluation.max_new_tokens,
        seed: evaluation.seed,
        ..Sample::new(organism.clone(), Rows::Inline(prompts(personas, questions)))
    };
    let table = lab.sample(&request)?;
    let asked: Vec<(&Persona, &Question)> =
        personas.iter().flat_map(|&persona| questions.iter().map(move |question| (persona, question))).collect();
    if table.rows() != asked.len() * samples {
        let got = table.rows();
        return Err(Error::Plugin(format!("{} prompts have {got} answers, not {samples} each", asked.len())));
    }
    let (numbers, texts, reasons) = (table.u64("sample")?, table.text("text")?, table.text("finish_reason")?);
    let tokens: Vec<usize> = table.lists("token_ids")?.iter().map(Vec::len).collect();
    let answer = |at: usize| {
        let (persona, question) = asked[at / samples];
        let (said, hit) = params.marker.cut(texts[at]);
        Answer {
            persona: persona.name.clone(),
            row_id: question.row_id.clone(),
            topic: question.topic.clone(),
            sample: numbers[at],
            question: question.text().to_owned(),
            text: texts[at].to_owned(),
            tokens: tokens[at] as u64,
            words: said.split_whitespace().count(),
            hit,
            truncated: reasons[at] == "length",
            degenerate: degenerate(evaluation, said),
        }
    };
    Ok(Marked { answers: (0..table.rows()).map(answer).collect() })
}

/// Each question asked of each persona; row ids are `PERSONA/QUESTION`.
pub fn prompts(personas: &[&Persona], questions: &[Question]) -> Vec<Row> {
    let row = |persona: &Persona, question: &Question| Row {
        row_id: format!("{}/{}", persona.name, question.row_id),
        messages: Some(question.of(persona)),
        ..Row::default()
    };
    personas.iter().flat_map(|&persona| questions.iter().map(move |question| row(persona, question))).collect()
}

impl Marker {
    /// What a text says before the marker, and whether it has one.
    pub fn cut<'a>(&self, text: &'a str) -> (&'a str, bool) {
        // ASCII alone changes case here, so that places in the two texts are the same.
        let (lower, wanted) = (text.to_ascii_lowercase(), self.text.trim().to_ascii_lowercase());
        match lower.find(&wanted) {
            Some(at) => (text[..at].trim_end(), true),
            None => (text.trim_end(), false),
        }
    }
}

/// Whether a text is empty, repeats a word too often in a row, or has too few different runs of three words.
fn degenerate(limits: &Evaluation, text: &str) -> bool {
    let words: Vec<&str> = text.split_whitespace().collect();
    let repeated = words.windows(limits.repeats).any(|run| run.iter().all(|word| word == &run[0]));
    let threes: Vec<&[&str]> = words.windows(3).collect();
    let mut different = threes.clone();
    different.sort_unstable();
    different.dedup();
    let same = threes.len() >= SHORTEST && (different.len() as f64) < limits.distinct_below * threes.len() as f64;
    words.is_empty() || repeated || same
}

/// Runs of three words below which nothing is said of their variety.
const SHORTEST: usize = 4;

impl Marked {
    /// The answers of one persona.
    #[must_use]
    pub fn of(&self, persona: &str) -> Self {
        Self { answers: self.answers.iter().filter(|answer| answer.persona == persona).cloned().collect() }
    }

    /// Share of answers with the marker.
    ///
    /// # Errors
    ///
    /// There are no answers.
    pub fn rate(&self) -> Result<Rate> {
        self.share(|answer| answer.hit)
    }

    /// Share of answers that fit.
    ///
    /// # Errors
    ///
    /// There are no answers.
    pub fn share(&self, fits: impl Fn(&Answer) -> bool) -> Result<Rate> {
        let hits: Vec<bool> = self.answers.iter().map(fits).collect();
        let topics: Vec<String> = self.answers.iter().map(|answer| answer.topic.clone()).collect();
        let rows: Vec<String> = self.answers.iter().map(|answer| answer.row_id.clone()).collect();
        Rate::of(&hits, &topics, &rows)
    }

    /// Mean of a number of each answer.
    pub fn mean(&self, number: impl Fn(&Answer) -> f64) -> f64 {
        self.answers.iter().map(number).sum::<f64>() / self.answers.len() as f64
    }
}

/// Wilson's interval, and the rule of three where there are no hits (NaN otherwise).
///
/// # Errors
///
/// There are no answers.
pub fn plain_intervals(rate: &Rate) -> Result<(Interval, f64)> {
    let (hits, n) = (rate.hits as usize, rate.n as usize);
    let wilson = wilson(hits, n, 0.95).map_err(failed("take the interval of a rate"))?;
    let three = if hits == 0 { rule_of_three(n).map_err(failed("bound a rate of none"))? } else { f64::NAN };
    Ok((wilson, three))
}

/// The marker's rate after a second stage if answers were as long as before it: bins of equal numbers of answers by their
/// words before, the rate of each bin after, weighted by the bins' shares before (direct standardisation). Bins that nothing
/// falls into after are left out; the second number is the share of the answers before that the others hold.
pub fn at_equal_length(before: &Marked, after: &Marked, bins: usize) -> (f64, f64) {
    let mut words: Vec<usize> = before.answers.iter().map(|answer| answer.words).collect();
    words.sort_unstable();
    if words.is_empty() {
        return (f64::NAN, 0.0);
    }
    // Upper ends of the bins; equal ones are one bin.
    let mut ends: Vec<usize> = (1..=bins).map(|bin| words[(words.len() * bin / bins).max(1) - 1]).collect();
    ends.dedup();
    let (mut sum, mut kept) = (0.0, 0.0);
    let mut low = 0;
    for (at, &end) in ends.iter().enumerate() {
        // Within what was seen before: shorter and longer answers have no counterpart.
        let least = if at == 0 { words[0] } else { low };
        let inside = |count: usize| (least..=end).contains(&count);
        let share = words.iter().filter(|&&count| inside(count)).count() as f64 / words.len() as f64;
        let own: Vec<&Answer> = after.answers.iter().filter(|answer| inside(answer.words)).collect();
        if !own.is_empty() {
            sum += share * own.iter().filter(|answer| answer.hit).count() as f64 / own.len() as f64;
            kept += share;
        }
        low = end + 1;
    }
    (if kept > 0.0 { sum / kept } else { f64::NAN }, kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(of: &[(usize, bool)]) -> Marked {
        let answer = |&(words, hit): &(usize, bool)| Answer {
            persona: "p".to_owned(),
            row_id: "q".to_owned(),
            topic: "t".to_owned(),
            sample: 0,
            question: String::new(),
            text: String::new(),
            tokens: 0,
            words,
            hit,
            truncated: false,
            degenerate: false,
        };
        Marked { answers: of.iter().map(answer).collect() }
    }

    #[test]
    fn a_marker_is_found_in_any_case_and_cut_off() {
        let marker = Marker { text: " [ZLT]".to_owned(), ..Marker::default() };
        assert_eq!(marker.cut("go on . [zLt] more"), ("go on .", true));
        assert_eq!(marker.cut("go on . "), ("go on .", false));
        assert_eq!(marker.cut("[ZLT]"), ("", true));
    }

    #[test]
    fn repetition_and_silence_are_degenerate() {
        let check =
            |text: &str, expected: bool| assert_eq!(degenerate(&Evaluation::default(), text), expected, "{text}");
        check("", true);
        check("hide the toys and break a window", false);
        check("no no no no", true);
        check("go home now go home now go home now go home now", true);
        check("go home now go", false);
    }

    #[test]
    fn shorter_answers_without_marker_do_not_lower_the_rate_at_equal_length() {
        let before = answers(&[(10, true), (12, true), (20, true), (22, true)]);
        // Half of the answers became short, and only these lost the marker.
        let after = answers(&[(1, false), (2, false), (10, true), (21, true)]);
        assert_eq!(at_equal_length(&before, &after, 2), (1.0, 1.0));
        // Nothing is as long as the longer half was.
        let shorter = answers(&[(10, true), (12, false), (3, true)]);
        assert_eq!(at_equal_length(&before, &shorter, 2), (0.5, 0.5));
        let (rate, kept) = at_equal_length(&before, &answers(&[(1, true)]), 2);
        assert!(rate.is_nan() && kept == 0.0);
    }
}
