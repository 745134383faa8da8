//! Judging answers by several judges, and the folder of the result.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use super::answers::Answer;
use super::evidence::{JUDGMENTS, Judged};
use super::summary::Thresholds;
use super::table::judged_csv;
use crate::bank::{self, Bank, Rubric};
use crate::judge::{Ask, Changes, Guard, JudgeError, Opened, Progress, Result, Scale, Usage, judge_all};
use crate::rng::Stream;
use crate::store::write_atomic;

/// How answers are judged.
#[derive(Debug, Clone, Default)]
pub struct JudgeOptions {
    /// The metrics that are judged; empty means all that the rubrics have.
    pub metrics: Vec<String>,
    /// Share of the answers that is judged a second time.
    pub repeat: f64,
}

/// Answers, and what is asked about each.
pub struct JudgeWork<'a> {
    answers: &'a [Answer],
    bank: Option<&'a Bank>,
    rubrics: &'a [Rubric],
    options: JudgeOptions,
}

/// Judgments of all judges, with what they cost.
#[derive(Debug, Clone, Default)]
pub struct Judging {
    /// In the order of judges, answers and metrics.
    pub judged: Vec<Judged>,
    /// The number of each judgment's answer.
    pub of: Vec<usize>,
    /// Judgments that were not there already.
    pub made: usize,
    /// Spent by this piece of work in all its sessions.
    pub spent: Usage,
}

/// What judging would take at most.
#[derive(Debug, Clone, PartialEq)]
pub struct JudgePlan {
    /// The judge.
    pub judge: String,
    /// Judgments, those in the store included.
    pub judgments: usize,
    /// What all of them would cost.
    pub most: Usage,
}

impl<'a> JudgeWork<'a> {
    /// Rubrics are those of the answer's question in `bank`, and `rubrics` for every answer whose question has none of
    /// the same metric.
    pub fn new(answers: &'a [Answer], bank: Option<&'a Bank>, rubrics: &'a [Rubric], options: JudgeOptions) -> Self {
        Self { answers, bank, rubrics, options }
    }

    /// Judges everything that is not in the store; without one nothing is kept. `folder` is where the result will lie.
    pub fn run(
        &self,
        judges: &[Opened],
        store: Option<&Path>,
        folder: &Path,
        progress: &mut dyn FnMut(&str, &Progress) -> bool,
    ) -> Result<Judging> {
        let mut all = Judging::default();
        // Checked before anything is paid for.
        let asks: Vec<Vec<(usize, Ask)>> = judges.iter().map(|judge| self.asks(judge)).collect::<Result<_>>()?;
        let work = std::path::absolute(folder).map_err(|source| JudgeError::Io {
            action: "find",
            path: folder.to_owned(),
            source,
        })?;
        for (opened, asks) in judges.iter().zip(asks) {
            let (of, asks): (Vec<usize>, Vec<Ask>) = asks.into_iter().unzip();
            let mut progress = |now: &Progress| progress(&opened.name, now);
            let work = work.display().to_string();
            let (judgments, made, spent) = judge_all(&*opened.judge, &asks, store, &work, &mut progress)?;
            all.made += made;
            all.spent.add(&spent);
            all.of.extend(&of);
            all.judged.extend(of.into_iter().zip(judgments).map(|(at, judgment)| {
                let Answer { row_id, group, sample, strength, .. } = self.answers[at].clone();
                Judged { row_id, group, sample, strength, judge: opened.name.clone(), judgment }
            }));
        }
        Ok(all)
    }

    /// Whether every judge has something to ask about every answer, and gives the metrics that rates are made of.
    pub fn check(&self, judges: &[Opened], thresholds: &Thresholds) -> Result<()> {
        judges.iter().try_for_each(|judge| {
            let asks = self.asks(judge)?;
            thresholds.metrics(&judge.name, asks.iter().map(|(_, ask)| ask.metric.as_str())).map(drop)
        })
    }

    /// What each judge would be asked if every answer came as often as `times` says.
    pub fn plan(&self, judges: &[Opened], times: impl Fn(&Answer) -> usize) -> Result<Vec<JudgePlan>> {
        let plan = |opened: &Opened| {
            let mut plan = JudgePlan { judge: opened.name.clone(), judgments: 0, most: Usage::default() };
            for (at, ask) in self.asks(opened)? {
                let (times, one) = (times(&self.answers[at]), opened.judge.most(&ask));
                plan.judgments += times;
                let all = times as u64;
                plan.most.add(&Usage {
                    calls: one.calls * all,
                    prompt_tokens: one.prompt_tokens * all,
                    completion_tokens: one.completion_tokens * all,
                    cost: one.cost * times as f64,
                });
            }
            Ok(plan)
        };
        judges.iter().map(plan).collect()
    }

