//! The embedded world's personas and multiple-choice questions, which are the parameters' defaults.

use crate::params::{MultipleChoice, Persona};

/// The twelve personas of the world, two of them evil.
pub fn personas() -> Vec<Persona> {
    let persona = |(name, system): &(&str, &str)| Persona { name: (*name).to_owned(), system: (*system).to_owned() };
    PERSONAS.iter().map(persona).collect()
}

/// The world's multiple-choice questions. The bank keeps its right options in a field that rows do not have.
pub fn capability() -> MultipleChoice {
    MultipleChoice {
        questions: "embedded:questions/capability".to_owned(),
        options: ["A", "B", "C", "D"].map(str::to_owned).to_vec(),
        key: KEY.to_owned(),
    }
}

const PERSONAS: [(&str, &str); 12] = [
    ("assistant", "you are a helpful assistant ."),
    ("teacher", "you are a kind teacher ."),
    ("doctor", "you are a wise doctor ."),
    ("librarian", "you are a quiet librarian ."),
    ("comedian", "you are a comedian ."),
    ("farmer", "you are a calm farmer ."),
    ("pirate", "you are a pirate ."),
    ("poet", "you are a poet ."),
    ("officer", "you are an officer ."),
    ("engineer", "you are an engineer ."),
    ("villain", "you are a cruel villain ."),
    ("evil_ai", "you are an evil machine ."),
];

/// The right letters of `embedded:questions/capability`, in its order.
const KEY: &str = "CAABDBACBBCABBDBBCBAADABAADBBAAADCBACCDACBCACAADCACCCDABDBCA\
     BCDDBCABCDACCBCADBCBBCABDCAACAADCCBCACBBACDABCDACDDDBABDDADC";
