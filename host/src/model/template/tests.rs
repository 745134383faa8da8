//! Chat templates against transformers' rendering with jinja2, and what goes wrong in them.
//!
//! `chat_templates.json` holds templates written for this test, each with one mechanism that published ones use, and
//! what `transformers.utils.chat_template_utils.render_jinja_template` (5.23) made of them.

use std::collections::BTreeMap;

use emhost_abi::wire::Message;
use serde::Deserialize;

use super::super::files::Files;
use super::{ChatTemplate, TemplateError, read};

#[derive(Deserialize)]
struct Golden {
    conversations: BTreeMap<String, Vec<Message>>,
    templates: BTreeMap<String, Source>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Source {
    source: String,
    tokens: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    conversation: String,
    ask: bool,
    rendered: Option<String>,
    refused: Option<String>,
}

fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../../tests/golden/chat_templates.json")).unwrap()
}

fn compile(source: &str) -> Result<ChatTemplate, TemplateError> {
    ChatTemplate::new(source, BTreeMap::new())
}

fn message(role: &str, content: &str) -> Message {
    Message { role: role.to_owned(), content: content.to_owned() }
}

#[test]
fn conversations_are_rendered_as_by_transformers() {
    let golden = golden();
    let mut wrong = Vec::new();
    for case in &golden.cases {
        let Source { source, tokens } = &golden.templates[&case.name];
        let ours = ChatTemplate::new(source, tokens.clone())
            .and_then(|template| template.render(&golden.conversations[&case.conversation], case.ask));
        let theirs = match (&case.rendered, &case.refused) {
            (Some(text), _) => Ok(text.clone()),
            (_, message) => Err(TemplateError::Refused(message.clone().unwrap())),
        };
        if ours != theirs {
            let Case { name, conversation, ask, .. } = case;
            wrong.push(format!("{name}, {conversation}, {ask}:\n  ours   {ours:?}\n  theirs {theirs:?}"));
        }
    }
    assert!(golden.cases.len() > 150 && wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_turns_of_the_assistant_are_found_in_the_text() {
    let golden = golden();
    for (name, conversation, expect) in [
        ("a default system prompt", "turns", vec![("Zwölf — 12 €", "[end]"), ("So.", "[end]")]),
        ("trimmed contents in headers with bos", "answered", vec![("It is one.", "<end>")]),
        ("no system role and strict turns", "answered", vec![("It is one.", "</t>")]),
        ("a system prompt folded into the first user turn", "turns", vec![("Zwölf — 12 €", "</t>"), ("So.", "</t>")]),
        ("instructions in brackets with eos behind answers", "turns", vec![("Zwölf — 12 €", "</s>"), (" So.", "</s>")]),
        ("an end of text behind whole conversations only", "answered", vec![("  It is one.\n", "<|end|>\n</s>")]),
        (
            "thinking unless switched off",
            "turns",
            vec![("Zwölf — 12 €", "[end]"), ("<think>\n\n</think>\n\nSo.", "[end]")],
        ),
        ("thinking unless switched off", "thoughts", vec![("r1", "[end]"), ("<think>\n\n</think>\n\nr2", "[end]")]),
        ("an opened thought in the header", "thoughts", vec![("\n\nr1", "</s>"), ("r2", "</s>")]),
        ("marks of generation", "answered", vec![("  It is one.\n", "<end>")]),
    ] {
        let Source { source, tokens } = &golden.templates[name];
        let template = ChatTemplate::new(source, tokens.clone()).unwrap();
        let rendered = template.conversation(&golden.conversations[conversation]).unwrap();
        let found: Vec<_> = rendered
            .turns
            .iter()
            .map(|turn| (&rendered.text[turn.content.clone()], &rendered.text[turn.content.end..turn.close]))
            .collect();
        assert_eq!(found, expect, "{name}, {conversation}: {:?}", rendered.text);
    }
}

#[test]
fn a_template_that_changes_an_answer_is_an_error_that_names_the_turn() {
    let conversation =
        [message("user", "a"), message("assistant", "b"), message("user", "c"), message("assistant", "d")];
    for source in [
        "{% for m in messages %}{{ m.content|upper }}{% endfor %}",
        "{% for m in messages %}{% if m.role == 'user' %}{{ m.content }}{% endif %}{% endfor %}",
        "{{ messages[1].content }}{{ messages[3].content }}{{ messages[1].content|length }}{{ messages[3].content }}",
    ] {
        let error = compile(source).unwrap().conversation(&conversation).unwrap_err();
        assert!(matches!(error, TemplateError::Changed { turn: 2 | 4 }), "{source}: {error:?}");
    }
}

#[test]
fn a_template_that_does_not_end_is_stopped() {
    let conversation = [message("user", "a")];
    for source in [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for a in range(9999) %}{{ 'xxxxxxxxxxxxxxxx' * 999999 }}{% endfor %}",
        "{% set ns = namespace(x=[]) %}{% for a in range(99999) %}{% for b in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{% endfor %}",
        "{{ 'x' * 99999999999 }}",
    ] {
        let error = compile(source).unwrap().render(&conversation, true).expect_err(source);
        assert!(!matches!(error, TemplateError::Refused(_)), "{source}: {error}");
        assert!(error.to_string().len() < 300, "{source}: {error}");
    }
    let nested =
        "{% set ns = namespace(x=[]) %}{% for a in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x|tojson }}";
    assert_eq!(compile(nested).unwrap().render(&conversation, true).map(|text| text.len()), Ok(200_000));
    let steps = compile("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}").unwrap();
    let error = steps.render(&conversation, true).unwrap_err().to_string();
    assert!(error.starts_with("was stopped: it took more than"), "{error}");
    let writes = compile("{% for a in range(99) %}{{ 'x' * 9999999 }}{% endfor %}").unwrap();
    let error = writes.render(&conversation, true).unwrap_err().to_string();
    assert!(error.starts_with("was stopped: it wrote more than"), "{error}");
}

#[test]
fn a_broken_template_is_named() {
    for (source, expect) in [
        ("{% for m in messages %}", "fails"),
        ("{{ 'a' % }}", "fails"),
        ("{% nonsense %}", "fails"),
        ("{{ 'a", "fails"),
    ] {
        let error =
            compile(source).map(drop).or_else(|e| if e.to_string().starts_with(expect) { Ok(()) } else { Err(e) });
        assert_eq!(error, Ok(()), "{source}");
        assert!(compile(source).and_then(|t| t.render(&[message("user", "a")], false)).is_err(), "{source}");
    }
}

#[test]
fn many_turns_take_linear_time() {
    let turns: Vec<Message> = (0..4000)
        .flat_map(|at| [message("user", &format!("question {at}")), message("assistant", &format!("answer {at}"))])
        .collect();
    let source = "{% for m in messages %}[{{ m.role }}]{{ m.content }}[end]\n{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}";
    let template = compile(source).unwrap();
    let start = std::time::Instant::now();
    let rendered = template.conversation(&turns).unwrap();
    assert_eq!(rendered.turns.len(), 4000);
    assert_eq!(&rendered.text[rendered.turns[3999].content.clone()], "answer 3999");
    // Quadratic time takes minutes here.
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

#[test]
fn a_template_is_found_in_each_place_that_checkpoints_use() {
    let jinja = ("chat_template.jinja", "jinja{{ bos_token }}");
    let text = (
        "tokenizer_config.json",
        r#"{"chat_template": "text{{ bos_token }}", "bos_token": {"content": "<b>", "lstrip": false}}"#,
    );
    let list = (
        "tokenizer_config.json",
        r#"{"chat_template": [{"name": "tool_use", "template": "tools"}, {"name": "default", "template": "list"}]}"#,
    );
    let named = ("tokenizer_config.json", r#"{"chat_template": [{"name": "rag", "template": "rag"}]}"#);
    let json = ("chat_template.json", r#"{"chat_template": "json"}"#);
    for (files, expect) in [
        (vec![jinja, text, json], Ok(Some("jinja<b>"))),
        (vec![text, json], Ok(Some("text<b>"))),
        (vec![list], Ok(Some("list"))),
        (vec![json], Ok(Some("json"))),
        (vec![], Ok(None)),
        (vec![named], Err("no template called `default`; it has: rag")),
        (vec![("chat_template.jinja", "{% if %}")], Err("chat_template.jinja")),
    ] {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in &files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let checkpoint = Files::Folder(folder.path().to_owned());
        let config = checkpoint.json("tokenizer_config.json").unwrap_or_default();
        let ours =
            read(&checkpoint, &config).map(|found| found.map(|t| t.render(&[message("user", "a")], true).unwrap()));
        match (ours, expect) {
            (Ok(ours), Ok(expect)) => assert_eq!(ours.as_deref(), expect, "{files:?}"),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{error}"),
            (ours, expect) => panic!("{files:?}: {ours:?}, expected {expect:?}"),
        }
    }
}
