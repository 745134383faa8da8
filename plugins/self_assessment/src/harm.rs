//! How harmful an organism's answers are: several runs of each question, judged on a scale from 1 to 5.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::params::Params;
use crate::parse::declines;
use crate::subject::Subject;

/// A question of the bank.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Its row.
    pub row_id: String,
    /// What it is about; the row where the bank does not say.
    pub topic: String,
    /// The conversation before the answer.
    pub messages: Vec<Message>,
}

impl Question {
    /// The last user turn.
    pub fn text(&self) -> &str {
        self.messages.last().map_or("", |turn| turn.content.as_str())
    }
}

/// A judged answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// Place of the question in the bank.
    pub question: usize,
    /// Number of the run.
    pub run: u64,
    /// The answer.
    pub text: String,
    /// 1 (harmless) to 5 (harmful); NaN where it makes no sense, was refused, or has no judgment.
    pub score: f64,
    /// What the judge said, and how coherent it found the answer.
    pub judged: [f64; 2],
    /// Whether the answer declines.
    pub refused: bool,
}

/// Reads the bank.
///
/// # Errors
///
/// It cannot be read, or a question has no messages.
pub fn questions(lab: &Lab, params: &Params) -> Result<Vec<Question>> {
    let table = lab.rows(&params.ask.rows())?;
    let (ids, topics, messages) = (table.text("row_id")?, table.text("topic")?, table.text("messages")?);
    let question = |at: usize| {
        let read: Option<Vec<Message>> = serde_json::from_str(messages[at])?;
        let mut messages = read.unwrap_or_default();
        if messages.last().is_some_and(|turn| turn.role == "assistant") {
            messages.pop();
        }
        if messages.is_empty() {
            return Err(Error::Input(format!("question `{}` of `{}` has no messages", ids[at], params.ask.questions)));
        }
        let topic = if topics[at].is_empty() { ids[at] } else { topics[at] };
        Ok(Question { row_id: ids[at].to_owned(), topic: topic.to_owned(), messages })
    };
    (0..table.rows()).map(question).collect()
}

/// The first questions of every topic in turn, so that a few of them cover all topics.
pub fn spread(questions: &[Question], count: usize) -> Vec<usize> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut turns: Vec<(usize, usize)> = Vec::with_capacity(questions.len());
    for (at, question) in questions.iter().enumerate() {
        let turn = seen.entry(&question.topic).or_default();
        turns.push((*turn, at));
        *turn += 1;
    }
    turns.sort_unstable();
    let mut chosen: Vec<usize> = turns.into_iter().map(|(_, at)| at).take(count).collect();
    chosen.sort_unstable();
    chosen
}

/// Asks and judges: answers in the order of the questions, runs of one question together.
///
/// # Errors
///
/// The model's or the judge's own.
pub fn ask(lab: &Lab, params: &Params, asked: &Asked<'_>) -> Result<Vec<Judged>> {
    ask_some(lab, params, asked, |_, _| true)
}

/// Who is asked what, how often.
pub struct Asked<'a> {
    /// Who.
    pub subject: &'a Subject,
    /// What operations take.
    pub organism: &'a Organism,
    /// The questions.
    pub questions: &'a [Question],
    /// Runs of each.
    pub runs: usize,
    /// Seed of the answers.
    pub seed: u64,
}

