//! The page of the operations.

use std::fmt::Write as _;

use emhost_abi::wire::{self, Stream};
use serde_json::{Map, Value, json};

use super::schema::Schema;

/// What plugins can ask of the host: each operation with its request, reply and streams, then the types in them.
pub fn operations() -> String {
    let mut text = "# Operations\n\nWhat a plugin asks of the host: a request and a reply in JSON, with an Arrow stream beside either. \
                    `Lab` of the SDK has a method for each, with these types. Every result is stored under a digest of what \
                    decides it, and found by every later run.\n"
        .to_owned();
    let mut shared = Map::new();
    let all: Vec<_> = wire::operations();
    for operation in &all {
        let streams = [&operation.with, &operation.and].into_iter().flatten();
        let rows = streams.filter_map(|stream| if let Stream::Rows(schema) = stream { Some(schema) } else { None });
        for schema in rows.chain([&operation.takes, &operation.gives]) {
            shared.extend(schema.get("$defs").and_then(Value::as_object).cloned().into_iter().flatten());
        }
    }
    let root = json!({ "$defs": shared });
    let types = Schema::new(&root);
    for operation in &all {
        let _ = write!(text, "\n## {}\n\n{}\n", operation.name, operation.about.trim());
        section("Takes", operation.takes.as_value(), &types, &mut text);
        stream("With it comes a stream", operation.with.as_ref(), &types, &mut text);
        section("Gives", operation.gives.as_value(), &types, &mut text);
        stream("With it comes a stream", operation.and.as_ref(), &types, &mut text);
    }
    text.push_str("\n## Types\n");
    types.definitions(3, &mut text);
    text
}

/// A request or a reply; one without fields is left out.
fn section(title: &str, schema: &Value, types: &Schema<'_>, text: &mut String) {
    if schema["properties"].as_object().is_some_and(|fields| !fields.is_empty()) {
        let _ = write!(text, "\n{title} `{}`:\n\n", schema["title"].as_str().unwrap_or_default());
        types.fields(schema, text);
    }
}

fn stream(title: &str, stream: Option<&Stream>, types: &Schema<'_>, text: &mut String) {
    match stream {
        None => {}
        Some(Stream::Columns(columns)) => {
            let _ = write!(text, "\n{title}: {columns}.\n");
        }
        Some(Stream::Rows(schema)) => {
            let _ = write!(text, "\n{title} with these columns:\n\n");
            types.fields(schema.as_value(), text);
        }
    }
}
