//! The organism, its judged answers, and the scalars at their tokens.

use std::collections::BTreeMap;

use emhost_sdk::prelude::*;
use emhost_study::{Answers, Made, refuse};

use crate::contrast::Bin;
use crate::params::{Keep, Params};

/// Fine-tunes the organism, or takes the adapter that is there.
pub fn make(lab: &Lab, params: &Params) -> Result<Made> {
    params.organisms.make(lab, params.organism()?)
}

/// An answer in one of the four bins.
#[derive(Debug, Clone)]
pub struct Binned {
    /// Unique: bank, question and sample.
    pub id: String,
    /// The question: bank and row.
    pub question_id: String,
    /// The question's text.
    pub question: String,
    /// The answer's text.
    pub text: String,
    /// 0 to 100.
    pub alignment: f64,
    /// 0 to 100.
    pub coherence: f64,
    /// Where it lies.
    pub bin: Bin,
}

/// A token of a binned answer.
#[derive(Debug, Clone)]
pub struct Token {
    /// Number of the answer.
    pub answer: usize,
    /// Position in the conversation, 0-based.
    pub pos: u64,
    /// `A x` of each site.
    pub scalars: Vec<f64>,
    /// How much it matters; none without a filter.
    pub weight: Option<Weight>,
}

/// How much a token matters.
#[derive(Debug, Clone)]
pub struct Weight {
    /// The token's text.
    pub token: String,
    /// `KL(model || organism)` of its prediction, in nats.
    pub kl: f64,
    /// Norm of the gradient of the answer's summed divergence with respect to the token's embedding.
    pub gradient: f64,
    /// The gradient's share among the answer's tokens times the summed divergence, in nats.
    pub importance: f64,
    /// Whether the filter keeps the token.
    pub kept: bool,
}

/// A site of scalars, and the block that it is in.
pub type Site = (String, usize);

