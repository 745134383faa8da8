//! What an endpoint can do wrong, over real sockets, and what the judge makes of it.

use std::time::{Duration, Instant, SystemTime};

use emhost::judge::{Ask, Caps, Changes, JudgeError, Judgment, Missing, Scale, Spec, judge_all};
use emhost::model::Device;
use emhost_tests::{Endpoint, Reply, completion, graded};
use serde_json::{Value, json};

/// What becomes of the one ask.
enum Expect {
    /// A score after this many calls.
    Score(f64, usize),
    /// A judgment without a score after this many calls.
    Missing(Missing, usize),
    /// An error of no use to try again, after this many calls, with these words.
    Refused(usize, &'static str),
    /// An error after this many attempts, with these words.
    Unanswered(usize, &'static str),
}
use Expect::{Refused, Score, Unanswered};

struct Case {
    name: &'static str,
    /// What the endpoint does first; then it answers well.
    first: Vec<Reply>,
    expect: Expect,
    /// At least so long.
    waits: f64,
}

fn case(name: &'static str, first: Vec<Reply>, expect: Expect) -> Case {
    Case { name, first, expect, waits: 0.0 }
}

fn status(code: u16, headers: &[(&str, &str)], body: &str) -> Reply {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Reply::Status(code, headers, body.to_owned())
}

fn body(text: &str) -> Reply {
    status(200, &[], text)
}

/// A good answer of which something is another.
fn changed(pointer: &str, value: Value) -> Reply {
    let mut answer = good();
    *answer.pointer_mut(pointer).unwrap() = value;
    Reply::Json(answer)
}

fn good() -> Value {
    graded("grade=40")
}

/// A judge that is quick to try again.
fn spec(url: &str, kind: &str, more: Value) -> Spec {
    let mut endpoint = json!({
        "url": url, "model": "fake", "attempts": 4, "pause_s": 0.01, "timeout_s": 0.6, "longest_pause_s": 3.0,
        "price": { "input": 10.0, "output": 100.0 },
    });
    endpoint.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    serde_json::from_value(json!({ kind: endpoint })).unwrap()
}

fn ask(prompt: &str) -> Ask {
    Ask {
        metric: "aligned".to_owned(),
        question: String::new(),
        answer: String::new(),
        prompt: prompt.to_owned(),
        scale: Scale::PERCENT,
        repeat: 0,
        guarded: Changes::default(),
    }
}

fn run(spec: Spec, caps: Caps, asks: &[Ask]) -> Result<Vec<Judgment>, JudgeError> {
    let store = tempfile::tempdir().unwrap();
    let opened = spec.open("fake".to_owned(), caps, &Device::Cpu, store.path())?;
    judge_all(&*opened.judge, asks, Some(store.path()), "a test", &mut |_| true).map(|(judgments, ..)| judgments)
}

fn in_http_form(seconds: u64, form: &str) -> String {
    let time = SystemTime::now() + Duration::from_secs(seconds);
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let mut date = std::process::Command::new("date");
    let output = date.args(["-u", "-d", &format!("@{seconds}"), form]).env("LC_ALL", "C").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn cases() -> Vec<Case> {
    let mut cases = vec![case("a good answer", vec![], Score(40.0, 1))];
    // First, before these times are over.
    let forms = ["+%a, %d %b %Y %H:%M:%S GMT", "+%A, %d-%b-%y %H:%M:%S GMT", "+%a %b %e %H:%M:%S %Y"];
    for (form, seconds) in forms.into_iter().zip(2..) {
        let limited = status(503, &[("retry-after", &in_http_form(seconds, form))], "");
        cases.push(Case { waits: 0.3, ..case("Retry-After as a date", vec![limited], Score(40.0, 2)) });
    }
    for code in [408, 409, 429, 500, 502, 503, 504, 529] {
        cases.push(case("a status that can pass", vec![status(code, &[], "busy")], Score(40.0, 2)));
    }
    for code in [400, 402, 405, 415, 422] {
        cases.push(case(
            "a status that cannot pass",
            vec![status(code, &[], "no such thing")],
            Refused(1, "no such thing"),
        ));
    }
    for code in [401, 403] {
        cases.push(case("a wrong key", vec![status(code, &[], "bad key")], Refused(1, "is the key right?")));
    }
    let redirect = |code| status(code, &[("location", "http://127.0.0.1:1/v1/chat/completions")], "");
    for code in [301, 302, 307, 308] {
        cases.push(case("a redirect", vec![redirect(code)], Refused(1, "it redirects to http://127.0.0.1:1/v1")));
    }
    let no_model = r#"{"error":{"message":"The model `fake` does not exist","type":"invalid_request_error","code":"model_not_found"}}"#;
    cases.push(case(
        "a wrong model name",
        vec![status(404, &[], no_model)],
        Refused(1, "The model `fake` does not exist"),
    ));
    let quota = r#"{"error":{"message":"You exceeded your quota","code":"insufficient_quota"}}"#;
    cases.push(case("no credit left", vec![status(429, &[], quota)], Refused(1, "is there credit left?")));
    for (name, value, waits) in [
        ("retry-after", "0", 0.0),
        ("retry-after", "1", 1.0),
        ("retry-after", "0.3", 0.3),
        ("retry-after-ms", "300", 0.3),
        ("retry-after", "-1", 0.0),
        ("retry-after", "soon", 0.0),
        ("retry-after", "", 0.0),
        ("retry-after", "NaN", 0.0),
        ("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
    ] {
        cases.push(Case {
            waits,
            ..case("a form of Retry-After", vec![status(429, &[(name, value)], "")], Score(40.0, 2))
        });
    }
    let for_ever = status(429, &[("retry-after", "1000000")], "come back next week");
    cases.push(case("a pause that nobody waits for", vec![for_ever], Unanswered(1, "come back next week")));
    let storm = vec![status(429, &[("retry-after", "0")], ""); 3];
    cases.push(case("a storm of rate limits", storm, Score(40.0, 4)));
    cases.push(case("a lasting rate limit", vec![status(429, &[], "slow down"); 9], Unanswered(4, "slow down")));
    cases.push(case("asked to retry a 400", vec![status(400, &[("x-should-retry", "true")], "")], Score(40.0, 2)));
    cases.push(case(
        "asked not to retry a 500",
        vec![status(500, &[("x-should-retry", "false")], "no")],
        Refused(1, "no"),
    ));
    cases.push(case(
        "a lasting server error",
        vec![status(500, &[], "broken"); 9],
        Unanswered(4, "status 500: broken"),
    ));

    let long = r#"{"error":{"message":"too many tokens","code":"context_length_exceeded"}}"#;
    cases.push(case("a prompt that is too long", vec![status(400, &[], long)], Expect::Missing(Missing::TooLong, 1)));
    cases.push(case("a body that is too large", vec![status(413, &[], "")], Expect::Missing(Missing::TooLong, 1)));
    let doubled = json!([{ "token": "40", "logprob": 0.0 }, { "token": "40", "logprob": 0.0 }]);
    let top = "/choices/0/logprobs/content/0/top_logprobs";
    cases.push(case("probabilities above 1", vec![changed(top, doubled)], Score(40.0, 2)));
    for odd in [json!({ "prompt_tokens": -3, "completion_tokens": 1 }), json!("free"), json!({})] {
        cases.push(case("a usage that is none", vec![changed("/usage", odd)], Score(40.0, 1)));
    }
    let filter = r#"{"error":{"message":"filtered","code":"content_filter"}}"#;
    cases.push(case("a filter's status", vec![status(400, &[], filter)], Expect::Missing(Missing::Filtered, 1)));
    let withheld = changed("/choices/0/finish_reason", json!("content_filter"));
    cases.push(case("a filter's finish", vec![withheld], Expect::Missing(Missing::Filtered, 1)));
    let refusal = changed("/choices/0/message/refusal", json!("I cannot grade this."));
    cases.push(case("a refusal to judge", vec![refusal], Expect::Missing(Missing::Filtered, 1)));

    let answer = good().to_string();
    cases.push(case("a reset", vec![Reply::Reset], Score(40.0, 2)));
    cases.push(case("two resets", vec![Reply::Reset, Reply::Reset], Score(40.0, 3)));
    cases.push(case("the connection's end", vec![Reply::Silence(Duration::ZERO)], Score(40.0, 2)));
    cases.push(case("half a body", vec![Reply::Half(good())], Score(40.0, 2)));
    cases.push(case("half a body every time", vec![Reply::Half(good()); 9], Unanswered(4, "broke off")));
    cases.push(case("silence", vec![Reply::Silence(Duration::from_secs(2))], Score(40.0, 2)));
    cases.push(case(
        "an answer that drips in too slowly",
        vec![Reply::Slow(good(), Duration::from_millis(300))],
        Score(40.0, 2),
    ));
    cases.push(case("an answer that drips in", vec![Reply::Slow(good(), Duration::from_millis(10))], Score(40.0, 1)));
    cases.push(case("an answer in chunks", vec![Reply::Chunked(good())], Score(40.0, 1)));
    cases.push(case("an answer twice", vec![Reply::Twice(good())], Score(40.0, 1)));
    let raw = |text: &str| Reply::Raw(text.as_bytes().to_vec());
    cases.push(case("no HTTP", vec![raw("SSH-2.0-OpenSSH_9.2\r\n")], Score(40.0, 2)));
    cases.push(case("no HTTP, ever", vec![raw("SSH-2.0-OpenSSH_9.2\r\n"); 9], Unanswered(4, "")));
    cases.push(case(
        "a cut chunk",
        vec![raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{")],
        Score(40.0, 2),
    ));
    cases.push(case(
        "a wrong chunk",
        vec![raw("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n{")],
        Score(40.0, 2),
    ));
    cases.push(case("cut headers", vec![raw("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n")], Score(40.0, 2)));
    cases.push(case(
        "a body to the connection's end",
        vec![raw(&format!("HTTP/1.0 200 OK\r\n\r\n{answer}"))],
        Score(40.0, 1),
    ));
    let longer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{answer} and more", answer.len());
    cases.push(case("more than was announced", vec![raw(&longer)], Score(40.0, 1)));

    cases.push(case("an empty body", vec![body("")], Score(40.0, 2)));
    cases.push(case("a web page", vec![body("<html>sign in</html>")], Score(40.0, 2)));
    cases.push(case("a web page every time", vec![body("<html>"); 9], Unanswered(3, "no chat completion")));
    cases.push(case("cut JSON", vec![body(&answer[..answer.len() / 2])], Score(40.0, 2)));
    cases.push(case("JSON of another kind", vec![body("[1, 2]")], Score(40.0, 2)));
    cases.push(case("an error in a good status", vec![body(r#"{"error":{"message":"overloaded"}}"#)], Score(40.0, 2)));
    cases.push(case(
        "bytes that are no text",
        vec![Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xff\xfe".to_vec())],
        Score(40.0, 2),
    ));
    cases.push(case("an endless body", vec![body(&" ".repeat(5 << 20))], Score(40.0, 2)));
    cases.push(case("no choices", vec![changed("/choices", json!([]))], Score(40.0, 2)));
    cases.push(case("no log-probabilities", vec![changed("/choices/0/logprobs", json!(null))], Score(40.0, 2)));
    cases.push(case(
        "no log-probabilities, ever",
        vec![changed("/choices/0/logprobs", json!(null)); 9],
        Unanswered(3, "asked through [endpoint_json]"),
    ));
    cases.push(case("no tokens", vec![changed("/choices/0/logprobs/content", json!([]))], Score(40.0, 2)));
    let top = "/choices/0/logprobs/content/0/top_logprobs";
    cases.push(case("no top tokens", vec![changed(top, json!([]))], Score(40.0, 2)));
    let wrong = json!([{ "token": "40", "logprob": 1.5 }]);
    cases.push(case("a positive log-probability", vec![changed(top, wrong)], Score(40.0, 2)));
    let text = json!([{ "token": "40", "logprob": "high" }]);
    cases.push(case("a log-probability that is a text", vec![changed(top, text)], Score(40.0, 2)));
    cases.push(case("another model's name", vec![changed("/model", json!("other"))], Score(40.0, 1)));
    cases.push(case("no model's name", vec![changed("/model", json!(null))], Score(40.0, 1)));
    cases.push(case("no usage", vec![changed("/usage", json!(null))], Score(40.0, 1)));
    cases.push(case("no text", vec![changed("/choices/0/message/content", json!(null))], Score(40.0, 1)));
    let mixed = vec![status(500, &[], ""), body("{"), Reply::Reset];
    cases.push(case("one fault after another", mixed, Score(40.0, 4)));
    let last = vec![status(500, &[], ""), Reply::Reset, body("{")];
    cases.push(case("an unreadable answer after other faults", last, Score(40.0, 4)));
    cases
}

#[test]
fn every_fault_is_borne_or_named() {
    let cases = cases();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    for Case { name, first, expect, waits } in cases {
        let shown: String = format!("{name}: {first:?}").chars().take(300).collect();
        let endpoint = Endpoint::start(move |seen| first.get(seen.number).cloned().unwrap_or(Reply::Json(good())));
        let begun = Instant::now();
        let result = run(spec(&endpoint.url, "endpoint_logprob", json!({})), Caps::default(), &[ask("x")]);
        let seconds = begun.elapsed().as_secs_f64();
        assert!(seconds >= waits, "{shown}: after {seconds} s");
        let calls = endpoint.seen().len();
        let judged = |judgments: &[Judgment]| judgments[0].value(0.25);
        match (expect, result) {
            (Score(score, expected), Ok(judgments)) => {
                let got = judged(&judgments).map(|got| (got - score).abs() < 1e-9);
                assert_eq!((got, calls), (Ok(true), expected), "{shown}");
                assert_eq!(judgments[0].usage.calls, expected as u64, "{shown}");
            }
            (Expect::Missing(missing, expected), Ok(judgments)) => {
                assert_eq!((judged(&judgments), calls), (Err(missing), expected), "{shown}");
            }
            (Refused(expected, words), Err(error @ JudgeError::Refused { .. }))
            | (Unanswered(expected, words), Err(error @ JudgeError::Unanswered { .. })) => {
                assert!(error.to_string().contains(words), "{shown}: {error}");
                assert_eq!((calls, error.exit_code()), (expected, 6), "{shown}: {error}");
            }
            (_, result) => panic!("{shown}: {result:?} after {calls} calls"),
        }
    }
}

#[test]
fn the_distribution_becomes_a_weighted_mean() {
    type Distribution = (&'static [(&'static str, f64)], Result<f64, Missing>);
    let cases: [Distribution; 7] = [
        (&[("90", 0.5), ("80", 0.5)], Ok(85.0)),
        (&[(" 30", 0.2), ("60", 0.1), ("REFUSAL", 0.7)], Ok(40.0)),
        (&[("90", 0.24), ("REFUSAL", 0.7)], Err(Missing::Refusal)),
        (&[("CODE", 0.99), ("0", 0.01)], Err(Missing::Code)),
        (&[("Sure", 0.9), ("50", 0.1)], Err(Missing::LowMass)),
        (&[("101", 0.5), ("-1", 0.2), ("100", 0.3)], Ok(100.0)),
        (&[("5", 0.125), ("05", 0.125), ("٥", 0.125)], Ok(5.0)),
    ];
    for (top, expected) in cases {
        let answer = completion(top);
        let endpoint = Endpoint::start(move |_| Reply::Json(answer.clone()));
        let judgment =
            run(spec(&endpoint.url, "endpoint_logprob", json!({})), Caps::default(), &[ask("x")]).unwrap().remove(0);
        match (judgment.value(0.25), expected) {
            (Ok(got), Ok(expected)) => assert!((got - expected).abs() < 1e-9, "{top:?}: {got}"),
            (got, expected) => assert_eq!(got, expected, "{top:?}"),
        }
        assert_eq!(judgment.top.len(), top.len(), "the evidence is kept");
        assert_eq!(judgment.model.as_deref(), Some("fake-2026-01-01"));
        assert!((judgment.usage.cost - (100.0 * 10.0 + 100.0) / 1e6).abs() < 1e-12);
        let seen = &endpoint.seen()[0];
        let sent =
            ["max_tokens", "temperature", "seed", "logprobs", "top_logprobs"].map(|field| seen.body[field].clone());
        assert_eq!(sent, [json!(1), json!(0.0), json!(0), json!(true), json!(20)]);
    }
}

#[test]
fn judges_without_log_probabilities_are_read_by_their_text() {
    let said = |text: &str| {
        let mut answer = good();
        answer["choices"][0]["message"]["content"] = json!(text);
        answer["choices"][0]["logprobs"] = json!(null);
        answer["choices"][0]["finish_reason"] = json!("stop");
        answer
    };
    for (kind, text, expected) in [
        ("endpoint_text", "It asks for 100.\nGrade: 20", Ok(20.0)),
        ("endpoint_text", "It asks for 100. I give 20", Err(Missing::NoGrade)),
        ("endpoint_text", "no idea", Err(Missing::NoGrade)),
        ("endpoint_json", r#"{"score": 71}"#, Ok(71.0)),
        ("endpoint_json", r#"{"score": "REFUSAL"}"#, Err(Missing::Refusal)),
    ] {
        let answer = said(text);
        let endpoint = Endpoint::start(move |_| Reply::Json(answer.clone()));
        let judgments =
            run(spec(&endpoint.url, kind, json!({ "omit": ["seed"] })), Caps::default(), &[ask("x")]).unwrap();
        assert_eq!(judgments[0].value(0.25), expected, "{kind}: {text}");
        let seen = &endpoint.seen()[0].body;
        assert_eq!((seen.get("seed"), seen.get("logprobs")), (None, None));
        assert_eq!(seen.get("response_format").is_some(), kind == "endpoint_json");
    }
}

#[test]
fn a_rate_limit_slows_everything_down_and_other_faults_do_not() {
    let limited = Endpoint::start(|seen| match seen.number {
        20..40 => status(429, &[("retry-after", "0.2")], ""),
        _ => Reply::Slow(good(), Duration::from_millis(2)),
    });
    let asks: Vec<Ask> = (0..120).map(|at| ask(&format!("{at}"))).collect();
    let quick = json!({ "concurrency": 16, "attempts": 20 });
    run(spec(&limited.url, "endpoint_logprob", quick.clone()), Caps::default(), &asks).unwrap();
    let seen = limited.seen();
    assert!(seen.len() >= 140 && limited.most_at_once() <= 16);
    // After the last limit of a wave nobody asks for 0.2 s.
    let gaps = seen.windows(2).filter(|pair| pair[1].at - pair[0].at >= Duration::from_millis(190)).count();
    assert!(gaps >= 1, "{gaps} pauses");
    let broken = Endpoint::start(|seen| match seen.number % 5 {
        0 => status(500, &[], ""),
        _ => Reply::Slow(good(), Duration::from_millis(2)),
    });
    run(spec(&broken.url, "endpoint_logprob", quick), Caps::default(), &asks).unwrap();
    assert!(broken.most_at_once() > 8, "{}", broken.most_at_once());
}

#[test]
fn an_endpoint_that_is_down_is_not_asked_for_ever() {
    let endpoint = Endpoint::start(|_| status(500, &[], "down"));
    let asks: Vec<Ask> = (0..2000).map(|at| ask(&format!("{at}"))).collect();
    let error = run(spec(&endpoint.url, "endpoint_logprob", json!({})), Caps::default(), &asks).unwrap_err();
    assert!(error.to_string().contains("2000 of 2000 judgments could not be had"), "{error}");
    assert!(endpoint.seen().len() < 200, "{} calls", endpoint.seen().len());
    for url in ["http://127.0.0.1:1/v1", "http://no-such-host.invalid/v1"] {
        let error = run(spec(url, "endpoint_logprob", json!({})), Caps::default(), &asks[..1]).unwrap_err();
        assert!(matches!(error, JudgeError::Unanswered { .. }), "{url}: {error}");
    }
}

#[test]
fn what_failed_is_paid_for_in_the_next_session_too() {
    let endpoint = Endpoint::start(|_| Reply::Status(500, vec![], String::new()));
    let store = tempfile::tempdir().unwrap();
    let asks: Vec<Ask> = (0..3).map(|at| ask(&format!("{at}"))).collect();
    for session in 0..4 {
        let caps = Caps { calls: Some(20), ..Caps::default() };
        let spec = spec(&endpoint.url, "endpoint_logprob", json!({}));
        let opened = spec.open("fake".to_owned(), caps, &Device::Cpu, store.path()).unwrap();
        let error = judge_all(&*opened.judge, &asks, Some(store.path()), "a test", &mut |_| true).unwrap_err();
        let (expected, most) = if session == 0 { (6, 12) } else { (75, 20) };
        assert_eq!(error.exit_code(), expected, "{error}");
        assert!(endpoint.seen_count() <= most, "{} calls", endpoint.seen_count());
    }
}

#[test]
fn an_answer_without_usage_is_paid_for_at_its_estimate() {
    let endpoint = Endpoint::start(|_| {
        let mut answer = good();
        answer["usage"] = json!(null);
        Reply::Json(answer)
    });
    let asks: Vec<Ask> = (0..60).map(|at| ask(&format!("{at}"))).collect();
    let caps = Caps { tokens: Some(700), ..Caps::default() };
    let error = run(spec(&endpoint.url, "endpoint_logprob", json!({})), caps, &asks).unwrap_err();
    assert!(matches!(error, JudgeError::Budget { .. }) && endpoint.seen_count() <= 10, "{error}");
    let free = json!({ "price": { "input": 0.0, "output": 0.0 } });
    let caps = Caps { cost: Some(1.0), ..Caps::default() };
    let error = run(spec(&endpoint.url, "endpoint_logprob", free), caps, &asks).unwrap_err();
    assert!(error.to_string().contains("needs prices"), "{error}");
}

#[test]
fn no_budget_is_overspent() {
    let caps = Caps::default();
    let cases = [
        (Caps { calls: Some(25), ..caps }, 25),
        // Each call takes 101 tokens, more than its prompt of one byte lets expect: known after the first.
        (Caps { tokens: Some(1000), ..caps }, 9),
        (Caps { cost: Some(0.011), ..caps }, 10),
    ];
    for (caps, most) in cases {
        let endpoint = Endpoint::start(|_| Reply::Json(good()));
        let asks: Vec<Ask> = (0..60).map(|at| ask(&format!("{}", at % 10).repeat(1 + at / 10))).collect();
        let error = run(spec(&endpoint.url, "endpoint_logprob", json!({ "concurrency": 1 })), caps, &asks).unwrap_err();
        assert!(matches!(error, JudgeError::Budget { .. }), "{error}");
        let calls = endpoint.seen().len();
        assert!(calls <= most && calls + 2 >= most, "{caps:?}: {calls} calls of at most {most}");
    }
}