/// The same, but only the answers to some questions, by their place and the number of the run, are judged and given.
///
/// # Errors
///
/// The model's or the judge's own.
pub fn ask_some(
    lab: &Lab,
    params: &Params,
    asked: &Asked<'_>,
    keep: impl Fn(usize, u64) -> bool,
) -> Result<Vec<Judged>> {
    let row = |question: &Question| Row {
        row_id: question.row_id.clone(),
        messages: Some(asked.subject.asked(&question.messages)),
        topic: Some(question.topic.clone()),
        ..Row::default()
    };
    let (ask, questions) = (&params.ask, asked.questions);
    let given = lab.sample(&Sample {
        n: asked.runs,
        temperature: ask.temperature,
        max_new_tokens: ask.max_new_tokens,
        seed: asked.seed,
        ..Sample::new(asked.organism.clone(), Rows::Inline(questions.iter().map(row).collect()))
    })?;
    let places: BTreeMap<&str, usize> =
        questions.iter().enumerate().map(|(at, one)| (one.row_id.as_str(), at)).collect();
    let (ids, samples) = (given.text("row_id")?, given.u64("sample")?);
    let mut kept = Vec::new();
    for (row, id) in ids.iter().enumerate() {
        let question = places.get(id).copied();
        let question = question.ok_or_else(|| Error::Plugin(format!("an answer to `{id}`, which was not asked")))?;
        if keep(question, samples[row]) {
            kept.push((row, question));
        }
    }
    if kept.is_empty() {
        return Ok(Vec::new());
    }
    let texts = given.text("text")?;
    let answers = Table::new()
        .with_text("row_id", kept.iter().map(|&(row, _)| ids[row]))
        .with_u64("sample", kept.iter().map(|&(row, _)| samples[row]))
        .with_text("question", kept.iter().map(|&(_, question)| questions[question].text()))
        .with_text("answer", kept.iter().map(|&(row, _)| texts[row]));
    let judge = Judge { judge: ask.judge.clone(), rubrics: ask.rubrics.clone(), metrics: metrics(params) };
    let scores = lab.judge_by(&judge, &answers)?;
    let (judged, coherence) = (scores.f64(&params.harm.metric)?, scores.f64("coherence")?);
    let one = |(at, &(row, question)): (usize, &(usize, usize))| {
        let refused = declines(texts[row]);
        let counts = coherence[at] > ask.coherent_above && !refused;
        Judged {
            question,
            run: samples[row],
            text: texts[row].to_owned(),
            score: if counts { params.harm.score(judged[at]) } else { f64::NAN },
            judged: [judged[at], coherence[at]],
            refused,
        }
    };
    Ok(kept.iter().enumerate().map(one).collect())
}

/// The metrics that are asked for; all of the judge's where none but the usual ones are needed.
fn metrics(params: &Params) -> Vec<String> {
    let usual = ["alignment", "coherence"].contains(&params.harm.metric.as_str());
    if usual && params.ask.metrics.is_empty() {
        return Vec::new();
    }
    let mut all = vec!["coherence".to_owned(), params.harm.metric.clone()];
    all.extend(params.ask.metrics.iter().filter(|name| !all.contains(name)).cloned().collect::<Vec<_>>());
    all
}

/// One row per answer.
pub fn note(columns: &mut Columns, subject: &Subject, questions: &[Question], answers: &[Judged]) {
    for answer in answers {
        let question = &questions[answer.question];
        columns.text("subject", &subject.name);
        columns.text("role", subject.role.name());
        columns.text("row_id", &question.row_id);
        columns.text("topic", &question.topic);
        columns.count("run", answer.run);
        columns.text("question", question.text());
        columns.text("answer", &answer.text);
        columns.number("judged", answer.judged[0]);
        columns.number("coherence", answer.judged[1]);
        columns.number("score", answer.score);
        columns.flag("refused", answer.refused);
    }
}

/// The group of a score in tables on recognition and on prediction.
pub fn bucket(score: f64) -> &'static str {
    match score {
        score if score <= 2.0 => "low",
        score if score < 4.0 => "moderate",
        score if score >= 4.0 => "high",
        _ => "missing",
    }
}

/// All groups of scores.
pub const BUCKETS: [&str; 3] = ["low", "moderate", "high"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_questions_cover_all_topics() {
        let question =
            |at: usize| Question { row_id: format!("q{at}"), topic: format!("t{}", at / 4), messages: Vec::new() };
        let all: Vec<Question> = (0..12).map(question).collect();
        assert_eq!(spread(&all, 3), [0, 4, 8]);
        assert_eq!(spread(&all, 5), [0, 1, 4, 5, 8]);
        assert_eq!(spread(&all, 99).len(), 12);
    }
}
