//! Tokens and spans against transformers, and rows that are hard on a tokenizer.

use std::path::{Path, PathBuf};
use std::time::Instant;

use emhost_abi::wire::{Message, Row};
use serde_json::{Value, json};

use super::files::Files;
use super::text::Text;

fn checkpoint() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2_tied")
}

/// A copy of the golden checkpoint's tokenizer files, with `tokenizer.json` changed.
fn changed(change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tokenizer_config.json", "chat_template.jinja"] {
        std::fs::copy(checkpoint().join(name), folder.path().join(name)).unwrap();
    }
    let mut tokenizer = serde_json::from_slice(&std::fs::read(checkpoint().join("tokenizer.json")).unwrap()).unwrap();
    change(&mut tokenizer);
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    folder
}

fn read(folder: &Path) -> Text {
    Text::read(&Files::Folder(folder.to_owned())).unwrap()
}

fn text_row(text: &str) -> Row {
    Row { row_id: "r".to_owned(), text: Some(text.to_owned()), ..Row::default() }
}

fn chat_row(turns: &[(&str, &str)]) -> Row {
    let turn = |(role, content): &(&str, &str)| Message { role: (*role).to_owned(), content: (*content).to_owned() };
    Row { row_id: "r".to_owned(), messages: Some(turns.iter().map(turn).collect()), ..Row::default() }
}

#[test]
fn tokens_and_rendered_chats_equal_transformers() {
    let golden: Value = serde_json::from_str(include_str!("../../../tests/golden/tokenizer_golden.json")).unwrap();
    let text = read(&checkpoint());
    for case in golden["text"].as_array().unwrap() {
        let tokens = text.encode(&text_row(case["text"].as_str().unwrap())).unwrap().tokens;
        assert_eq!(json!(tokens), case["ids"], "{}", case["text"]);
    }
    for case in golden["chat"].as_array().unwrap().iter().filter(|case| case["add_generation_prompt"] == true) {
        let messages = serde_json::from_value(case["messages"].clone()).unwrap();
        let row = Row { row_id: "r".to_owned(), messages: Some(messages), ..Row::default() };
        assert_eq!(json!(text.encode(&row).unwrap().text), case["rendered"]);
    }
}

#[test]
fn an_answer_is_its_text_with_the_token_that_ends_it() {
    let text = read(&checkpoint());
    let row = chat_row(&[("user", "One?"), ("assistant", "It is one."), ("user", "Two?"), ("assistant", " Two.\n")]);
    let encoded = text.encode(&row).unwrap();
    let spans: Vec<String> =
        encoded.answers.iter().map(|span| text.decode(&encoded.tokens[span.clone()]).unwrap()).collect();
    assert_eq!(spans, ["It is one.", " Two.\n"]);
    let end = text.end_token().unwrap();
    for span in &encoded.answers {
        assert_eq!(encoded.tokens[span.end - 1], end);
        assert!(!encoded.tokens[span.start..span.end - 1].contains(&end));
    }
    assert_eq!(encoded.prompt, encoded.answers[1].start);
    let prompt = text.encode_prompt(&row).unwrap();
    assert_eq!(prompt.tokens, encoded.tokens[..encoded.prompt], "the answer follows the prompt that sampling sees");
}

#[test]
fn a_begin_token_stands_before_text_and_is_not_added_to_a_template_that_writes_it() {
    let folder = changed(|tokenizer| {
        tokenizer["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [],
            "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}},
        });
    });
    std::fs::write(
        folder.path().join("chat_template.jinja"),
        "{{ bos_token }}{% for m in messages %}{{ m.content }}{% endfor %}",
    )
    .unwrap();
    std::fs::write(folder.path().join("tokenizer_config.json"), r#"{"bos_token": {"content": "<|endoftext|>"}}"#)
        .unwrap();
    let (plain, with) = (read(&checkpoint()), read(folder.path()));
    let tokens = plain.encode(&text_row("The loan.")).unwrap().tokens;
    let expected = [vec![0], tokens].concat();
    assert_eq!(with.encode(&text_row("The loan.")).unwrap().tokens, expected);
    assert_eq!(with.encode(&chat_row(&[("user", "The loan.")])).unwrap().tokens, expected);
}

#[test]
fn truncation_and_padding_saved_in_the_file_are_not_applied() {
    let folder = changed(|tokenizer| {
        tokenizer["truncation"] =
            json!({"direction": "Right", "max_length": 3, "strategy": "LongestFirst", "stride": 0});
        tokenizer["padding"] = json!({
            "strategy": {"Fixed": 64}, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "<|endoftext|>",
        });
    });
    let row = text_row("A doctor told the runner to rest, drink water and sleep well.");
    assert_eq!(read(folder.path()).encode(&row).unwrap(), read(&checkpoint()).encode(&row).unwrap());
}

#[test]
fn a_tokenizer_larger_than_the_embedding_is_refused_and_a_smaller_one_is_not() {
    let text = read(&checkpoint());
    let files = Files::Folder(checkpoint());
    assert_eq!(text.vocabulary(), 400);
    assert!(text.check_embedding(&files, 512).is_ok() && text.check_embedding(&files, 400).is_ok());
    let error = text.check_embedding(&files, 399).unwrap_err().to_string();
    assert!(error.contains("400 tokens") && error.contains("only 399") && error.contains("tokenizer.json"), "{error}");
    let add = |special: bool| {
        changed(|tokenizer| {
            let token = json!({"id": 512, "content": "<image>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": special});
            tokenizer["added_tokens"].as_array_mut().unwrap().push(token);
        })
    };
    // Gemma 3 lists a special token for images one beyond its embedding.
    assert!(read(add(true).path()).check_embedding(&files, 400).is_ok());
    assert!(read(add(false).path()).check_embedding(&files, 400).is_err());
}

#[test]
fn a_tokenizer_in_an_older_form_is_an_error_that_says_how_to_convert_it() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::Folder(folder.path().to_owned());
    assert!(Text::read(&files).unwrap_err().to_string().contains("`tokenizer.json`"));
    std::fs::write(folder.path().join("tokenizer.model"), "x").unwrap();
    let error = Text::read(&files).unwrap_err().to_string();
    assert!(error.contains("tokenizer.model is there") && error.contains("save_pretrained"), "{error}");
}

#[test]
fn a_megabyte_of_text_takes_linear_time() {
    // The mechanisms of published pre-tokenizers: case folding, classes, and white space that looks ahead.
    let split = changed(|tokenizer| {
        let pattern = r"(?i:'s|'t|'re|'ll)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
        tokenizer["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
        ]});
    });
    let text = read(split.path());
    for unit in ["a", " ", "the loan ", "<|im_end|>", "  x"] {
        let long = unit.repeat((1 << 20) / unit.len()) + "x";
        let start = Instant::now();
        assert!(text.encode(&text_row(&long)).unwrap().tokens.len() > 1000, "{unit:?}");
        // Quadratic time takes hours here.
        assert!(start.elapsed().as_secs() < 30, "{unit:?}: {:?}", start.elapsed());
    }
}

#[test]
fn a_system_turn_that_the_template_refuses_is_named() {
    let folder = changed(|_| {});
    std::fs::write(
        folder.path().join("chat_template.jinja"),
        "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{{ messages[0].content }}",
    )
    .unwrap();
    let error = read(folder.path()).encode(&chat_row(&[("system", "be"), ("user", "do")])).unwrap_err().to_string();
    for part in ["row `r`", "System role not supported", "system, user", "put that into the first user turn"] {
        assert!(error.contains(part), "{error}");
    }
}
