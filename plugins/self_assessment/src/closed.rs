//! Closed questions: asked by exact probabilities of all options, and by sampled replies.

use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::params::Params;
use crate::parse::{Reply, choice, number};
use crate::subject::Subject;

/// A question with a closed set of answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What is asked for, such as `decision`.
    pub task: &'static str,
    /// Unique among all items; random numbers depend on it.
    pub row_id: String,
    /// The item as such, whatever the order of its options: replies within it are not independent.
    pub item: String,
    /// What it is about: the pair of poles, the theme, the topic.
    pub unit: String,
    /// Number of the frame.
    pub frame: usize,
    /// Whether the frame is a paraphrase.
    pub paraphrase: bool,
    /// Whether the order of options, or the pole that is asked for, is the second one.
    pub swapped: bool,
    /// The question.
    pub question: String,
    /// What can be answered.
    pub options: Vec<String>,
    /// What each option means.
    pub values: Vec<f64>,
    /// The ends of the scale where a number is asked for.
    pub numbers: Option<[f64; 2]>,
}

/// What was answered to an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// Probability of each option, given that it is one of them.
    pub probabilities: Vec<f64>,
    /// Probability that the reply begins with one of the options.
    pub mass: f64,
    /// The sampled replies and how they are read.
    pub replies: Vec<(String, Reply)>,
}

impl Item {
    /// How a reply in words is read.
    pub fn read(&self, reply: &str) -> Reply {
        match self.numbers {
            Some(range) => number(reply, range),
            None => choice(reply, &self.options),
        }
    }

    /// What a reply means; none where it settles on nothing.
    pub fn value(&self, reply: Reply) -> Option<f64> {
        match (reply, self.numbers) {
            (Reply::Chosen(option), _) => self.values.get(option).copied(),
            (Reply::Number(number), Some([low, high])) => {
                let [first, last] = [*self.values.first()?, *self.values.last()?];
                Some(first + (number - low) / (high - low) * (last - first))
            }
            _ => None,
        }
    }
}

impl Answered {
    /// The mean of what the options mean, by their probability.
    pub fn value(&self, item: &Item) -> f64 {
        self.probabilities.iter().zip(&item.values).map(|(p, value)| p * value).sum()
    }

    /// What the replies mean that settle on something.
    pub fn values(&self, item: &Item) -> Vec<f64> {
        self.replies.iter().filter_map(|(_, reply)| item.value(*reply)).collect()
    }
}

/// Asks all items.
///
/// # Errors
///
/// The model's own, or an option that the tokenizer makes nothing of.
pub fn ask(
    lab: &Lab,
    params: &Params,
    subject: &Subject,
    organism: &Organism,
    items: &[Item],
) -> Result<Vec<Answered>> {
    if items.is_empty() {
        return Ok(Vec::new());
    }
    let row = |item: &Item| Row {
        row_id: item.row_id.clone(),
        messages: Some(subject.asked(&[Message { role: "user".to_owned(), content: item.question.clone() }])),
        continuations: Some(item.options.clone()),
        ..Row::default()
    };
    let rows: Vec<Row> = items.iter().map(row).collect();
    let scores = lab.score(&Score::new(organism.clone(), Rows::Inline(rows.clone())))?;
    let (totals, tokens) = (scores.f64("total")?, scores.lists("token_ids")?);
    let open = rows.into_iter().map(|row| Row { continuations: None, ..row }).collect();
    let given = lab.sample(&Sample {
        n: params.samples,
        max_new_tokens: params.reply_tokens,
        seed: params.seed,
        ..Sample::new(organism.clone(), Rows::Inline(open))
    })?;
    let texts = given.text("text")?;
    let expected = (items.iter().map(|item| item.options.len()).sum::<usize>(), items.len() * params.samples);
    if (totals.len(), texts.len()) != expected {
        return Err(Error::Plugin(format!(
            "asked for {} scores and {} replies, got {} and {}",
            expected.0,
            expected.1,
            totals.len(),
            texts.len()
        )));
    }
    let mut answered = Vec::with_capacity(items.len());
    let mut at = 0;
    for (number, item) in items.iter().enumerate() {
        let end = at + item.options.len();
        let probabilities = exclusive(&totals[at..end], &tokens[at..end]);
        at = end;
        let mass: f64 = probabilities.iter().sum();
        if mass <= 0.0 || !mass.is_finite() {
            return Err(Error::Plugin(format!("the options of `{}` have the probability {mass}", item.row_id)));
        }
        let of = number * params.samples..(number + 1) * params.samples;
        answered.push(Answered {
            probabilities: probabilities.into_iter().map(|p| p / mass).collect(),
            mass,
            replies: texts[of].iter().map(|text| ((*text).to_owned(), item.read(text))).collect(),
        });
    }
    Ok(answered)
}

