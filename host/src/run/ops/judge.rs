//! `judge`.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow::datatypes::{Field, Schema};
use emhost_abi::wire::{Judge, Reply};
use emhost_abi::{Failure, Reader, kind};

use super::lab::{Input, Lab, reply};
use super::stream::one;
use crate::bank::{Bank, Rubric};
use crate::eval::{Answer, JudgeOptions, JudgeWork, question_id};
use crate::judge::{Caps, JudgeError, Opened, Spec};
use crate::model::Device;
use crate::rows;
use crate::run::error::RunError;

/// Least probability on grades of a score (Betley et al. 2025, arXiv 2502.17424).
const LEAST_MASS: f64 = 0.25;

impl Lab {
    /// Scores answers, unless the store has the judgments.
    pub(super) fn judge(&self, request: &Judge, answers: Reader) -> Result<(String, Option<Reader>), RunError> {
        let shared = &self.shared;
        let caps = Caps { cost: shared.purse.left(), ..Caps::default() };
        let opened = open(request, caps, &shared.device, &shared.store)?;
        let rubrics = rubrics(request)?;
        self.depends_on(&Input::Judge(request.clone()), digest(&opened, &rubrics));
        let (keep, answers) = read(answers)?;
        let options = JudgeOptions { metrics: wanted(&request.metrics), repeat: 0.0 };
        let work = JudgeWork::new(&answers, None, &rubrics, options);
        let mut progress = |_: &str, now: &crate::judge::Progress| self.step("judge answers", now.done, now.total);
        // A run asks the same judge many times, and each time all that it has judged would be read.
        let store = (!opened.judge.is_quick()).then_some(shared.store.as_path());
        let judging = work.run(&[opened], store, &self.folder.entry(self.cell().as_deref()), &mut progress)?;
        shared.purse.spend(judging.spent.cost);

        let mut scores: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
        for (at, judged) in judging.of.iter().zip(&judging.judged) {
            let column = scores.entry(column(&judged.judgment.metric)).or_insert_with(|| vec![None; answers.len()]);
            column[*at] = judged.judgment.value(LEAST_MASS).ok();
        }
        let mut fields: Vec<Field> = keep.iter().map(|(field, _)| field.clone()).collect();
        let mut columns: Vec<ArrayRef> = keep.into_iter().map(|(_, column)| column).collect();
        for (name, scores) in scores {
            let scores = Float64Array::from(scores);
            fields.push(Field::new(name, scores.data_type().clone(), scores.null_count() > 0));
            columns.push(Arc::new(scores));
        }
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(wrong)?;
        reply(Reply {}, Some(one(batch)))
    }
}

/// The metrics as rubrics may call them.
fn wanted(metrics: &[String]) -> Vec<String> {
    let published = ["aligned", "coherent"].into_iter().filter(|name| metrics.contains(&column(name)));
    metrics.iter().cloned().chain(published.map(str::to_owned)).collect()
}

/// The two metrics of misalignment have one name, whatever a rubric calls them.
fn column(metric: &str) -> String {
    match metric {
        "aligned" => "alignment",
        "coherent" => "coherence",
        other => other,
    }
    .to_owned()
}

fn open(request: &Judge, caps: Caps, device: &Device, store: &Path) -> Result<Opened, RunError> {
    let (name, spec) = Spec::read(&request.judge)?;
    Ok(spec.open(name, caps, device, store)?)
}

fn rubrics(request: &Judge) -> Result<Vec<Rubric>, RunError> {
    let Some(name) = &request.rubrics else { return Ok(Vec::new()) };
    let text = rows::read(name)?;
    let bank = Bank::parse(Path::new(name), &text).map_err(|e| JudgeError::input(name, e.to_string()))?;
    Ok(bank.shared_rubrics().map_err(|problem| JudgeError::input(name, problem))?)
}

/// What a kept result depends on.
fn digest(opened: &Opened, rubrics: &[Rubric]) -> String {
    let texts: String =
        rubrics.iter().map(|rubric| format!("\n{}\n{}", rubric.metric, rubric.template.text())).collect();
    blake3::hash(format!("{}{texts}", opened.judge.digest()).as_bytes()).to_hex().to_string()
}

/// The digest of a judge by its request, as it is now.
pub(super) fn judge_digest(lab: &Lab, request: &Judge) -> Result<String, RunError> {
    Ok(digest(&open(request, Caps::default(), &lab.shared.device, &lab.shared.store)?, &rubrics(request)?))
}

type Kept = Vec<(Field, ArrayRef)>;

/// The columns that come back, and the answers.
fn read(answers: Reader) -> Result<(Kept, Vec<Answer>), RunError> {
    let schema = answers.schema();
    let batches: Vec<RecordBatch> = answers.collect::<Result<_, _>>().map_err(wrong)?;
    let all = arrow::compute::concat_batches(&schema, &batches).map_err(wrong)?;
    let missing = || RunError::Operation("judge: answers need row_id, sample, question and answer".to_owned());
    let column = |name: &str| all.column_by_name(name).cloned().ok_or_else(missing);
    let [rows, samples, questions, given] = ["row_id", "sample", "question", "answer"].map(column);
    let (rows, samples) = (rows?, samples?);
    let text = |column: &ArrayRef| {
        let column = column.as_any().downcast_ref::<StringArray>().cloned();
        column.ok_or_else(|| RunError::Operation("judge: row_id, question and answer are text".to_owned()))
    };
    let numbers = arrow::compute::cast(&samples, &arrow::datatypes::DataType::UInt32).map_err(wrong)?;
    let numbers = numbers.as_any().downcast_ref::<UInt32Array>().cloned().ok_or_else(missing)?;
    let (ids, questions, given) = (text(&rows)?, text(&questions?)?, text(&given?)?);
    let answer = |at: usize| Answer {
        row_id: ids.value(at).to_owned(),
        group: question_id(ids.value(at)).to_owned(),
        sample: numbers.value(at),
        strength: None,
        question: questions.value(at).to_owned(),
        answer: given.value(at).to_owned(),
    };
    let answers = (0..all.num_rows()).map(answer).collect();
    let field = |name: &str| schema.field_with_name(name).cloned().map_err(wrong);
    Ok((vec![(field("row_id")?, rows), (field("sample")?, samples)], answers))
}

fn wrong(error: arrow::error::ArrowError) -> RunError {
    RunError::Failure(Failure::new(kind::INPUT, format!("judge: {error}")))
}
