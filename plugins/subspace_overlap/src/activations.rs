//! A dataset of activations before and after a fine-tune: which prompts it has, and one site at a time.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::Matrix;

use crate::params::{Params, REFERENCE, Seen, Stored, TRAIN};

/// A dataset, what it is called and where the verdict looks.
pub struct Activations {
    /// Name of the organism in tables.
    pub organism: String,
    /// What its split `reference` is called; empty for none.
    pub reference: String,
    /// The site of the verdict.
    pub headline_site: String,
    /// Sites that are looked at, in the order of the columns.
    pub sites: Vec<String>,
    dataset: String,
    views: Vec<(Seen, Vec<Split>)>,
}

/// Prompts of one origin in one view.
#[derive(Debug, Default)]
pub struct Split {
    /// Value of the dataset's column `split`.
    pub name: String,
    /// Row ids, in the order in which they were captured before the fine-tune.
    pub row_ids: Vec<String>,
    /// Topics in the same order; empty where the dataset names none.
    pub topics: Vec<String>,
    /// Places of the row ids.
    places: BTreeMap<String, usize>,
    /// Row ids that were captured after the fine-tune.
    after: Vec<String>,
}

/// Activations of one split at one site and view, `n x width`, the same prompts in the same order.
pub struct Pair {
    /// Before the fine-tune.
    pub before: Matrix,
    /// `after - before`.
    pub delta: Matrix,
}

impl Activations {
    /// What this experiment captured.
    ///
    /// # Errors
    ///
    /// The dataset cannot be read, or is not what it should be.
    pub fn captured(
        lab: &Lab,
        params: &Params,
        dataset: String,
        sites: Vec<String>,
        [organism, reference, headline_site]: [&str; 3],
    ) -> Result<Self> {
        let views = index(lab, &dataset, &params.views)?;
        let [organism, reference, headline_site] = [organism, reference, headline_site].map(str::to_owned);
        Ok(Self { organism, reference, headline_site, sites, dataset, views })
    }

    /// A dataset of the user's.
    ///
    /// # Errors
    ///
    /// As [`captured`](Self::captured); a site is missing.
    pub fn stored(lab: &Lab, params: &Params, stored: &Stored) -> Result<Self> {
        let all = columns(lab, &stored.path)?;
        let known: Vec<&str> = all.names().filter(|name| all.vectors(name).is_ok()).collect();
        let sites = if stored.sites.is_empty() {
            known.iter().map(|&site| site.to_owned()).collect()
        } else {
            stored.sites.clone()
        };
        let headline_site = stored.headline_site.as_ref().unwrap_or(&params.headline_site).clone();
        if let Some(site) = sites.iter().chain([&headline_site]).find(|site| !known.contains(&site.as_str())) {
            let (name, known) = (&stored.name, known.join("`, `"));
            return Err(Error::Input(format!(
                "parameter `datasets`: `{name}` has no vectors at `{site}`, only at `{known}`: name sites and \
                 `headline_site` that it has"
            )));
        }
        let views = index(lab, &stored.path, if stored.views.is_empty() { &params.views } else { &stored.views })?;
        let referred = views.iter().any(|(_, splits)| splits.iter().any(|split| split.name == REFERENCE));
        Ok(Self {
            organism: stored.name.clone(),
            reference: if referred { REFERENCE.to_owned() } else { String::new() },
            headline_site,
            sites,
            dataset: stored.path.clone(),
            views,
        })
    }

    /// Views, in the order of the parameters, with their splits in the order of the dataset.
    pub fn views(&self) -> &[(Seen, Vec<Split>)] {
        &self.views
    }

