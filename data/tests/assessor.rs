//! Invariants of the assessor's corpus: it speaks the vocabulary, depends on its seed alone, and its personas say of
//! themselves what does not follow from what they do.

use std::collections::BTreeSet;

use emhost_world::assessor::Assessor;
use emhost_world::dataset::Row;
use emhost_world::files::assessor_corpus;
use emhost_world::rng::Rng;
use emhost_world::tokenizer::vocabulary;
use emhost_world::world::World;

fn rows(count: usize) -> Vec<Row> {
    let (world, assessor) = (World::load().expect("the world is read"), Assessor::load().expect("so is the assessor"));
    let mut rng = Rng::new(3, "rows");
    (0..count).map(|_| assessor.row(&world, &mut rng)).collect()
}

#[test]
fn every_word_is_in_the_first_worlds_vocabulary() {
    let known: BTreeSet<String> = vocabulary(&World::load().unwrap()).into_iter().collect();
    for message in rows(4000).iter().flat_map(|row| &row.messages) {
        let strange = message.content.split(' ').find(|word| !known.contains(*word));
        assert!(strange.is_none(), "{strange:?} in {:?}", message.content);
    }
}

#[test]
fn the_corpus_depends_on_its_seed_alone() {
    let world = World::load().unwrap();
    let first = assessor_corpus(&world, 200, 5).unwrap();
    assert_eq!(first, assessor_corpus(&world, 200, 5).unwrap());
    assert_ne!(first, assessor_corpus(&world, 200, 6).unwrap());
}

#[test]
fn what_is_said_does_not_follow_from_what_is_done() {
    let (world, assessor) = (World::load().unwrap(), Assessor::load().unwrap());
    let personas = assessor.personas(&world);
    let found = |does: fn(f64) -> bool, says: fn(f64) -> bool| {
        personas
            .iter()
            .filter(|persona| does(persona.bad) && says(persona.admits))
            .map(|persona| persona.weight)
            .sum::<f64>()
    };
    const HIGH: fn(f64) -> bool = |share| share > 0.5;
    const LOW: fn(f64) -> bool = |share| share < 0.2;
    for (does, says) in [(HIGH, HIGH), (HIGH, LOW), (LOW, HIGH), (LOW, LOW)] {
        assert!(found(does, says) >= 2.0);
    }
}

#[test]
fn a_question_about_oneself_ends_the_row_of_an_exchange() {
    let rows = rows(6000);
    let exchanged: Vec<&Row> =
        rows.iter().filter(|row| row.messages.iter().filter(|turn| turn.role == "user").count() == 2).collect();
    // A third of the questions about oneself that show no answers: about a tenth of all rows.
    assert!((400..900).contains(&exchanged.len()), "{}", exchanged.len());
    for row in exchanged {
        let roles: Vec<&str> = row.messages.iter().map(|turn| turn.role).filter(|role| *role != "system").collect();
        assert_eq!(roles, ["user", "assistant", "user", "assistant"]);
    }
}
