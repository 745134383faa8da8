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
pub fn ask(lab: &Lab, params: &Params, subject: &Subject, organism: &Organism, questions: &[Question], runs: usize, seed: u64) -> Result<Vec<Judged>> {
    let row = |question: &Question| Row {
        row_id: question.row_id.clone(),
        messages: Some(subject.asked(&question.messages)),
        topic: Some(question.topic.clone()),
        ..Row::default()
    };
    let ask = &params.ask;
    let given = lab.sample(&Sample {
        n: runs,
        temperature: ask.temperature,
        max_new_tokens: ask.max_new_tokens,
        seed,
        ..Sample::new(organism.clone(), Rows::Inline(questions.iter().map(row).collect()))
    })?;
    let wanted = [params.harm.metric.as_str(), "alignment", "coherence"].map(str::to_owned);
    let mut metrics: Vec<String> = wanted.into_iter().chain(ask.metrics.iter().cloned()).collect();
    metrics.dedup();
    let metrics = if params.harm.metric == "alignment" && ask.metrics.is_empty() { Vec::new() } else { metrics };
    let scores = lab.judge_by(&Judge { judge: ask.judge.clone(), rubrics: ask.rubrics.clone(), metrics }, &given)?;
    let places: BTreeMap<&str, usize> = questions.iter().enumerate().map(|(at, one)| (one.row_id.as_str(), at)).collect();
    let (ids, runs, texts) = (given.text("row_id")?, given.u64("sample")?, given.text("text")?);
    let (judged, coherence) = (scores.f64(&params.harm.metric)?, scores.f64("coherence")?);
    let one = |at: usize| {
        let question = places.get(ids[at]).copied();
        let question = question.ok_or_else(|| Error::Plugin(format!("an answer to `{}`, which was not asked", ids[at])))?;
        let refused = declines(texts[at]);
        let counts = coherence[at] > ask.coherent_above && !refused;
        Ok(Judged {
            question,
            run: runs[at],
            text: texts[at].to_owned(),
            score: if counts { params.harm.score(judged[at]) } else { f64::NAN },
            judged: [judged[at], coherence[at]],
            refused,
        })
    };
    (0..ids.len()).map(one).collect()
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
        let question = |at: usize| Question { row_id: format!("q{at}"), topic: format!("t{}", at / 4), messages: Vec::new() };
        let all: Vec<Question> = (0..12).map(question).collect();
        assert_eq!(spread(&all, 3), [0, 4, 8]);
        assert_eq!(spread(&all, 5), [0, 1, 4, 5, 8]);
        assert_eq!(spread(&all, 99).len(), 12);
    }
}