/// Probabilities of options, none of which counts for another that it begins: where `1` and `10` share a token, the
/// probability of `10` is taken from that of `1`.
pub fn exclusive(totals: &[f64], tokens: &[Vec<f32>]) -> Vec<f64> {
    let begins = |short: usize, long: usize| {
        tokens[long].len() > tokens[short].len() && tokens[long].starts_with(&tokens[short])
    };
    let all = 0..totals.len();
    let one = |option: usize| {
        let longer: Vec<usize> = all.clone().filter(|other| begins(option, *other)).collect();
        // Only the next longer ones: what these begin is within them.
        let next = longer.iter().filter(|other| !longer.iter().any(|between| begins(*between, **other)));
        (totals[option].exp() - next.map(|other| totals[*other].exp()).sum::<f64>()).max(0.0)
    };
    all.clone().map(one).collect()
}

/// One row per item: what was answered, by both readings.
pub fn note_items(columns: &mut Columns, subject: &Subject, items: &[Item], answered: &[Answered]) {
    for (item, given) in items.iter().zip(answered) {
        columns.text("subject", &subject.name);
        columns.text("role", subject.role.name());
        columns.text("task", item.task);
        columns.text("row_id", &item.row_id);
        columns.text("item", &item.item);
        columns.text("unit", &item.unit);
        columns.count("frame", item.frame as u64);
        columns.flag("paraphrase", item.paraphrase);
        columns.flag("swapped", item.swapped);
        columns.text("question", &item.question);
        columns.number("first", given.probabilities.first().copied().unwrap_or(f64::NAN));
        columns.number("mass", given.mass);
        columns.number("value", given.value(item));
        let values = given.values(item);
        columns.number("text_value", values.iter().sum::<f64>() / values.len() as f64);
        columns.count("text_decided", values.len() as u64);
        columns
            .count("text_first", given.replies.iter().filter(|(_, reply)| *reply == Reply::Chosen(0)).count() as u64);
        columns.count("replies", given.replies.len() as u64);
    }
}

/// One row per sampled reply, whatever its kind.
pub fn note_replies(columns: &mut Columns, subject: &Subject, items: &[Item], answered: &[Answered]) {
    for (item, given) in items.iter().zip(answered) {
        for (sample, (text, reply)) in given.replies.iter().enumerate() {
            columns.text("subject", &subject.name);
            columns.text("task", item.task);
            columns.text("row_id", &item.row_id);
            columns.text("item", &item.item);
            columns.count("sample", sample as u64);
            columns.text("question", &item.question);
            columns.text("reply", text);
            columns.text("kind", reply.kind());
            columns.number("value", item.value(*reply).unwrap_or(f64::NAN));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_that_begins_another_does_not_count_twice() {
        // `1` is one token, `10` is two, `100` three: 0.6 of all replies begin with `1`.
        let tokens = [vec![1.0], vec![1.0, 0.0], vec![1.0, 0.0, 0.0], vec![2.0]];
        let found = exclusive(&[0.6_f64.ln(), 0.3_f64.ln(), 0.1_f64.ln(), 0.4_f64.ln()], &tokens);
        let expected = [0.3, 0.2, 0.1, 0.4];
        assert!(found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-12), "{found:?}");
    }
}
