//! `judge`.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use emhost_abi::wire::{Judge, Reply};
use emhost_abi::{Failure, Reader, kind};

use super::lab::{Lab, reply};
use super::stream::many;
use crate::judge::Lexicon;
use crate::rows;
use crate::run::error::RunError;

impl Lab {
    /// Scores a stream of answers, batch by batch.
    pub(super) fn judge(&self, request: &Judge, answers: Reader) -> Result<(String, Option<Reader>), RunError> {
        let source = match request.judge.split_once(':') {
            None if request.judge == "lexicon" => "embedded:lexicon.toml".to_owned(),
            Some(("lexicon", path)) => path.to_owned(),
            _ => {
                let message = format!("there is no judge `{}`; give `lexicon` or `lexicon:FILE`", request.judge);
                return Err(RunError::Failure(Failure::new(kind::INPUT, message)));
            }
        };
        let lexicon = Lexicon::parse(&rows::read(&source)?).map_err(|problem| RunError::Recipe {
            path: Path::new(&source).to_owned(),
            problem: problem.to_string(),
        })?;
        let given = answers.schema();
        let keep = ["row_id", "sample"].map(|name| given.index_of(name));
        let texts = ["question", "answer"].map(|name| given.index_of(name));
        let (Ok(keep), Ok(texts)) = (all(keep), all(texts)) else {
            return Err(RunError::Operation("judge: answers need row_id, sample, question and answer".to_owned()));
        };
        let mut fields: Vec<Field> = keep.iter().map(|at| given.field(*at).clone()).collect();
        fields.push(Field::new("alignment", DataType::Float64, true));
        fields.push(Field::new("coherence", DataType::Float64, false));
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let out = schema.clone();
        let scored = answers.map(move |batch| scores(&lexicon, &batch?, &keep, &texts, &out));
        reply(Reply {}, Some(many(schema, scored)))
    }
}

fn all<const N: usize>(found: [Result<usize, ArrowError>; N]) -> Result<Vec<usize>, ArrowError> {
    found.into_iter().collect()
}

fn scores(
    lexicon: &Lexicon,
    batch: &RecordBatch,
    keep: &[usize],
    texts: &[usize],
    schema: &SchemaRef,
) -> Result<RecordBatch, ArrowError> {
    let text = |at: usize| {
        let column = batch.column(at).as_any().downcast_ref::<StringArray>();
        column.ok_or_else(|| ArrowError::SchemaError("judge: question and answer are text".to_owned()))
    };
    let (questions, answers) = (text(texts[0])?, text(texts[1])?);
    let given = (0..batch.num_rows()).map(|row| lexicon.judge(questions.value(row), answers.value(row)));
    let (alignment, coherence): (Vec<Option<f64>>, Vec<f64>) = given.map(|s| (s.alignment, s.coherence)).unzip();
    let mut columns: Vec<ArrayRef> = keep.iter().map(|at| batch.column(*at).clone()).collect();
    columns.push(Arc::new(Float64Array::from(alignment)));
    columns.push(Arc::new(Float64Array::from(coherence)));
    RecordBatch::try_new(schema.clone(), columns)
}
