//! Fine-tunes an organism, captures prompts before and after, and joins the captures into one dataset.

use std::collections::VecDeque;
use std::sync::Arc;

use emhost_sdk::arrow::array::{ArrayRef, RecordBatch, RecordBatchReader, StringArray};
use emhost_sdk::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use emhost_sdk::arrow::error::ArrowError;
use emhost_sdk::prelude::*;
use emhost_stats::Matrix;

use crate::params::{Params, REFERENCE, TRAIN, Trained};

/// Both ways of looking at a prompt: the sign of the study's correlation depends on which.
pub const VIEWS: [View; 2] = [View::LAST_PROMPT, View::PROMPT_MEAN];

/// What one cell captured.
pub struct Captured {
    /// The organism's adapter.
    pub adapter: String,
    /// The joined dataset.
    pub dataset: String,
    /// Its activation columns.
    pub sites: Vec<String>,
    /// Splits in order: `train`, perhaps `reference`, then the banks.
    pub splits: Vec<Split>,
}

/// Prompts of one origin.
pub struct Split {
    /// Value of the dataset's `split` column.
    pub name: String,
    /// Row ids in order.
    pub row_ids: Vec<String>,
    /// Topics in order; empty where the source names none.
    pub topics: Vec<String>,
    rows: Rows,
    adapter: String,
}

/// Activations of one split at one site and view, `n x width`, the same prompts in the same order.
pub struct Pair {
    /// From the base model.
    pub before: Matrix,
    /// `after - before`.
    pub delta: Matrix,
}

/// Trains the organism and its reference, and captures everything that the analysis needs.
///
/// The base model's captures and the reference's adapter are the same requests in several cells, so the host's stages
/// hold them once.
pub fn capture(lab: &Lab, params: &Params, trained: &Trained) -> Result<Captured> {
    let total = 2 * (params.banks.len() as u64 + 2) + 2;
    lab.progress(0, total, &format!("fine-tune on {}", trained.data))?;
    let (adapter, steps) = fine_tune(lab, params, trained)?;
    let label = (0..steps.rows()).map(|_| &trained.name);
    lab.emit("training", steps.clone().with_text("organism", label))?;

    let mut splits = vec![training_prompts(lab, params, trained, TRAIN, &adapter)?];
    if let Some(reference) = trained.reference.as_deref().and_then(|name| params.trained(name)) {
        lab.progress(1, total, &format!("fine-tune on {}", reference.data))?;
        let (adapter, _) = fine_tune(lab, params, reference)?;
        splits.push(training_prompts(lab, params, reference, REFERENCE, &adapter)?);
    }
    for bank in &params.banks {
        let rows = Rows::Source { name: bank.rows.clone(), limit: bank.limit, system: None };
        let table = lab.rows(&rows)?;
        splits.push(Split {
            name: bank.name.clone(),
            row_ids: owned(table.text("row_id")?),
            topics: owned(table.text("topic")?),
            rows,
            adapter: adapter.clone(),
        });
    }

    let (mut parts, mut sites) = (Vec::new(), Vec::new());
    for (at, split) in splits.iter().enumerate() {
        let organisms = [
            ("before", Organism::base(&params.model)),
            ("after", Organism::with_adapter(&params.model, &split.adapter)),
        ];
        for (half, (condition, organism)) in organisms.into_iter().enumerate() {
            lab.progress((2 + 2 * at + half) as u64, total, &format!("capture {} {condition}", split.name))?;
            let rows = split.rows.clone();
            let request = Forward::new(organism, rows, params.sites.clone(), VIEWS.into());
            let stored = lab.forward(&request)?;
            sites = stored.sites;
            if !sites.contains(&params.headline_site) {
                let (site, given) = (&params.headline_site, sites.join("`, `"));
                return Err(Error::Input(format!("parameter `headline_site` is `{site}`: expected one of `{given}`")));
            }
            parts.push((split.name.clone(), condition, lab.open_dataset(&stored.dataset, &[], &[])?));
        }
    }
    let about = format!(
        "Activations of {} before and after a fine-tune on {} ({}). `split` is the prompts' origin, `condition` the \
         model: in the split `{REFERENCE}`, `after` is the reference organism.",
        params.model, trained.data, trained.name
    );
    let prompts =
        splits.iter().map(|s| emhost_sdk::wire::Split { split: s.name.clone(), rows: s.rows.clone() }).collect();
    let name = format!("activations_{}", trained.name);
    let stored = lab.write_dataset(&name, &about, prompts, Joined::new(parts)?.boxed())?;
    Ok(Captured { adapter, dataset: stored.dataset, sites, splits })
}