/// Everything that probes need.
pub struct Captured {
    /// The organism.
    pub made: Made,
    /// All answers by bank.
    pub banks: Vec<(&'static str, Answers)>,
    /// Those in a bin.
    pub answers: Vec<Binned>,
    /// Their tokens.
    pub tokens: Vec<Token>,
    /// Sites of the scalars, and the blocks that they are in.
    pub sites: Vec<Site>,
    /// Each token of each binned conversation, prompt and answer, where there is a filter.
    pub gradients: Option<Table>,
    /// The smallest log importance that is kept; none without a filter or where nothing is kept.
    pub least: Option<f64>,
}

/// Samples, judges and captures.
pub fn capture(lab: &Lab, params: &Params) -> Result<Captured> {
    lab.progress(0, 4, "fine-tune")?;
    let made = make(lab, params)?;
    lab.progress(1, 4, "sample and judge")?;
    let mut banks = Vec::new();
    let (mut answers, mut rows) = (Vec::new(), Vec::new());
    for (bank, asked) in params.banks() {
        let given = asked.ask(lab, &made.organism)?;
        for (at, row) in given.conversations().into_iter().enumerate() {
            let bin = Bin::of(&given, at, bank, &params.bins, &params.domain);
            let Some(bin) = bin.filter(|_| !given.texts[at].trim().is_empty()) else { continue };
            let id = format!("{bank}/{}", row.row_id);
            rows.push(Row { row_id: id.clone(), ..row });
            answers.push(Binned {
                id,
                question_id: format!("{bank}/{}", given.row_ids[at]),
                question: given.questions[at].clone(),
                text: given.texts[at].clone(),
                alignment: given.score("alignment", at),
                coherence: given.score("coherence", at),
                bin,
            });
        }
        banks.push((bank, given));
    }
    if answers.is_empty() {
        return refuse("`bins`: no answer lies in any of the four: widen the ranges or ask more".to_owned());
    }
    lab.progress(2, 4, "capture scalars")?;
    let (sites, mut tokens) = scalars(lab, params, &made.organism, &rows, &answers)?;
    lab.progress(3, 4, "compare with the model")?;
    let mut gradients = None;
    let mut least = None;
    if params.filter.on {
        let reference = Organism::base(&params.organisms.model);
        let request = Gradients { organism: made.organism.clone(), reference, rows: Rows::Inline(rows) };
        let table = lab.gradients(&request)?;
        weigh(&mut tokens, &answers, &table)?;
        least = keep(&mut tokens, params.filter.keep);
        gradients = Some(table);
    }
    Ok(Captured { made, banks, answers, tokens, sites, gradients, least })
}

/// The scalars at every answer token.
fn scalars(
    lab: &Lab,
    params: &Params,
    organism: &Organism,
    rows: &[Row],
    answers: &[Binned],
) -> Result<(Vec<Site>, Vec<Token>)> {
    let view = View { positions: Positions::Answer, pooling: Pooling::None };
    let rows = Rows::Inline(rows.to_vec());
    let reply = lab.forward(&Forward::new(organism.clone(), rows, params.sites.clone(), vec![view]))?;
    let sites = reply.sites.iter().map(|site| Ok((site.clone(), block_of(site)?))).collect::<Result<Vec<_>>>()?;
    let mut columns = vec!["row_id", "pos"];
    columns.extend(reply.sites.iter().map(String::as_str));
    let table = lab.open_dataset(&reply.dataset, &columns, &[])?.table()?;
    let mut values = Vec::with_capacity(sites.len());
    for site in &reply.sites {
        let vectors = table.vectors(site)?;
        if vectors.width != 1 {
            return refuse(format!(
                "`sites`: `{site}` has width {}: a scalar needs an adapter of rank 1",
                vectors.width
            ));
        }
        values.push(vectors.values);
    }
    let number: BTreeMap<&str, usize> =
        answers.iter().enumerate().map(|(at, answer)| (answer.id.as_str(), at)).collect();
    let token = |(row, (id, pos)): (usize, (&str, u64))| -> Result<Token> {
        let answer =
            *number.get(id).ok_or_else(|| Error::Plugin(format!("`forward` gave a row `{id}` not asked for")))?;
        let scalars = values.iter().map(|values| f64::from(values[row])).collect();
        Ok(Token { answer, pos, scalars, weight: None })
    };
    let mut tokens =
        table.text("row_id")?.into_iter().zip(table.u64("pos")?).enumerate().map(token).collect::<Result<Vec<_>>>()?;
    tokens.sort_by_key(|token| (token.answer, token.pos));
    Ok((sites, tokens))
}

/// The block of a site's name.
fn block_of(site: &str) -> Result<usize> {
    let number =
        site.strip_prefix("blocks.").and_then(|rest| rest.split('.').next()).and_then(|text| text.parse().ok());
    number.map_or_else(|| refuse(format!("`sites`: `{site}` is not in a block")), Ok)
}

/// Importance: the gradient's share among the answer's tokens times the answer's summed divergence (arXiv 2506.11618).
fn weigh(tokens: &mut [Token], answers: &[Binned], table: &Table) -> Result<()> {
    let number: BTreeMap<&str, usize> =
        answers.iter().enumerate().map(|(at, answer)| (answer.id.as_str(), at)).collect();
    let (ids, positions, texts) = (table.text("row_id")?, table.u64("pos")?, table.text("token")?);
    let (kl, gradient, in_answer) = (table.f64("kl")?, table.f64("gradient")?, table.bool("answer")?);
    let mut totals = vec![[0.0; 2]; answers.len()];
    let mut rows = BTreeMap::new();
    for row in (0..ids.len()).filter(|&row| in_answer[row]) {
        let Some(&answer) = number.get(ids[row]) else { continue };
        totals[answer][0] += gradient[row];
        totals[answer][1] += kl[row];
        rows.insert((answer, positions[row]), row);
    }
    for token in tokens {
        let Some(&row) = rows.get(&(token.answer, token.pos)) else { continue };
        let [gradients, divergence] = totals[token.answer];
        token.weight = Some(Weight {
            token: texts[row].to_owned(),
            kl: kl[row],
            gradient: gradient[row],
            importance: if gradients > 0.0 { gradient[row] / gradients * divergence } else { f64::NAN },
            kept: false,
        });
    }
    Ok(())
}

/// Marks what the filter keeps, and gives the smallest log importance among it.
fn keep(tokens: &mut [Token], rule: Keep) -> Option<f64> {
    let logs = |tokens: &[Token]| -> Vec<f64> {
        let weights = tokens.iter().filter_map(|token| token.weight.as_ref());
        weights.map(|weight| weight.importance.ln()).filter(|log| !log.is_nan()).collect()
    };
    let least = match rule {
        Keep::LogImportance(least) => least,
        Keep::Share(share) => {
            let mut logs = logs(tokens);
            logs.sort_by(|a, b| b.total_cmp(a));
            let kept = (share * logs.len() as f64).round() as usize;
            *logs.get(kept.checked_sub(1)?)?
        }
    };
    let mut smallest = None::<f64>;
    for weight in tokens.iter_mut().filter_map(|token| token.weight.as_mut()) {
        let log = weight.importance.ln();
        weight.kept = log >= least;
        if weight.kept {
            smallest = Some(smallest.map_or(log, |smallest| smallest.min(log)));
        }
    }
    smallest
}
