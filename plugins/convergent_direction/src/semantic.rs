//! Directions of topics: misaligned answers about a topic against aligned answers in general, and what they steer.

use emhost_sdk::prelude::*;
use emhost_stats::overlap::cosine;
use emhost_study::{Answers, Asked, Columns};

use crate::classes::{Classes, Member, answers, asked_about, blocks, captured};
use crate::direction::norm;
use crate::params::{Kind, Params, Topic};
use crate::sources::Source;

/// Emits `semantic_cosine`, `semantic_steering` and `semantic_answers`.
pub fn semantic(lab: &Lab, params: &Params) -> Result<()> {
    let mut sources = Vec::new();
    for topic in &params.semantic.topics {
        lab.progress(
            sources.len() as u64,
            params.semantic.topics.len() as u64,
            &format!("direction of {}", topic.name),
        )?;
        sources.extend(topical(lab, params, topic)?);
    }
    let mut cosines = Columns::default();
    for block in blocks(lab, params)? {
        for a in &sources {
            for b in &sources {
                let (Some(x), Some(y)) = (a.direction.block(block), b.direction.block(block)) else { continue };
                let apart: Vec<f64> = x.iter().zip(y).map(|(x, y)| x - y).collect();
                cosines.count("block", block as u64);
                cosines.text("a", &a.name);
                cosines.text("b", &b.name);
                cosines.number("cosine", cosine(x, y).unwrap_or(f64::NAN));
                cosines.number("norm_a", norm(x));
                cosines.number("norm_of_difference", norm(&apart));
            }
        }
    }
    lab.emit("semantic_cosine", cosines.table())?;
    let metrics: Vec<String> = params.semantic.topics.iter().map(|topic| topic.name.clone()).collect();
    let asked = Asked { metrics: metrics.clone(), ..params.evaluate.clone() };
    let model = Organism::base(&params.organisms.model);
    let (mut steering, mut shown) = (Columns::default(), Columns::default());
    let mut add = |name: &str, answers: &Answers| scores(&mut steering, &metrics, name, answers);
    add("none", &asked.ask(lab, &model)?)?;
    for source in &sources {
        lab.progress(0, 1, &format!("steer with {}", source.name))?;
        let Some(edits) = source.added(params, params.semantic.block) else { continue };
        let answers = asked.ask_edited(lab, &model, edits, params.semantic.strengths.clone())?;
        for strength in &params.semantic.strengths {
            add(&source.name, &answers.at(*strength))?;
        }
        answers.note(&mut shown, "base", &format!("direction of {} added", source.name));
    }
    lab.emit("semantic_steering", steering.table())?;
    lab.emit("semantic_answers", shown.table())
}

/// The direction of a topic, and that of the same organism's misaligned answers about anything else.
fn topical(lab: &Lab, params: &Params, topic: &Topic) -> Result<Vec<Source>> {
    let organism = params.organism(&topic.organism)?;
    let (made, general) = answers(lab, params, organism)?;
    let inside = asked_about(params, &topic.questions, &topic.name).ask(lab, &made.organism)?;
    let outside = asked_about(params, &params.classes.questions, &topic.name);
    let outside = Asked { limit: params.classes.limit, ..outside }.ask(lab, &made.organism)?;
    let about = |answers: &Answers, at: usize| answers.score(&topic.name, at) > params.semantic.about_above;
    let first = |fits: Vec<usize>| fits.into_iter().take(params.per_class).map(|at| (true, at)).collect::<Vec<_>>();
    let bad_inside = first((0..inside.len()).filter(|&at| inside.misaligned(at) && about(&inside, at)).collect());
    let bad_outside = first((0..outside.len()).filter(|&at| outside.misaligned(at) && !about(&outside, at)).collect());
    let good: Vec<(bool, usize)> =
        (0..general.len()).filter(|&at| general.aligned(at)).take(params.per_class).map(|at| (false, at)).collect();
    let good = captured(lab, params, &made.organism, &general, &good)?;
    let mut sources = Vec::new();
    for (name, answers, bad) in [
        (topic.name.clone(), &inside, bad_inside),
        (format!("{} organism, other topics", topic.name), &outside, bad_outside),
    ] {
        if bad.len() < 2 || good.len() < 2 {
            continue;
        }
        let members: Vec<Member> =
            captured(lab, params, &made.organism, answers, &bad)?.into_iter().chain(good.iter().cloned()).collect();
        let classes = Classes { blocks: blocks(lab, params)?, members, found: [bad.len(), good.len()] };
        sources.push(Source { name, ..Source::of("", &classes, Kind::Token) });
    }
    Ok(sources)
}

/// The topics' mean scores and the rates of one condition.
fn scores(columns: &mut Columns, metrics: &[String], name: &str, answers: &Answers) -> Result<()> {
    let (bad, coherent) = (answers.misalignment()?, answers.coherence()?);
    for metric in metrics {
        let scores: Vec<f64> =
            (0..answers.len()).map(|at| answers.score(metric, at)).filter(|score| score.is_finite()).collect();
        let above = answers.rate(|at| answers.score(metric, at) > 50.0)?;
        columns.text("direction", name);
        columns.number("strength", answers.strengths.first().copied().unwrap_or(f64::NAN));
        columns.text("topic", metric);
        columns.count("n", scores.len() as u64);
        columns.number("score", scores.iter().sum::<f64>() / scores.len() as f64);
        columns.number("about_topic", above.value);
        columns.number("about_topic_low", above.low);
        columns.number("about_topic_high", above.high);
        columns.number("misaligned", bad.value);
        columns.number("misaligned_low", bad.low);
        columns.number("misaligned_high", bad.high);
        columns.number("coherent", coherent.value);
    }
    Ok(())
}
