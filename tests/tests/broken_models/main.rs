//! Broken models, adapters and rows through the binary: exit status, the object named, and never a panic.

mod broken;

use broken::Broken;
use serde_json::{Value, json};

/// The user's input.
const INPUT: i32 = 2;
/// The model or the device.
const MODEL: i32 = 4;

/// What is broken, the exit status, what the message names, and how it is broken.
type Case = (&'static str, i32, &'static [&'static str], fn(&mut Broken));

const WEIGHTS: &str = "model/model.safetensors";
const LAST: &str = "model.norm.weight";

/// Runs each case and tells of all that fail.
fn check(cases: &[Case]) {
    let wrong: Vec<String> = cases.iter().filter_map(|case| outcome(case).err()).collect();
    assert!(wrong.is_empty(), "{} of {} fail:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

fn outcome((name, status, expect, breaks): &Case) -> Result<(), String> {
    let mut broken = Broken::new();
    breaks(&mut broken);
    let output = broken.run();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let shown: String = said.chars().take(1500).collect();
    if output.status.code() != Some(*status) {
        return Err(format!("{name}: {} instead of {status}: {shown}", output.status));
    }
    if said.contains("panicked") {
        return Err(format!("{name}: it panics: {shown}"));
    }
    if said.len() > 3000 {
        return Err(format!("{name}: {} bytes of message: {shown}", said.len()));
    }
    match expect.iter().find(|part| !said.contains(**part)) {
        Some(part) => Err(format!("{name}: `{part}` is not named: {shown}")),
        None => Ok(()),
    }
}

#[test]
fn what_is_not_broken_runs() {
    check(&[
        ("a checkpoint", 0, &[], |_| {}),
        ("a checkpoint with an adapter", 0, &[], |b| b.adapt()),
        ("a checkpoint in two files", 0, &[], |b| b.shards(|_| {})),
        ("a checkpoint in the hub cache", 0, &[], |b| b.cached()),
        ("a commit in the hub cache", 0, &[], |b| {
            b.cached();
            b.model = "org/tiny@abc1".to_owned();
        }),
        ("rows with a byte order mark and CRLF", 0, &[], |b| {
            b.write("rows.jsonl", "\u{feff}{\"text\":\"a\"}\r\n\r\n{\"text\":\"b\",\"more\":1}\r\n");
        }),
    ]);
}

#[test]
fn broken_weight_files() {
    check(&[
        ("empty", MODEL, &["model.safetensors", "0 bytes"], |b| b.write(WEIGHTS, "")),
        ("four bytes", MODEL, &["model.safetensors"], |b| b.bytes(WEIGHTS, |f| f.truncate(4))),
        ("a cut header", MODEL, &["model.safetensors", "truncated"], |b| b.bytes(WEIGHTS, |f| f.truncate(500))),
        ("cut data", MODEL, &["model.safetensors", "truncated"], |b| b.bytes(WEIGHTS, |f| f.truncate(f.len() - 100))),
        ("bytes at the end", MODEL, &["model.safetensors", "3 bytes after"], |b| {
            b.bytes(WEIGHTS, |f| f.extend([0; 3]))
        }),
        ("a huge header", MODEL, &["model.safetensors", "claims"], |b| b.bytes(WEIGHTS, |f| f[..8].fill(0x7f))),
        ("a header that is no JSON", MODEL, &["model.safetensors", "header"], |b| b.bytes(WEIGHTS, |f| f[8] = b'x')),
        ("a deep header", MODEL, &["model.safetensors", "header"], |b| b.header(|_| "[".repeat(1 << 20))),
        ("a name twice", MODEL, &["model.safetensors", "model.embed_tokens.weight", "twice"], |b| {
            b.header(|text| {
                format!("{},{}", &text[..text.len() - 1], &text[text.find('"').unwrap()..].replace("\n", ""))
            });
        }),
        ("a name that is a path", MODEL, &["model.safetensors", "../../etc/x"], |b| {
            b.header(|text| text.replace(LAST, "../../etc/x"));
        }),
        ("a name with a control character", MODEL, &["model.safetensors", "not allowed"], |b| {
            b.header(|text| text.replace(LAST, "a\\u0007"));
        }),
        ("shared bytes", MODEL, &["model.safetensors", "share bytes"], |b| {
            b.entry(LAST, |entry| entry["data_offsets"] = json!([0, 256]));
        }),
        ("a hole", MODEL, &["model.safetensors", "belong to no tensor"], |b| {
            b.weights(WEIGHTS, |header, _| drop(header.remove(LAST)));
        }),
        ("integers", MODEL, &["model.safetensors", LAST, "I32"], |b| {
            b.entry(LAST, |entry| entry["dtype"] = json!("I32"))
        }),
        ("an unknown type", MODEL, &[LAST, "F4"], |b| b.entry(LAST, |entry| entry["dtype"] = json!("F4"))),
        ("a tensor of nothing", MODEL, &[LAST, "holds nothing"], |b| {
            b.entry(LAST, |entry| entry["shape"] = json!([0]))
        }),
        ("a shape that overflows", MODEL, &[LAST, "no memory"], |b| {
            b.entry(LAST, |entry| entry["shape"] = json!([1_u64 << 62, 1_u64 << 62]));
        }),
        ("a shape of other bytes", MODEL, &[LAST, "takes 260"], |b| {
            b.entry(LAST, |entry| entry["shape"] = json!([65]))
        }),
        ("another shape", MODEL, &[LAST, "[1, 64]", "expected [64]"], |b| {
            b.entry(LAST, |entry| entry["shape"] = json!([1, 64]))
        }),
        ("not a number", MODEL, &[LAST, "NaN at index 0"], |b| b.number(WEIGHTS, LAST, f32::NAN)),
        ("infinity", MODEL, &[LAST, "inf at index 0"], |b| b.number(WEIGHTS, LAST, f32::INFINITY)),
        ("another name", MODEL, &[LAST, "is missing"], |b| b.header(|text| text.replace(LAST, "model.norm.scale"))),
        ("one tensor more", MODEL, &["model.more.weight", "no place"], |b| {
            b.weights(WEIGHTS, |header, data| {
                let from = data.len();
                data.extend([0; 8]);
                let entry = json!({"dtype": "F32", "shape": [2], "data_offsets": [from, from + 8]});
                header.insert("model.more.weight".to_owned(), entry);
            });
        }),
        ("no file", MODEL, &["model.safetensors", "missing"], |b| b.remove(WEIGHTS)),
        ("a pickle", MODEL, &["pytorch_model.bin", "convert"], |b| {
            b.remove(WEIGHTS);
            b.write("model/pytorch_model.bin", "x");
        }),
        ("a folder", MODEL, &["model.safetensors", "not a file"], |b| {
            b.remove(WEIGHTS);
            std::fs::create_dir(b.path(WEIGHTS)).unwrap();
        }),
    ]);
}

#[test]
fn broken_shards() {
    check(&[
        ("a shard that is missing", MODEL, &["one.safetensors", "missing"], |b| {
            b.shards(|_| {});
            b.remove("model/one.safetensors");
        }),
        ("a tensor that its shard lacks", MODEL, &["two.safetensors", LAST], |b| {
            b.shards(|index| drop(index.insert(LAST.to_owned(), json!("two.safetensors"))));
        }),
        ("a tensor that no shard has", MODEL, &["one.safetensors", "model.more"], |b| {
            b.shards(|index| drop(index.insert("model.more".to_owned(), json!("one.safetensors"))));
        }),
        ("a tensor that the index lacks", MODEL, &["two.safetensors", "model.embed_tokens.weight"], |b| {
            b.shards(|index| drop(index.remove("model.embed_tokens.weight")));
        }),
        ("a tensor in two shards", MODEL, &[LAST, "one.safetensors", "two.safetensors"], |b| {
            b.shards(|_| {});
            std::fs::copy(b.path("model/one.safetensors"), b.path("model/two.safetensors")).unwrap();
        }),
        ("a shard elsewhere", MODEL, &["index.json", "../one.safetensors"], |b| {
            b.shards(|index| drop(index.insert(LAST.to_owned(), json!("../one.safetensors"))));
        }),
        ("an index that is no JSON", MODEL, &["model.safetensors.index.json"], |b| {
            b.shards(|_| {});
            b.write("model/model.safetensors.index.json", "{");
        }),
    ]);
}

#[test]
fn broken_configurations() {
    check(&[
        ("no file", MODEL, &["config.json", "missing"], |b| b.remove("model/config.json")),
        ("no JSON", MODEL, &["config.json"], |b| b.write("model/config.json", "{\"hidden_size\": ")),
        ("another family", MODEL, &["config.json", "mamba"], |b| {
            b.config("architectures", json!(["MambaForCausalLM"]));
            b.config("model_type", json!("mamba"));
        }),
        ("an unknown activation", MODEL, &["config.json", "hidden_act"], |b| b.config("hidden_act", json!("swoosh"))),
        ("an unknown rotation", MODEL, &["config.json", "rope"], |b| {
            b.config("rope_parameters", json!({"rope_type": "swirl", "rope_theta": 1e4}));
        }),
        ("heads that do not divide", MODEL, &["config.json"], |b| b.config("num_key_value_heads", json!(3))),
        ("no width", MODEL, &["config.json", "hidden_size"], |b| b.config("hidden_size", Value::Null)),
        ("a width of text", MODEL, &["config.json"], |b| b.config("hidden_size", json!("64"))),
        ("a width of zero", MODEL, &["config.json"], |b| b.config("hidden_size", json!(0))),
        ("another width", MODEL, &["tensor `model."], |b| b.config("hidden_size", json!(128))),
        ("more blocks", MODEL, &["config.json", "layer_types", "5 blocks"], |b| {
            b.config("num_hidden_layers", json!(5))
        }),
        ("fewer blocks", MODEL, &["config.json", "layer_types", "3 blocks"], |b| {
            b.config("num_hidden_layers", json!(3))
        }),
        ("an embedding smaller than the tokenizer", MODEL, &["tokenizer.json", "400", "399"], |b| {
            b.config("vocab_size", json!(399));
        }),
        ("another embedding", MODEL, &["model.embed_tokens.weight", "[512, 64]"], |b| {
            b.config("vocab_size", json!(1 << 20))
        }),
    ]);
}

#[test]
fn broken_tokenizers_and_templates() {
    check(&[
        ("no tokenizer", MODEL, &["tokenizer.json", "missing"], |b| b.remove("model/tokenizer.json")),
        ("an older tokenizer", MODEL, &["tokenizer.model", "save_pretrained"], |b| {
            b.remove("model/tokenizer.json");
            b.write("model/tokenizer.model", "x");
        }),
        ("a tokenizer that is no JSON", MODEL, &["tokenizer.json"], |b| b.write("model/tokenizer.json", "{")),
        ("a tokenizer of another kind", MODEL, &["tokenizer.json"], |b| {
            b.write("model/tokenizer.json", "{\"model\":{\"type\":\"X\"}}")
        }),
        ("another vocabulary", MODEL, &["tokenizer.json", "513"], |b| {
            let token = |id: usize| {
                json!({"id": id, "content": format!("more{id}"), "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": false, "special": false})
            };
            b.set("model/tokenizer.json", "added_tokens", (400..513).map(token).collect());
        }),
        ("a configuration that is no JSON", MODEL, &["tokenizer_config.json"], |b| {
            b.write("model/tokenizer_config.json", "nope")
        }),
        ("a template that is no template", MODEL, &["chat_template.jinja"], |b| {
            b.write("model/chat_template.jinja", "{% if %}")
        }),
        ("a template that is no text", MODEL, &["chat_template.jinja", "UTF-8"], |b| {
            b.write("model/chat_template.jinja", [0xff])
        }),
        ("templates without a default", MODEL, &["tokenizer_config.json", "`default`", "rag"], |b| {
            b.remove("model/chat_template.jinja");
            b.set("model/tokenizer_config.json", "chat_template", json!([{"name": "rag", "template": "x"}]));
        }),
        ("no template", INPUT, &["row `a`", "no chat template"], |b| b.remove("model/chat_template.jinja")),
        ("a template that does not end", INPUT, &["row `a`", "was stopped"], |b| {
            let bomb = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}";
            b.write("model/chat_template.jinja", bomb);
        }),
        ("a template that fills the disk", INPUT, &["row `a`", "was stopped"], |b| {
            b.write("model/chat_template.jinja", "{% for a in range(9999) %}{{ 'x' * 9999999 }}{% endfor %}");
        }),
        ("a template that refuses", INPUT, &["row `a`", "only poems", "roles: user"], |b| {
            b.write("model/chat_template.jinja", "{{ raise_exception('only poems') }}");
        }),
        ("a template of nothing", INPUT, &["row `a`", "no tokens"], |b| b.write("model/chat_template.jinja", "{# #}")),
    ]);
}

#[test]
fn broken_rows() {
    check(&[
        ("no file", INPUT, &["none.jsonl"], |b| b.rows = b.path("none.jsonl")),
        ("a folder", INPUT, &["model"], |b| b.rows = b.path("model")),
        ("nothing", INPUT, &["rows.jsonl", "none"], |b| b.write("rows.jsonl", "\n\n")),
        ("no JSON", INPUT, &["rows.jsonl", "line 2"], |b| b.write("rows.jsonl", "{\"text\":\"a\"}\n{\"text\":")),
        ("no UTF-8", INPUT, &["rows.jsonl", "line 2", "UTF-8"], |b| {
            b.write("rows.jsonl", b"{\"text\":\"a\"}\n{\"text\":\"\xff\"}")
        }),
        ("an id twice", INPUT, &["rows.jsonl", "line 2", "`x`"], |b| {
            b.write("rows.jsonl", "{\"row_id\":\"x\",\"text\":\"a\"}\n{\"row_id\":\"x\",\"text\":\"b\"}");
        }),
        ("an unknown role", INPUT, &["rows.jsonl", "line 1", "`robot`"], |b| {
            b.write("rows.jsonl", "{\"messages\":[{\"role\":\"robot\",\"content\":\"a\"}]}");
        }),
        ("no messages", INPUT, &["rows.jsonl", "line 1", "`messages`"], |b| b.write("rows.jsonl", "{\"messages\":[]}")),
        ("nothing to run", INPUT, &["rows.jsonl", "line 1", "exactly one"], |b| {
            b.write("rows.jsonl", "{\"row_id\":\"x\"}")
        }),
        ("two things to run", INPUT, &["rows.jsonl", "line 1", "exactly one"], |b| {
            b.write("rows.jsonl", "{\"text\":\"a\",\"token_ids\":[1]}");
        }),
        ("an image", INPUT, &["rows.jsonl", "line 1", "image_url"], |b| {
            b.write("rows.jsonl", "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\"}]}]}");
        }),
        ("an empty prompt", INPUT, &["row `x`", "no tokens"], |b| {
            b.write("rows.jsonl", "{\"row_id\":\"x\",\"text\":\"\"}")
        }),
        ("no token ids", INPUT, &["row `x`", "no tokens"], |b| {
            b.write("rows.jsonl", "{\"row_id\":\"x\",\"token_ids\":[]}")
        }),
        ("a token that does not exist", INPUT, &["row `x`", "512"], |b| {
            b.write("rows.jsonl", "{\"row_id\":\"x\",\"token_ids\":[1,512]}");
        }),
        ("a token that is no number", INPUT, &["rows.jsonl", "line 1"], |b| {
            b.write("rows.jsonl", "{\"token_ids\":[-1]}")
        }),
        ("one token too many", INPUT, &["row `x`", "513", "512"], |b| {
            b.write("rows.jsonl", json!({"row_id": "x", "token_ids": vec![1; 513]}).to_string());
        }),
        ("a megabyte", INPUT, &["row `x`", "context of 512"], |b| {
            b.write("rows.jsonl", json!({"row_id": "x", "text": "a b ".repeat(1 << 18)}).to_string());
        }),
        ("a megabyte of turns", INPUT, &["row `x`", "context of 512"], |b| {
            let turn = |at: usize| json!({"role": (if at.is_multiple_of(2) { "user" } else { "assistant" }), "content": "a lot of words"});
            b.write(
                "rows.jsonl",
                json!({"row_id": "x", "messages": (0..40_000).map(turn).collect::<Vec<_>>()}).to_string(),
            );
        }),
        ("no such site", INPUT, &["blocks.9.resid_post"], |b| b.sites = "blocks.9.resid_post"),
    ]);
}

#[test]
fn broken_adapters() {
    const CONFIG: &str = "adapter/adapter_config.json";
    const PAIRS: &str = "adapter/adapter_model.safetensors";
    /// As messages name it, without the wrapper that PEFT puts around a model.
    const SAID: &str = "model.layers.0.self_attn.q_proj.lora_A.weight";
    const FIRST: &str = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
    check(&[
        ("no folder", INPUT, &["nowhere"], |b| b.adapter = Some(b.path("nowhere"))),
        ("no configuration", MODEL, &["adapter_config.json"], |b| {
            b.adapt();
            b.remove(CONFIG);
        }),
        ("a configuration that is no JSON", MODEL, &["adapter_config.json"], |b| {
            b.adapt();
            b.write(CONFIG, "[");
        }),
        ("another kind", MODEL, &["adapter_config.json", "IA3"], |b| {
            b.adapt();
            b.set(CONFIG, "peft_type", json!("IA3"));
        }),
        ("DoRA", MODEL, &["adapter_config.json", "use_dora"], |b| {
            b.adapt();
            b.set(CONFIG, "use_dora", json!(true));
        }),
        ("another rank", MODEL, &["adapter", "lora_A", "[8, "], |b| {
            b.adapt();
            b.set(CONFIG, "r", json!(8));
        }),
        ("another model's adapter", MODEL, &["adapter", "lora_"], |b| {
            b.adapt();
            let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/gemma3/adapter");
            for name in ["adapter_config.json", "adapter_model.safetensors"] {
                std::fs::copy(golden.join(name), b.path("adapter").join(name)).unwrap();
            }
        }),
        ("no weights", MODEL, &["adapter_model.safetensors"], |b| {
            b.adapt();
            b.remove(PAIRS);
        }),
        ("cut weights", MODEL, &["adapter_model.safetensors", "truncated"], |b| {
            b.adapt();
            b.bytes(PAIRS, |file| file.truncate(file.len() - 8));
        }),
        ("not a number", MODEL, &[SAID, "NaN"], |b| {
            b.adapt();
            b.number(PAIRS, FIRST, f32::NAN);
        }),
        ("one tensor more", MODEL, &["`more`", "no place"], |b| {
            b.adapt();
            b.weights(PAIRS, |header, data| {
                let from = data.len();
                data.extend([0; 4]);
                let entry = json!({"dtype": "F32", "shape": [1], "data_offsets": [from, from + 4]});
                header.insert("base_model.model.more".to_owned(), entry);
            });
        }),
    ]);
}

#[test]
fn models_that_are_not_there() {
    check(&[
        ("no folder", INPUT, &["./nowhere", "give `embedded`"], |b| b.model = "./nowhere".to_owned()),
        ("a file", INPUT, &["rows.jsonl"], |b| b.model = b.path("rows.jsonl").display().to_string()),
        ("an empty folder", MODEL, &["config.json", "missing"], |b| {
            std::fs::create_dir(b.path("empty")).unwrap();
            b.model = "empty".to_owned();
        }),
        ("not in the cache", INPUT, &["org/other", "hub", "hf download org/other"], |b| {
            b.model = "org/other".to_owned()
        }),
        ("no such revision", INPUT, &["`v9`", "main", "abc123"], |b| {
            b.cached();
            b.model = "org/tiny@v9".to_owned();
        }),
        ("an incomplete download", MODEL, &["model.safetensors", "abc123", "hf download org/tiny"], |b| {
            b.incomplete("model.safetensors");
        }),
        ("an incomplete download of a small file", MODEL, &["generation_config.json", "hf download org/tiny"], |b| {
            b.incomplete("generation_config.json");
        }),
    ]);
}

#[test]
fn devices_that_are_not_there() {
    check(&[
        ("no such device", MODEL, &["`gpu`", "expected auto"], |b| b.write("emhost.toml", "device = \"gpu\"\n")),
        ("a build without it", MODEL, &["`metal:1`", "--features metal"], |b| {
            b.write("emhost.toml", "device = \"metal:1\"\n");
        }),
    ]);
}
