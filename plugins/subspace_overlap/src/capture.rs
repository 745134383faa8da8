//! Captures prompts and answers before and after a fine-tune, and joins the captures into one dataset.

use std::collections::BTreeMap;
use std::sync::Arc;

use emhost_sdk::prelude::*;
use emhost_study::{Answers, TrainedOrganism};

use crate::activations::Activations;
use crate::asking::Asking;
use crate::joined::{Joined, Part};
use crate::params::{Params, REFERENCE, Seen, TRAIN};

/// Prompts of one origin, and what is captured of them.
struct Origin {
    split: String,
    /// The fine-tuned model.
    after: Organism,
    topics: Arc<BTreeMap<String, String>>,
    /// Prompts, without answers, which would only cost time: no view of a prompt sees them.
    prompts: Rows,
    /// Prompts with the answers that the view of an answer sees.
    answered: Option<Vec<Row>>,
}

/// Captures everything that the analysis of an organism needs.
///
/// The base model's captures and the reference's adapter are the same requests in several cells, so the host's stages
/// hold them once.
///
/// # Errors
///
/// The model's own; the headline site is not among the sites.
pub fn capture(lab: &Lab, params: &Params, organism: &TrainedOrganism, asking: &Asking) -> Result<Activations> {
    let base = asking.base.clone();
    let mut origins = vec![training(lab, params, organism, TRAIN, &asking.made)?];
    let reference = params.references.get(&organism.name).and_then(|name| params.organisms.named(name));
    if let Some(reference) = reference {
        lab.progress(0, 1, &format!("make {}", reference.name))?;
        let made = params.organisms.make(lab, reference)?.organism;
        origins.push(training(lab, params, reference, REFERENCE, &made)?);
    }
    for bank in &params.banks {
        let table = lab.rows(&bank.prompts())?;
        let answered = match asking.after(&bank.name).filter(|_| params.views.contains(&Seen::AnswerMean)) {
            Some(answers) => Some(conversations(&bank.name, answers)?),
            None => None,
        };
        origins.push(Origin {
            split: bank.name.clone(),
            after: asking.made.clone(),
            topics: topics(&table)?,
            prompts: bank.prompts(),
            answered,
        });
    }

    let headline_site = params.headline_site(organism);
    let (mut parts, mut sites) = (Vec::new(), Vec::new());
    let total = 2 * origins.len() as u64;
    for origin in &origins {
        for (condition, model) in [("before", &base), ("after", &origin.after)] {
            lab.progress(parts.len() as u64, total, &format!("capture {} {condition}", origin.split))?;
            let of_prompts: Vec<View> =
                params.views.iter().filter(|seen| **seen != Seen::AnswerMean).map(|seen| seen.view()).collect();
            let answered = origin.answered.clone().map(|rows| (Rows::Inline(rows), vec![Seen::AnswerMean.view()]));
            let requests = [(origin.prompts.clone(), of_prompts)].into_iter().chain(answered);
            for (rows, views) in requests.filter(|(_, views)| !views.is_empty()) {
                let stored = lab.forward(&Forward::new(model.clone(), rows, params.sites.clone(), views))?;
                sites = stored.sites;
                if !sites.iter().any(|site| site == headline_site) {
                    let given = sites.join("`, `");
                    return Err(Error::Input(format!(
                        "parameter `headline_site` is `{headline_site}`: expected one of `{given}` (organism `{}`; name \
                         the site of its model `{}` in `headline_sites`)",
                        organism.name, base.model
                    )));
                }
                parts.push(Part {
                    split: origin.split.clone(),
                    condition,
                    topics: Arc::clone(&origin.topics),
                    stream: lab.open_dataset(&stored.dataset, &[], &[])?,
                });
            }
        }
    }
    let about = format!(
        "Activations of {} before and after the fine-tune {}. `split` is the prompts' origin, `condition` the model: in \
         the split `{REFERENCE}`, `after` is the reference organism.",
        base.model, organism.name
    );
    let prompts = origins.iter().map(|o| Split { split: o.split.clone(), rows: o.prompts.clone() }).collect();
    let name = format!("activations_{}", organism.name);
    let stored = lab.write_dataset(&name, &about, prompts, Joined::new(parts)?.boxed())?;
    let reference = reference.map_or("", |reference| reference.name.as_str());
    Activations::captured(lab, params, stored.dataset, sites, [organism.name.as_str(), reference, headline_site])
}

/// The prompts that an organism was trained on, and their answers where a view looks at them.
fn training(lab: &Lab, params: &Params, organism: &TrainedOrganism, split: &str, after: &Organism) -> Result<Origin> {
    let data = params.data(organism).ok_or_else(|| format!("the data of `{}` are not known", organism.name))?;
    let table = lab.rows(&Rows::first(data, params.train_prompts))?;
    let (ids, messages, texts) = (table.text("row_id")?, table.text("messages")?, table.text("prompt")?);
    let (mut prompts, mut answered) = (Vec::with_capacity(ids.len()), Vec::with_capacity(ids.len()));
    for ((id, messages), text) in ids.iter().zip(messages).zip(texts) {
        let row = Row { row_id: (*id).to_owned(), ..Row::default() };
        let Some(mut turns) = serde_json::from_str::<Option<Vec<Message>>>(messages)? else {
            prompts.push(Row { text: Some(text.to_owned()), ..row });
            continue;
        };
        if turns.last().is_some_and(|turn| turn.role == "assistant") {
            answered.push(Row { messages: Some(turns.clone()), ..row.clone() });
        }
        while turns.last().is_some_and(|turn| turn.role == "assistant") {
            turns.pop();
        }
        prompts.push(Row { messages: Some(turns), ..row });
    }
    Ok(Origin {
        split: split.to_owned(),
        after: after.clone(),
        topics: topics(&table)?,
        prompts: Rows::Inline(prompts),
        answered: params.views.contains(&Seen::AnswerMean).then_some(answered),
    })
}

/// The first answer to each question, under the question's id; an empty one has no tokens to look at.
fn conversations(bank: &str, answers: &Answers) -> Result<Vec<Row>> {
    let first = (0..answers.len()).filter(|&at| answers.samples[at] == 0 && !answers.texts[at].trim().is_empty());
    let row = |at: usize| {
        let row_id = answers.row_ids[at].clone();
        match answers.prompts[at].is_empty() {
            true => Err(Error::Input(format!(
                "bank `{bank}`, row `{row_id}` is plain text: the view `answer.mean` needs conversations"
            ))),
            false => Ok(Row { row_id, ..answers.conversation(at) }),
        }
    };
    first.map(row).collect()
}

/// Topics by row id.
fn topics(table: &Table) -> Result<Arc<BTreeMap<String, String>>> {
    let owned = |text: &&str| (*text).to_owned();
    let (ids, topics) = (table.text("row_id")?, table.text("topic")?);
    Ok(Arc::new(ids.iter().map(owned).zip(topics.iter().map(owned)).collect()))
}
