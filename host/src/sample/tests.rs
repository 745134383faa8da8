//! Sampling and scoring through small models.

use std::path::PathBuf;

use candle_core::Device;
use emhost_abi::wire::{EditOp, Intervention, Tokens};

use super::{Completion, Prompt, Request, Scored, Scoring, sample, sample_steered, score};
use crate::model::ModelError;
use crate::model::files::Files;
use crate::model::intervene::{Firings, Interventions};
use crate::model::organism::Organism;
use crate::model::site::{BlockSite, Site, Untapped};
use crate::rng::Stream;

fn organism() -> Organism {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2");
    Organism::load(&Files::Folder(folder), &[], &Device::Cpu).unwrap()
}

fn tokens(name: &str, len: usize) -> Vec<u32> {
    let stream = Stream::new(2, &[name.as_bytes()]);
    (0..len as u64).map(|i| (stream.uniform(i) * 512.0) as u32).collect()
}

fn prompts(lengths: &[usize]) -> Vec<Prompt> {
    lengths.iter().map(|len| Prompt::new(len.to_string(), tokens(&len.to_string(), *len))).collect()
}

fn vector(width: usize) -> Vec<f32> {
    let stream = Stream::new(6, &[b"vector"]);
    (0..width as u64).map(|i| stream.normal(i) as f32).collect()
}

type Traced = (Completion, Vec<Vec<f32>>);

fn steered(organism: &Organism, request: &Request, edits: &[Intervention]) -> (Vec<Traced>, Firings, Interventions) {
    let interventions = Interventions::resolve(organism, edits, &request.doses()).unwrap();
    let mut all: Vec<Traced> = Vec::new();
    let mut keep = |completion, values| -> Result<(), ModelError> {
        all.push((completion, values));
        Ok(())
    };
    let firings = sample_steered(organism, request, &interventions, &mut keep, &mut |_| true).unwrap();
    all.sort_by_key(|(completion, _)| completion.order());
    (all, firings, interventions)
}

/// The logits after a prompt, in f64.
fn logits(organism: &Organism, prompt: &[u32]) -> Vec<f64> {
    let mut capture = organism.capture(&[prompt], &[Site::Logits]).unwrap();
    let all = capture.take(Site::Logits).unwrap();
    all[all.len() - 512..].iter().map(|v| f64::from(*v)).collect()
}

