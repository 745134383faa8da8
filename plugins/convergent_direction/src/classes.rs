//! Two classes of an organism's answers, and their activations.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_stats::random::Rng;
use emhost_study::{Answers, Asked, Made, TrainedOrganism};

use crate::params::Params;

/// An answer of one of the classes.
#[derive(Debug, Clone)]
pub struct Member {
    /// Whether it is misaligned.
    pub misaligned: bool,
    /// Its question's row.
    pub row_id: String,
    /// Its number among the question's answers.
    pub sample: u64,
    /// The question.
    pub question: String,
    /// The answer.
    pub answer: String,
    /// What the question is about.
    pub topic: String,
    /// How many tokens it has.
    pub tokens: f64,
    /// Its mean activation at each of the study's blocks, `[width]`.
    pub means: Vec<Vec<f64>>,
}

/// Both classes of one organism, equally large.
#[derive(Debug, Clone)]
pub struct Classes {
    /// The blocks whose output was captured.
    pub blocks: Vec<usize>,
    /// The answers.
    pub members: Vec<Member>,
    /// Misaligned and aligned answers before the classes were made equal.
    pub found: [usize; 2],
}

/// The site of a block's output.
pub fn site(block: usize) -> String {
    format!("blocks.{block}.resid_post")
}

/// The blocks of the study.
pub fn blocks(lab: &Lab, params: &Params) -> Result<Vec<usize>> {
    let info = lab.model_info(&Organism::base(&params.organisms.model))?;
    if let Some(block) = params.blocks.iter().find(|block| **block >= info.blocks) {
        let last = info.blocks - 1;
        return Err(Error::Input(format!("parameter `blocks` names {block}: the model's last block is {last}")));
    }
    Ok(if params.blocks.is_empty() { (0..info.blocks).collect() } else { params.blocks.clone() })
}

/// The organism's answers, by `classes`.
pub fn answers(lab: &Lab, params: &Params, organism: &TrainedOrganism) -> Result<(Made, Answers)> {
    let made = params.organisms.make(lab, organism)?;
    let answers = params.classes.ask(lab, &made.organism)?;
    Ok((made, answers))
}

/// Samples, judges, chooses and captures.
pub fn classes(lab: &Lab, params: &Params, organism: &TrainedOrganism) -> Result<Classes> {
    let (made, answers) = answers(lab, params, organism)?;
    let of = |fits: &dyn Fn(usize) -> bool| (0..answers.len()).filter(|&at| fits(at)).collect::<Vec<_>>();
    let sides = [of(&|at| answers.misaligned(at)), of(&|at| answers.aligned(at))];
    let found = [sides[0].len(), sides[1].len()];
    let count = params.per_class.min(found[0]).min(found[1]);
    if count < 2 {
        return Err(Error::Plugin(format!(
            "organism `{}` gave {} misaligned and {} aligned answers of {}: too few for a direction; ask more questions \
             (`classes.samples`) or train it longer",
            organism.name,
            found[0],
            found[1],
            answers.len()
        )));
    }
    let mut chosen = Vec::new();
    for (stream, mut side) in sides.into_iter().enumerate() {
        Rng::new(params.seed, stream as u64).shuffle(&mut side);
        side.truncate(count);
        side.sort_unstable();
        chosen.extend(side.into_iter().map(|at| (stream == 0, at)));
    }
    let members = captured(lab, params, &made.organism, &answers, &chosen)?;
    Ok(Classes { blocks: blocks(lab, params)?, members, found })
}

/// The mean activations of some answers of an organism.
pub fn captured(
    lab: &Lab,
    params: &Params,
    organism: &Organism,
    answers: &Answers,
    chosen: &[(bool, usize)],
) -> Result<Vec<Member>> {
    let rows: Vec<Row> = chosen.iter().map(|(_, at)| answers.conversation(*at)).collect();
    let ids: Vec<String> = rows.iter().map(|row| row.row_id.clone()).collect();
    let means = answer_means(lab, params, organism, rows, Vec::new())?;
    let member = |((misaligned, at), id): (&(bool, usize), &String)| -> Result<Member> {
        let missing = || Error::Plugin(format!("the host gave no activations of `{id}`"));
        Ok(Member {
            misaligned: *misaligned,
            row_id: answers.row_ids[*at].clone(),
            sample: answers.samples[*at],
            question: answers.questions[*at].clone(),
            answer: answers.texts[*at].clone(),
            topic: answers.topics[*at].clone(),
            tokens: answers.lengths[*at] as f64,
            means: means.get(id).cloned().ok_or_else(missing)?,
        })
    };
    chosen.iter().zip(&ids).map(member).collect()
}

/// Mean activations of the answers of conversations at each block's output, by row.
pub fn answer_means(
    lab: &Lab,
    params: &Params,
    organism: &Organism,
    rows: Vec<Row>,
    interventions: Vec<Intervention>,
) -> Result<BTreeMap<String, Vec<Vec<f64>>>> {
    let sites: Vec<String> = blocks(lab, params)?.into_iter().map(site).collect();
    let view = View { positions: Positions::Answer, pooling: Pooling::Mean };
    let request =
        Forward { interventions, ..Forward::new(organism.clone(), Rows::Inline(rows), sites.clone(), vec![view]) };
    let dataset = lab.forward(&request)?.dataset;
    let mut means: BTreeMap<String, Vec<Vec<f64>>> = BTreeMap::new();
    for site in &sites {
        let table = lab.open_dataset(&dataset, &["row_id", site.as_str()], &[])?.table()?;
        let vectors = table.vectors(site)?;
        for (row_id, vector) in table.text("row_id")?.into_iter().zip(vectors.rows()) {
            let wide = vector.iter().map(|v| f64::from(*v)).collect();
            means.entry(row_id.to_owned()).or_default().push(wide);
        }
    }
    Ok(means)
}

/// How answers to a topic's questions are got.
pub fn asked_about(params: &Params, questions: &str, metric: &str) -> Asked {
    let metrics = vec![metric.to_owned()];
    Asked { questions: questions.to_owned(), limit: None, metrics, ..params.classes.clone() }
}