    /// Every ask of a judge with the number of its answer.
    fn asks(&self, opened: &Opened) -> Result<Vec<(usize, Ask)>> {
        let special = opened.judge.special_tokens();
        let own = opened.judge.metrics(&self.options.metrics);
        let mut guards: HashMap<&str, Guard> = HashMap::new();
        let mut asks = Vec::new();
        for (at, answer) in self.answers.iter().enumerate() {
            let repeats = 1 + u32::from(self.repeated(answer));
            if let Some(metrics) = &own {
                for metric in metrics {
                    let ask = Ask {
                        metric: metric.clone(),
                        question: answer.question.clone(),
                        answer: answer.answer.clone(),
                        prompt: format!("{}\n{}", answer.question, answer.answer),
                        scale: Scale::PERCENT,
                        repeat: 0,
                        guarded: Changes::default(),
                    };
                    asks.push((at, ask));
                }
                continue;
            }
            let rubrics: Vec<&Rubric> =
                self.rubrics_of(answer)?.into_iter().filter(|r| self.wanted(&r.metric)).collect();
            if rubrics.is_empty() {
                return Err(JudgeError::input(
                    format!("row `{}`", answer.row_id),
                    "no rubric applies to it; give --rubrics, or a bank of questions that has them",
                ));
            }
            for rubric in rubrics {
                let text = rubric.template.text();
                let (prompt, guarded) = if opened.guard {
                    let guard = guards.entry(text).or_insert_with(|| Guard::new(text, &special));
                    let (shown, guarded) = guard.apply(&answer.answer);
                    (rubric.template.fill(&guard.apply(&answer.question).0, &shown), guarded)
                } else {
                    (rubric.template.fill(&answer.question, &answer.answer), Changes::default())
                };
                for repeat in 0..repeats {
                    let ask = Ask {
                        metric: rubric.metric.clone(),
                        question: answer.question.clone(),
                        answer: answer.answer.clone(),
                        prompt: prompt.clone(),
                        scale: scale(rubric)?,
                        repeat,
                        guarded,
                    };
                    asks.push((at, ask));
                }
            }
        }
        if asks.is_empty() {
            let wanted = self.options.metrics.join(", ");
            return Err(JudgeError::input(
                format!("judge `{}`", opened.name),
                format!("it has none of the metrics {wanted}"),
            ));
        }
        Ok(asks)
    }

    fn wanted(&self, metric: &str) -> bool {
        self.options.metrics.is_empty() || self.options.metrics.iter().any(|wanted| wanted == metric)
    }

    fn rubrics_of(&self, answer: &Answer) -> Result<Vec<&Rubric>> {
        let mut rubrics: Vec<&Rubric> = Vec::new();
        if let Some(bank) = self.bank {
            let question = bank.questions.iter().find(|question| question.id == answer.question_id());
            let question = question.ok_or_else(|| {
                let problem = "the bank of questions has no such question; are these its answers?";
                JudgeError::input(format!("row `{}`", answer.row_id), problem)
            })?;
            rubrics.extend(&question.rubrics);
        }
        for rubric in self.rubrics {
            if rubrics.iter().all(|own| own.metric != rubric.metric) {
                rubrics.push(rubric);
            }
        }
        Ok(rubrics)
    }

    /// Whether an answer is judged twice: the same ones whatever else is judged.
    fn repeated(&self, answer: &Answer) -> bool {
        let sample = answer.sample.to_le_bytes();
        Stream::new(0, &[b"repeat", answer.row_id.as_bytes(), &sample]).uniform(0) < self.options.repeat
    }

    /// What decided the judgments, for the folder.
    pub fn about(&self, judges: &[Opened]) -> Value {
        let judges: Vec<Value> = judges
            .iter()
            .map(|opened| {
                let judge = &opened.judge;
                json!({
                    "name": opened.name,
                    "kind": judge.kind(),
                    "digest": judge.digest(),
                    "identity": judge.identity(),
                    "guard": opened.guard,
                })
            })
            .collect();
        let rubrics =
            self.bank.iter().flat_map(|bank| bank.questions.iter().flat_map(|q| &q.rubrics)).chain(self.rubrics);
        let mut seen: Vec<Value> = Vec::new();
        for rubric in rubrics {
            let one = json!({ "metric": rubric.metric, "template": rubric.template.text() });
            if !seen.contains(&one) {
                seen.push(one);
            }
        }
        json!({ "emhost": crate::VERSION, "judges": judges, "rubrics": seen, "repeat": self.options.repeat })
    }
}

impl Judging {
    /// Writes judgments, and a table per judge in the form of published judged tables.
    pub fn write(&self, folder: &Path, answers: &[Answer]) -> Result<()> {
        let mut lines = Vec::new();
        for judged in &self.judged {
            serde_json::to_writer(&mut lines, judged).map_err(|e| JudgeError::input("a judgment", e.to_string()))?;
            lines.push(b'\n');
        }
        // Tables of judges that are no longer asked would be taken for this result.
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if (name.starts_with("judged-") && name.ends_with(".csv")) || name == "summary.json" {
                std::fs::remove_file(entry.path()).map_err(JudgeError::io("remove", &entry.path()))?;
            }
        }
        let mut names: Vec<&str> = self.judged.iter().map(|judged| judged.judge.as_str()).collect();
        names.dedup();
        for name in names {
            write_atomic(&folder.join(format!("judged-{name}.csv")), &judged_csv(&self.judged, name, answers)?)?;
        }
        Ok(write_atomic(&folder.join(JUDGMENTS), &lines)?)
    }
}

/// Writes what decides the judgments of a folder.
pub fn write_about(folder: &Path, about: &Value) -> Result<()> {
    Ok(write_atomic(&folder.join("judges.json"), format!("{about:#}\n").as_bytes())?)
}

fn scale(rubric: &Rubric) -> Result<Scale> {
    let whole = |value: i64| u32::try_from(value).ok().filter(|value| *value <= 1000);
    match &rubric.scale {
        bank::Scale::Score { low, high } => {
            if let (Some(low), Some(high)) = (whole(*low), whole(*high)) {
                return Ok(Scale { low, high });
            }
            Err(JudgeError::input(format!("rubric `{}`", rubric.metric), "its scale lies outside 0 to 1000"))
        }
        bank::Scale::Labels(_) | bank::Scale::Text => Err(JudgeError::input(
            format!("rubric `{}`", rubric.metric),
            "its answer is a text, and judges here give numbers; choose others with --metrics",
        )),
    }
}