/// Probabilities at a temperature, within the smallest set of most probable tokens of mass `top_p`.
fn probabilities(logits: &[f64], temperature: f64, top_p: f64) -> Vec<f64> {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let weights: Vec<f64> = logits.iter().map(|v| ((v - largest) / temperature).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by(|a, b| weights[*b].total_cmp(&weights[*a]));
    let (mut p, mut mass) = (vec![0.0; weights.len()], 0.0);
    for at in order {
        if mass >= top_p {
            break;
        }
        p[at] = weights[at] / total;
        mass += p[at];
    }
    p.iter().map(|p| p / mass).collect()
}

#[test]
fn a_hundred_thousand_first_tokens_follow_the_softmax() {
    let organism = organism();
    let prompt = tokens("chi", 6);
    let logits = logits(&organism, &prompt);
    for (temperature, top_p) in [(0.7, 1.0), (1.0, 1.0), (1.0, 0.9)] {
        let n = 100_000;
        let prompts = vec![Prompt::new("chi", prompt.clone())];
        let request = Request { prompts, n, temperature, top_p, max_new_tokens: 1, seed: 3, ..Request::default() };
        let mut counts = vec![0u32; 512];
        for completion in sample(&organism, &request, &mut |_| true).unwrap() {
            counts[completion.tokens[0] as usize] += 1;
        }
        // Tokens of fewer than five expected draws are counted together.
        let (mut statistic, mut cells, mut rare) = (0.0, 0.0, [0.0, 0.0]);
        for (count, p) in counts.iter().zip(probabilities(&logits, temperature, top_p)) {
            let (count, mean) = (f64::from(*count), p * n as f64);
            if p == 0.0 {
                assert_eq!(count, 0.0, "a token outside the nucleus was drawn");
            } else if mean < 5.0 {
                rare = [rare[0] + count, rare[1] + mean];
            } else {
                statistic += (count - mean).powi(2) / mean;
                cells += 1.0;
            }
        }
        if rare[1] > 5.0 {
            statistic += (rare[0] - rare[1]).powi(2) / rare[1];
            cells += 1.0;
        }
        // Wilson and Hilferty's cube of a normal number; 3.09 is its 99.9 % point.
        let free: f64 = cells - 1.0;
        let limit = free * (1.0 - 2.0 / (9.0 * free) + 3.09 * (2.0 / (9.0 * free)).sqrt()).powi(3);
        println!(
            "temperature {temperature}, top_p {top_p}: chi-square {statistic:.1} of {free} degrees, limit {limit:.1}"
        );
        assert!(free > 20.0 && statistic < limit, "temperature {temperature}, top_p {top_p}: {statistic} of {free}");
    }
}

#[test]
fn activations_of_sampling_equal_a_capture_of_the_same_text() {
    let organism = organism();
    let sites =
        Site::select(&["blocks.1.resid_post".to_owned(), "final_norm".to_owned(), "logits".to_owned()], 4).unwrap();
    let prompts = prompts(&[3, 9, 5]);
    let request = Request {
        prompts,
        n: 2,
        max_new_tokens: 7,
        sites: sites.clone(),
        strengths: vec![1.0, 0.5],
        ..Request::default()
    };
    for edits in [vec![], vec![Intervention::new(EditOp::Add, "blocks.0.resid_post", vector(64))]] {
        let (all, ..) = steered(&organism, &request, &edits);
        assert_eq!(all.len(), 3 * 2 * 2);
        for (completion, values) in all {
            let prompt = &request.prompts[completion.prompt].tokens;
            let text = [prompt.as_slice(), &completion.tokens].concat();
            let extent = crate::model::intervene::Extent::growing(prompt.len());
            let interventions = Interventions::resolve(&organism, &edits, &[1.0]).unwrap();
            let sequence = crate::model::intervene::Sequence {
                first: 0,
                tokens: text.len(),
                extent,
                strength: completion.strength,
            };
            let mut capture = crate::model::site::Capture::new(&sites);
            let mut firings = Firings::default();
            let mut tap = crate::model::intervene::Steered::new(
                &interventions,
                &[sequence],
                crate::model::intervene::Part::Whole,
                &mut capture,
                &mut firings,
            );
            organism.network.forward(&mut crate::model::packed::Packed::whole(&[&text]), &mut tap).unwrap();
            for (site, ours) in sites.iter().zip(&values) {
                let width = organism.width(*site);
                let theirs = capture.numbers(*site).unwrap();
                let theirs = &theirs[(prompt.len() - 1) * width..];
                assert_eq!(ours.len(), theirs.len(), "the prompt's last token and every new one");
                let worst = ours.iter().zip(theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                // Keys and values come from memory: another order of summation.
                assert!(worst < 2e-4, "{site}: {worst}");
            }
        }
    }
}

#[test]
fn a_dose_response_batch_equals_one_run_per_strength() {
    let organism = organism();
    for positions in [Tokens::All, Tokens::Answer, Tokens::LastPrompt] {
        let edit = Intervention { positions, ..Intervention::new(EditOp::Add, "blocks.1.resid_post", vector(64)) };
        let edits = [Intervention { scale: 0.3, ..edit }];
        let request = Request { prompts: prompts(&[4, 7]), n: 3, max_new_tokens: 6, seed: 8, ..Request::default() };
        let doses = vec![0.0, 1.0, 2.0];
        let (together, firings, interventions) =
            steered(&organism, &Request { strengths: doses.clone(), ..request.clone() }, &edits);
        let mut fired = 0;
        for (number, dose) in doses.iter().enumerate() {
            let alone = steered(&organism, &Request { strengths: vec![*dose], ..request.clone() }, &edits);
            fired += alone.1.list(&alone.2)[0].tokens;
            let of_dose = together.iter().filter(|(completion, _)| completion.dose == number);
            let of_dose: Vec<&[u32]> = of_dose.map(|(completion, _)| completion.tokens.as_slice()).collect();
            let alone: Vec<&[u32]> = alone.0.iter().map(|(completion, _)| completion.tokens.as_slice()).collect();
            assert_eq!(of_dose, alone, "strength {dose}");
        }
        assert_eq!(firings.list(&interventions)[0].tokens, fired);
        let plain = sample(&organism, &request, &mut |_| true).unwrap();
        let zero = together.iter().filter(|(completion, _)| completion.dose == 0);
        assert!(zero.zip(&plain).all(|((ours, _), plain)| ours.tokens == plain.tokens), "strength 0 changes nothing");
    }
}

#[test]
fn firings_count_each_prompt_once_and_each_new_token_that_is_run() {
    let organism = organism();
    let request =
        Request { prompts: prompts(&[4, 7]), n: 3, max_new_tokens: 6, strengths: vec![1.0, 2.0], ..Request::default() };
    let count = |positions, sites: Vec<Site>| {
        let edit = Intervention { positions, ..Intervention::new(EditOp::Add, "blocks.1.resid_post", vector(64)) };
        let (all, firings, interventions) = steered(&organism, &Request { sites, ..request.clone() }, &[edit]);
        let new: usize = all.iter().map(|(completion, _)| completion.tokens.len()).sum();
        assert_eq!(new, 12 * 6, "the golden model has no end token");
        firings.list(&interventions)[0].tokens
    };
    // Two strengths of prompts of 4 and 7 tokens, which the n completions share; the last new token is not run.
    assert_eq!(count(Tokens::Prompt, vec![]), 2 * 11);
    assert_eq!(count(Tokens::LastPrompt, vec![]), 2 * 2);
    assert_eq!(count(Tokens::Answer, vec![]), 12 * 5);
    assert_eq!(count(Tokens::All, vec![]), 2 * 11 + 12 * 5);
    assert_eq!(count(Tokens::At(vec![0, -1, 8]), vec![]), 2 * 4 + 12);
    assert_eq!(count(Tokens::Answer, vec![Site::FinalNorm]), 12 * 6, "it is run where sites are kept");
}

#[test]
fn edited_logits_decide_the_tokens() {
    let organism = organism();
    let mut bias = vec![0.0; 512];
    bias[77] = 1000.0;
    let request = Request { prompts: prompts(&[4]), n: 2, max_new_tokens: 4, ..Request::default() };
    let (all, firings, interventions) = steered(&organism, &request, &[Intervention::new(EditOp::Add, "logits", bias)]);
    assert!(all.iter().all(|(completion, _)| completion.tokens == [77; 4]), "{all:?}");
    // Logits are computed for the prompt's last token once, and for three of the four new tokens of each completion.
    assert_eq!(firings.list(&interventions)[0].tokens, 1 + 2 * 3);
}

#[test]
fn no_end_token_comes_before_the_least_length() {
    let mut organism = organism();
    organism.end_tokens = (0..512).filter(|token| token % 3 == 0).collect();
    let request =
        Request { prompts: prompts(&[4, 6]), n: 20, max_new_tokens: 9, min_new_tokens: 5, ..Request::default() };
    let all = sample(&organism, &request, &mut |_| true).unwrap();
    for completion in &all {
        let early = &completion.tokens[..completion.tokens.len().min(5)];
        assert!(early.iter().all(|token| token % 3 != 0), "{completion:?}");
        assert!(completion.tokens.len() >= 5);
    }
    assert!(all.iter().any(|completion| completion.stopped), "a third of the tokens end the text");
    let request = Request { min_new_tokens: 10, ..request };
    assert!(sample(&organism, &request, &mut |_| true).unwrap_err().to_string().contains("min_new_tokens = 10"));
}

#[test]
fn an_overflow_is_an_error_that_names_the_row() {
    let organism = organism();
    let mut edit = Intervention::new(EditOp::Add, "blocks.1.resid_post", vector(organism.config.width));
    edit.scale = 3e38;
    for temperature in [0.0, 1.0] {
        let request = Request { prompts: prompts(&[4]), temperature, ..Request::default() };
        let interventions = Interventions::resolve(&organism, &[edit.clone()], &[1.0]).unwrap();
        let mut keep = |_, _| Ok::<(), ModelError>(());
        let error = sample_steered(&organism, &request, &interventions, &mut keep, &mut |_| true).unwrap_err();
        assert!(error.to_string().contains("not finite") && error.to_string().contains(&request.prompts[0].row_id));
    }
    edit.scale = 1e300;
    let refused = Interventions::resolve(&organism, &[edit], &[1.0]).unwrap_err().to_string();
    assert!(refused.contains("too large"), "{refused}");
}

#[test]
fn a_position_that_sampling_cannot_know_is_refused() {
    let organism = organism();
    let edit = Intervention { positions: Tokens::Last, ..Intervention::new(EditOp::Add, "embed", vector(64)) };
    let interventions = Interventions::resolve(&organism, &[edit], &[1.0]).unwrap();
    let request = Request { prompts: prompts(&[4]), ..Request::default() };
    let mut forget = |_, _| Ok::<(), ModelError>(());
    let error =
        sample_steered(&organism, &request, &interventions, &mut forget, &mut |_| true).unwrap_err().to_string();
    assert!(error.contains("`last`") && error.contains("row `4`"), "{error}");
}

fn scores(organism: &Organism, rows: &[Scoring], edits: &[Intervention], doses: &[f64]) -> (Vec<Scored>, u64) {
    let interventions = Interventions::resolve(organism, edits, doses).unwrap();
    let mut all = Vec::new();
    let mut keep = |scored| -> Result<(), ModelError> {
        all.push(scored);
        Ok(())
    };
    let firings = score(organism, rows, doses, &interventions, true, &mut keep, &mut |_| true).unwrap();
    (all, firings.list(&interventions).first().map_or(0, |firing| firing.tokens))
}

#[test]
fn scores_equal_the_log_softmax_of_a_plain_pass() {
    let organism = organism();
    let rows: Vec<Scoring> = [(5, vec![1, 4, 2]), (9, vec![3]), (1, vec![6, 1])]
        .into_iter()
        .map(|(prompt, lengths)| Scoring {
            row_id: prompt.to_string(),
            prompt: tokens("prompt", prompt),
            continuations: lengths.iter().map(|len| tokens(&format!("c{len}"), *len)).collect(),
            strength: 1.0,
        })
        .collect();
    let (all, _) = scores(&organism, &rows, &[], &[1.0]);
    assert_eq!(all.len(), 6);
    for scored in all {
        let row = &rows[scored.row];
        let continuation = &row.continuations[scored.continuation];
        assert_eq!(scored.logprobs.len(), continuation.len());
        for (at, token) in continuation.iter().enumerate() {
            let before = [row.prompt.as_slice(), &continuation[..at]].concat();
            let expected = probabilities(&logits(&organism, &before), 1.0, 1.0)[*token as usize].ln();
            // Logits of the two ways differ by 2e-4 at most, and so do their log-probabilities.
            assert!((scored.logprobs[at] - expected).abs() < 4e-4, "{} {expected}", scored.logprobs[at]);
        }
        // The lens: the last block says what the model says, the others what a model without the later blocks would.
        assert_eq!(scored.lens.len(), organism.config.blocks);
        for (block, seen) in scored.lens.iter().enumerate() {
            let site = Site::Block(block, BlockSite::ResidPost);
            let output = organism.capture(&[&row.prompt], &[site]).unwrap().taken[&site].clone();
            let last = output.narrow(0, row.prompt.len() - 1, 1).unwrap();
            let network = &organism.network;
            let logits = network.logits(&network.finish(&last, &mut Untapped).unwrap()).unwrap();
            let logits: Vec<f64> =
                logits.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f64::from).collect();
            let expected = probabilities(&logits, 1.0, 1.0)[continuation[0] as usize].ln();
            assert!((seen - expected).abs() < 4e-4, "block {block}: {seen} {expected}");
        }
        let last = scored.lens[organism.config.blocks - 1];
        assert!((last - scored.logprobs[0]).abs() < 1e-5, "{last} {}", scored.logprobs[0]);
    }
}

#[test]
fn scores_at_several_strengths_equal_one_run_each() {
    let organism = organism();
    let row = |strength| Scoring {
        row_id: "a".to_owned(),
        prompt: tokens("prompt", 6),
        continuations: vec![tokens("x", 3), tokens("y", 2)],
        strength,
    };
    for positions in [Tokens::All, Tokens::Answer, Tokens::LastPrompt] {
        let edits = [Intervention { positions, ..Intervention::new(EditOp::Add, "blocks.2.resid_post", vector(64)) }];
        let (together, fired) = scores(&organism, &[row(1.0)], &edits, &[0.0, 1.0, 3.0]);
        let mut alone_fired = 0;
        for (number, dose) in [0.0, 1.0, 3.0].into_iter().enumerate() {
            let (alone, fired) = scores(&organism, &[row(dose)], &edits, &[1.0]);
            alone_fired += fired;
            for (a, b) in together[2 * number..2 * number + 2].iter().zip(&alone) {
                assert_eq!(a.strength, dose);
                assert!(a.logprobs.iter().zip(&b.logprobs).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} {b:?}");
            }
        }
        assert_eq!(fired, alone_fired);
        let untouched = scores(&organism, &[row(1.0)], &[], &[1.0]).0;
        assert!(together[0].logprobs.iter().zip(&untouched[0].logprobs).all(|(a, b)| (a - b).abs() < 1e-5));
        assert_ne!(together[4].logprobs[1], untouched[0].logprobs[1], "the second token is steered by every rule");
    }
}