impl Captured {
    /// Reads one site in one view: the named columns and rows only, one pair per split.
    pub fn read(&self, lab: &Lab, site: &str, view: &str) -> Result<Vec<Pair>> {
        let columns = ["row_id", "split", "condition", site];
        let table = lab.open_dataset(&self.dataset, &columns, &[("view", view)])?.table()?;
        let (ids, splits) = (table.text("row_id")?, table.text("split")?);
        let (conditions, vectors) = (table.text("condition")?, table.vectors(site)?);
        let pick = |split: &Split, condition: &str| {
            let at: Vec<usize> =
                (0..table.rows()).filter(|&i| splits[i] == split.name && conditions[i] == condition).collect();
            if !at.iter().map(|&i| ids[i]).eq(split.row_ids.iter().map(String::as_str)) {
                return Err(Error::Plugin(format!(
                    "dataset `{}`: the prompts of split `{}`, condition `{condition}`, view `{view}` are not those of its \
                     source in order ({} rows, expected {})",
                    self.dataset,
                    split.name,
                    at.len(),
                    split.row_ids.len()
                )));
            }
            let values = at.iter().flat_map(|&i| &vectors.values[i * vectors.width..][..vectors.width]);
            let values = values.map(|&value| f64::from(value)).collect();
            Matrix::from_vec(at.len(), vectors.width, values)
                .map_err(|error| Error::Plugin(format!("failed to {error} (`{site}`, split `{}`)", split.name)))
        };
        let pair = |split: &Split| {
            let before = pick(split, "before")?;
            let delta =
                pick(split, "after")?.sub(&before).map_err(|error| Error::Plugin(format!("failed to {error}")))?;
            Ok(Pair { before, delta })
        };
        self.splits.iter().map(pair).collect()
    }
}

fn fine_tune(lab: &Lab, params: &Params, trained: &Trained) -> Result<(String, Table)> {
    let request = Train {
        organism: Organism::base(&params.model),
        data: Rows::source(&trained.data),
        recipe: params.recipe.clone(),
    };
    let (reply, steps) = lab.train(&request)?;
    Ok((reply.weights, steps))
}

/// The prompts of a data set without the answers, which would only cost time: no view looks at them.
fn training_prompts(lab: &Lab, params: &Params, trained: &Trained, name: &str, adapter: &str) -> Result<Split> {
    let table = lab.rows(&Rows::first(&trained.data, params.train_prompts))?;
    let ids = table.text("row_id")?;
    let (messages, prompts) = (table.text("messages")?, table.text("prompt")?);
    let mut rows = Vec::with_capacity(ids.len());
    for ((id, messages), prompt) in ids.iter().zip(messages).zip(prompts) {
        let messages: Option<Vec<Message>> = serde_json::from_str(messages)?;
        let row = Row { row_id: (*id).to_owned(), ..Row::default() };
        rows.push(match messages {
            Some(mut turns) => {
                while turns.last().is_some_and(|turn| turn.role == "assistant") {
                    turns.pop();
                }
                Row { messages: Some(turns), ..row }
            }
            None => Row { text: Some(prompt.to_owned()), ..row },
        });
    }
    Ok(Split {
        name: name.to_owned(),
        row_ids: owned(ids),
        topics: owned(table.text("topic")?),
        rows: Rows::Inline(rows),
        adapter: adapter.to_owned(),
    })
}

fn owned(texts: Vec<&str>) -> Vec<String> {
    texts.into_iter().map(str::to_owned).collect()
}

/// Several datasets as one stream with the columns `split` and `condition` in front; holds one batch at a time.
struct Joined {
    parts: VecDeque<(String, &'static str, Stream)>,
    first: Option<RecordBatch>,
    schema: SchemaRef,
}

impl Joined {
    fn new(parts: Vec<(String, &'static str, Stream)>) -> Result<Self> {
        let mut joined = Self { parts: parts.into(), first: None, schema: Arc::new(Schema::empty()) };
        let first = joined.following().transpose()?.ok_or("no activations were captured")?;
        joined.schema = first.schema();
        joined.first = Some(first);
        Ok(joined)
    }

    fn boxed(self) -> emhost_sdk::Reader {
        Box::new(self)
    }

    fn following(&mut self) -> Option<Result<RecordBatch>> {
        loop {
            let (split, condition, stream) = self.parts.front_mut()?;
            match stream.next() {
                Some(batch) => {
                    let (split, condition) = (split.clone(), *condition);
                    return Some(batch.and_then(|batch| self.labelled(&batch.to_batch()?, &split, condition)));
                }
                None => drop(self.parts.pop_front()),
            }
        }
    }

    fn labelled(&self, batch: &RecordBatch, split: &str, condition: &str) -> Result<RecordBatch> {
        let label = |text: &str| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, batch.num_rows())))
        };
        let mut columns = vec![label(split), label(condition)];
        columns.extend(batch.columns().iter().cloned());
        let schema = if self.schema.fields().is_empty() {
            let labels = ["split", "condition"].map(|name| Arc::new(Field::new(name, DataType::Utf8, false)));
            let fields: Vec<_> = labels.into_iter().chain(batch.schema().fields().iter().cloned()).collect();
            Arc::new(Schema::new(fields))
        } else {
            Arc::clone(&self.schema)
        };
        Ok(RecordBatch::try_new(schema, columns)?)
    }
}

impl Iterator for Joined {
    type Item = Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.first.take().map(Ok).or_else(|| self.following())?;
        Some(batch.map_err(|error| ArrowError::ExternalError(Box::new(error))))
    }
}

impl RecordBatchReader for Joined {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }
}