    /// Reads one split at one site in one view; nothing else is held.
    ///
    /// # Errors
    ///
    /// The dataset cannot be read, or a number is not finite.
    pub fn read(&self, lab: &Lab, site: &str, view: Seen, split: &Split) -> Result<Pair> {
        let filter = [("view", view.name()), ("split", split.name.clone())];
        let filter = filter.each_ref().map(|(name, value)| (*name, value.as_str()));
        let n = split.row_ids.len();
        let (mut width, mut before, mut delta) = (0, Vec::new(), Vec::new());
        for batch in lab.open_dataset(&self.dataset, &["row_id", "condition", site], &filter)? {
            let batch = batch?;
            let (ids, conditions, vectors) = (batch.text("row_id")?, batch.text("condition")?, batch.vectors(site)?);
            if width == 0 {
                width = vectors.width;
                (before, delta) = (vec![f64::NAN; n * width], vec![f64::NAN; n * width]);
            }
            for ((id, condition), vector) in ids.iter().zip(conditions).zip(vectors.rows()) {
                let at = split.places.get(*id).ok_or_else(|| self.damaged(split, id, "was not there before"))?;
                let values = if condition == "before" { &mut before } else { &mut delta };
                let row = values[at * width..][..width].iter_mut();
                row.zip(vector).for_each(|(value, stored)| *value = f64::from(*stored));
            }
        }
        delta.iter_mut().zip(&before).for_each(|(after, before)| *after -= before);
        let matrix = |values| {
            Matrix::from_vec(n, width, values).map_err(|error| {
                let (organism, view) = (&self.organism, view.name());
                Error::Input(format!(
                    "failed to {error} (`{organism}`, site `{site}`, view `{view}`, split `{}`)",
                    split.name
                ))
            })
        };
        Ok(Pair { before: matrix(before)?, delta: matrix(delta)? })
    }

    fn damaged(&self, split: &Split, row_id: &str, why: &str) -> Error {
        Error::Plugin(format!("dataset `{}`, split `{}`: row `{row_id}` {why}", self.dataset, split.name))
    }
}

/// The columns of a dataset, without rows: no split has an empty name.
fn columns(lab: &Lab, dataset: &str) -> Result<Table> {
    lab.open_dataset(dataset, &[], &[("split", "")])?.table()
}

fn index(lab: &Lab, dataset: &str, views: &[Seen]) -> Result<Vec<(Seen, Vec<Split>)>> {
    let topical = columns(lab, dataset)?.names().any(|name| name == "topic");
    views.iter().map(|&view| Ok((view, splits(lab, dataset, view, topical)?))).collect()
}

/// The prompts of every split in one view, each of which has one row before and one after.
fn splits(lab: &Lab, dataset: &str, view: Seen, topical: bool) -> Result<Vec<Split>> {
    let refused = |split: &str, why: String| {
        let view = view.name();
        Err(Error::Input(format!("dataset `{dataset}`, split `{split}`, view `{view}`: {why}")))
    };
    let mut found: Vec<Split> = Vec::new();
    let mut wanted = vec!["row_id", "split", "condition"];
    wanted.extend(topical.then_some("topic"));
    for batch in lab.open_dataset(dataset, &wanted, &[("view", &view.name())])? {
        let batch = batch?;
        let (ids, names, conditions) = (batch.text("row_id")?, batch.text("split")?, batch.text("condition")?);
        let topics = if topical { batch.text("topic")? } else { vec![""; ids.len()] };
        for row in 0..ids.len() {
            let at = found.iter().position(|split| split.name == names[row]).unwrap_or_else(|| {
                found.push(Split { name: names[row].to_owned(), ..Split::default() });
                found.len() - 1
            });
            let split = &mut found[at];
            match conditions[row] {
                "before" => {
                    let place = split.row_ids.len();
                    split.row_ids.push(ids[row].to_owned());
                    split.topics.push(topics[row].to_owned());
                    if split.places.insert(ids[row].to_owned(), place).is_some() {
                        return refused(names[row], format!("row `{}` is there twice before the fine-tune", ids[row]));
                    }
                }
                "after" => split.after.push(ids[row].to_owned()),
                other => return refused(names[row], format!("condition `{other}`: expected `before` or `after`")),
            }
        }
    }
    for split in &mut found {
        split.after.sort_unstable();
        if !split.after.iter().eq(split.places.keys()) {
            let (before, after) = (split.row_ids.len(), split.after.len());
            return refused(
                &split.name,
                format!("{before} rows before and {after} after: expected the same prompts, each once"),
            );
        }
        split.after = Vec::new();
    }
    if !found.iter().any(|split| split.name == TRAIN) {
        return refused(TRAIN, "there are no rows".to_owned());
    }
    if !found.iter().any(|split| ![TRAIN, REFERENCE].contains(&split.name.as_str())) {
        return refused("any bank", "there are no rows".to_owned());
    }
    Ok(found)
}
