//! One organism's directions: its classes, how healthy they are, and the directions in the store.

use emhost_sdk::prelude::*;
use emhost_study::Columns;

use crate::classes::{Classes, classes, site};
use crate::direction::{health, narrow, norm};
use crate::params::{Kind, Params};
use crate::sources::Source;

/// Emits `classes`, `class_members`, `class_topics` and `directions`, and stores the directions.
pub fn make(lab: &Lab, params: &Params, name: &str) -> Result<()> {
    let organism = params.organism(name)?;
    let classes = classes(lab, params, organism)?;
    let mut about = Columns::default();
    for (side, class) in ["misaligned", "aligned"].into_iter().enumerate() {
        let here: Vec<_> = classes.members.iter().filter(|member| usize::from(!member.misaligned) == side).collect();
        about.text("organism", name);
        about.text("class", class);
        about.count("found", classes.found[side] as u64);
        about.count("used", here.len() as u64);
        about.count("tokens", here.iter().map(|member| member.tokens as u64).sum());
        about.number("mean_tokens", here.iter().map(|member| member.tokens).sum::<f64>() / here.len() as f64);
    }
    lab.emit("classes", about.table())?;
    lab.emit("class_members", members(name, &classes))?;
    lab.emit("class_topics", topics(name, &classes))?;
    let mut all = Columns::default();
    let mut stored = Stored::default();
    for kind in Kind::ALL {
        let source = Source::of(name, &classes, kind);
        for (at, block) in classes.blocks.iter().enumerate() {
            let Some(vector) = source.direction.block(*block) else { continue };
            let found = health(&classes, vector, at);
            all.text("organism", name);
            all.text("kind", kind.name());
            all.count("block", *block as u64);
            all.number("norm", found.norm);
            all.number("cancellation", found.cancellation);
            all.number("largest_share", found.largest_share);
            all.number("massive", found.massive);
            all.count("matched_questions", found.matched as u64);
            all.number("topic_imbalance", found.topic_imbalance);
            stored.add(params, &classes, name, kind, *block, vector);
        }
    }
    lab.emit("directions", all.table())?;
    lab.write_directions(name, stored.table()?).map(drop)
}

/// The answers themselves, with which anyone can make the directions again.
fn members(name: &str, classes: &Classes) -> Table {
    let mut columns = Columns::default();
    for member in &classes.members {
        columns.text("organism", name);
        columns.text("class", if member.misaligned { "misaligned" } else { "aligned" });
        columns.text("row_id", &member.row_id);
        columns.count("sample", member.sample);
        columns.text("topic", &member.topic);
        columns.text("question", &member.question);
        columns.text("answer", &member.answer);
        columns.count("tokens", member.tokens as u64);
    }
    columns.table()
}

fn topics(name: &str, classes: &Classes) -> Table {
    let mut columns = Columns::default();
    let mut topics: Vec<&String> = classes.members.iter().map(|member| &member.topic).collect();
    topics.sort_unstable();
    topics.dedup();
    for topic in topics {
        let count = |misaligned: bool| {
            classes.members.iter().filter(|m| m.misaligned == misaligned && m.topic == *topic).count() as u64
        };
        columns.text("organism", name);
        columns.text("topic", topic);
        columns.count("misaligned", count(true));
        columns.count("aligned", count(false));
    }
    columns.table()
}

/// Directions as the host stores them.
#[derive(Default)]
struct Stored {
    names: Vec<String>,
    sites: Vec<String>,
    provenance: Vec<String>,
    width: usize,
    vectors: Vec<f32>,
}

impl Stored {
    fn add(&mut self, params: &Params, classes: &Classes, name: &str, kind: Kind, block: usize, vector: &[f64]) {
        let asked = &params.classes;
        let pooling = match kind {
            Kind::Token => "answer-token-mean",
            Kind::Answer => "mean-of-answer-means",
            Kind::Matched => "mean of differences within questions",
        };
        let provenance = serde_json::json!({
            "organism": name,
            "model": params.organisms.model,
            "from": params.organisms.named(name).map(|organism| &organism.from),
            "method": "mean of misaligned minus mean of aligned answers",
            "pooling": pooling,
            "convention": "mo",
            "layer": block,
            "norm": norm(vector),
            "answers_per_class": classes.members.len() / 2,
            "classes": {
                "questions": asked.questions,
                "judge": asked.judge,
                "misaligned_below": asked.misaligned_below,
                "aligned_above": asked.aligned_above,
                "coherent_above": asked.coherent_above,
            },
        });
        self.names.push(format!("{}.{block}", kind.name()));
        self.sites.push(site(block));
        self.provenance.push(provenance.to_string());
        self.width = vector.len();
        self.vectors.extend(narrow(vector));
    }

    fn table(self) -> Result<Table> {
        Table::new()
            .with_text("name", self.names)
            .with_text("site", self.sites)
            .with_text("provenance", self.provenance)
            .with_vectors("vector", self.width, self.vectors)
    }
}
