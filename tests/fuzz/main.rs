//! What clients and providers send, damaged by chance: nothing panics, nothing takes more memory
//! than it was sent, and what comes out is what a client can read.
//!
//! Every test begins with golden cases of one API schema. A round that fails prints its seed:
//! `FUZZ_SEED=… cargo test --test fuzz NAME` plays it again. `just fuzz 60` goes on for a minute
//! for each test, with other seeds every time.

mod damage;
mod memory;

use std::{
    rc::Rc,
    time::{Instant, SystemTime},
};

use attache::{
    api_schema::{origin::ResponseHead, translation::TranslatedRequest},
    attempt::Attempt,
    gateway::Gateway,
    region::Region,
    reply::Reply,
};
use serde_json::{Value, json};

use fastrand::Rng;
use testkit::{
    golden::CASES,
    play::{self, Got},
};

use self::damage::{damage, mutate, pieces};

/// How many rounds a test has in CI. Node is slower, and it is the same code.
const ROUNDS: u64 = if cfg!(target_family = "wasm") { 100 } else { 2_000 };

/// What a client gets at most for each byte of the provider's, besides the chunks' own frames: a
/// character of one byte that is escaped becomes six.
const GROWTH: usize = 6;

/// How often a stream of the Responses API says a text: in its deltas, at the end of the text, of its
/// part and of its item, and in the response as a whole.
const COPIES: usize = 5;

/// The last events of streams, besides `[DONE]` and errors.
const LAST_EVENTS: [&str; 4] =
    ["message_stop", "response.completed", "response.incomplete", "response.failed"];

/// What surrounds a piece of text in the client's stream: a chunk with its ids.
const FRAME: usize = 2048;

/// What a provider's request has one of: the conversation, or the input for embeddings.
const WRITTEN_FIELDS: [&str; 5] = ["messages", "contents", "input", "content", "requests"];

/// The most memory that may be in use for each byte that was sent, and however few those are: a
/// value of one byte takes some words where it is read, and a chunk its frame.
const MEMORY: (usize, usize) = (16, 64 << 10);

macro_rules! decoders {
    ($($name:ident: $play:ident of $key:literal in $schema:literal,)*) => {
        $(#[test]
        fn $name() {
            rounds(stringify!($name), $schema, $key, $play);
        })*
    };
}

decoders! {
    openai_requests: request of "request" in "openai",
    openai_answers: answer of "answer" in "openai",
    openai_streams: stream of "stream" in "openai",
    openai_errors: error of "answer" in "openai",
    openai_responses_requests: request of "request" in "openai-responses",
    openai_responses_answers: answer of "answer" in "openai-responses",
    openai_responses_streams: stream of "stream" in "openai-responses",
    openai_responses_errors: error of "answer" in "openai-responses",
    anthropic_requests: request of "request" in "anthropic",
    anthropic_answers: answer of "answer" in "anthropic",
    anthropic_streams: stream of "stream" in "anthropic",
    anthropic_errors: error of "answer" in "anthropic",
    gemini_requests: request of "request" in "gemini",
    gemini_answers: answer of "answer" in "gemini",
    gemini_streams: stream of "stream" in "gemini",
    gemini_errors: error of "answer" in "gemini",
    bedrock_converse_requests: request of "request" in "bedrock-converse",
    bedrock_converse_answers: answer of "answer" in "bedrock-converse",
    bedrock_converse_streams: aws_stream of "stream" in "bedrock-converse",
    bedrock_converse_errors: error of "answer" in "bedrock-converse",
    messages_requests: request of "request" in "messages",
    messages_answers: answer of "answer" in "messages",
    messages_streams: stream of "stream" in "messages",
    messages_errors: error of "answer" in "messages",
    embeddings_requests: request of "request" in "embeddings",
    embeddings_answers: answer of "answer" in "embeddings",
    embeddings_errors: error of "answer" in "embeddings",
    responses_requests: request of "request" in "responses",
    responses_answers: answer of "answer" in "responses",
    responses_streams: stream of "stream" in "responses",
    responses_errors: error of "answer" in "responses",
}

/// The request of a golden case, with its path if it is not the chat API's, and what it holds under a
/// key.
type Case = (Asked, Value);

/// A request of a client.
#[derive(Clone)]
struct Asked {
    path: Option<String>,
    parameters: Value,
}

impl Asked {
    fn body(&self) -> Vec<u8> {
        match &self.path {
            Some(path) => play::request_for(path, &self.parameters),
            None => play::request(&self.parameters),
        }
    }

    fn is_response(&self) -> bool {
        self.path.as_ref().is_some_and(|path| path.contains("/responses"))
    }

    fn send(
        &self,
        gateway: &Rc<Gateway>,
        body: &[u8],
    ) -> Result<(Attempt, TranslatedRequest, String), Reply> {
        match &self.path {
            Some(path) => play::ask_at(gateway, play::head_for(path, &Value::Null), body),
            None => play::ask(gateway, body),
        }
    }
}

fn cases(schema: &str, key: &str) -> Vec<Case> {
    let mut found = Vec::new();
    for (_, text) in CASES.iter().filter(|(name, _)| folder(name) == schema) {
        let document: Value = serde_json::from_str(text).unwrap();
        let pairs = document.as_array().cloned().unwrap_or_else(|| vec![document]);
        let inputs = pairs.iter().map(|pair| &pair["input"]);
        let asked = |input: &Value| {
            let path = input["path"].as_str().map(str::to_owned);
            Asked { path, parameters: input["asked"].clone() }
        };
        found.extend(inputs.filter_map(|input| Some((asked(input), input.get(key)?.clone()))));
    }
    found
}

/// The folder of a golden case: an API schema.
fn folder(name: &str) -> &str {
    name.split_once('/').unwrap().0
}

/// Plays rounds, each with a seed of its own, until there were enough or the time is up.
fn rounds(name: &str, schema: &str, key: &str, play: fn(&mut Rng, &Rc<Gateway>, &[Case])) {
    let (gateway, cases) = (play::gateway(Region::Us), cases(schema, key));
    let play_one = |seed: u64| {
        let shown = ShowSeed { name, seed };
        play(&mut Rng::with_seed(seed), &gateway, &cases);
        std::mem::forget(shown);
    };
    match (number("FUZZ_SEED"), number("FUZZ_SECONDS")) {
        (Some(seed), _) => play_one(seed),
        (None, None) => (0..ROUNDS).for_each(play_one),
        (None, Some(seconds)) => {
            let (begun, now) = (Instant::now(), SystemTime::UNIX_EPOCH.elapsed().unwrap());
            let seeds = now.as_secs() << 32..;
            seeds.take_while(|_| begun.elapsed().as_secs() < seconds).for_each(play_one);
        }
    }
}

/// A number in the environment, which Node does not have.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap())
}

/// Says which round it was, when a panic goes through it.
struct ShowSeed<'n> {
    name: &'n str,
    seed: u64,
}

impl Drop for ShowSeed<'_> {
    fn drop(&mut self) {
        println!("again: FUZZ_SEED={} cargo test --test fuzz {}", self.seed, self.name);
    }
}

/// A client's request becomes a provider's, or is refused.
fn request(random: &mut Rng, gateway: &Rc<Gateway>, cases: &[Case]) {
    let (asked, mut parameters) = random.choice(cases).unwrap().clone();
    for _ in 0..=random.usize(..2) {
        mutate(random, &mut parameters);
    }
    let asked = Asked { parameters, ..asked };
    let mut body = match asked.parameters.is_object() {
        true => asked.body(),
        false => asked.parameters.to_string().into_bytes(),
    };
    if random.usize(..3) == 0 {
        damage(random, &mut body);
    }
    let shown = String::from_utf8_lossy(&body).into_owned();
    match bounded(body.len(), &shown, || asked.send(gateway, &body)) {
        Ok((_, outgoing, _)) => {
            let sent: Value = serde_json::from_slice(&outgoing.body)
                .unwrap_or_else(|error| panic!("{error} in what leaves for {shown}"));
            let is_written = |field: &&str| !sent[*field].is_null();
            assert!(WRITTEN_FIELDS.iter().any(is_written), "{shown}");
            // Gemini takes each input of many in a request of its own.
            let frames = sent["requests"].as_array().map_or(1, Vec::len);
            assert!(outgoing.body.len() < body.len() * GROWTH + FRAME * frames, "{shown}");
        }
        Err(reply) => {
            assert!((400..=501).contains(&reply.status), "{} for {shown}", reply.status);
            check(&Got::from(reply), body.len() * 4, 1, &shown);
        }
    }
}

/// An answer in one piece becomes the chat API's, unstreamed or streamed.
fn answer(random: &mut Rng, gateway: &Rc<Gateway>, cases: &[Case]) {
    let (own, mut answer) = random.choice(cases).unwrap().clone();
    let said = said(random, &mut answer["body"]);
    let ways = [
        json!({}),
        json!({"stream": true}),
        json!({"stream": true, "stream_options": {"include_usage": true}}),
    ];
    let way = random.choice(&ways).unwrap();
    let mut attempt = ask(random, gateway, cases, &own, way);
    receive(random, &mut attempt, &own, play::head(&answer), &said);
}

/// An error becomes the chat API's.
fn error(random: &mut Rng, gateway: &Rc<Gateway>, cases: &[Case]) {
    let (own, mut answer) = random.choice(cases).unwrap().clone();
    let said = said(random, &mut answer["body"]);
    let way = json!({"stream": random.usize(..2) == 0});
    let mut attempt = ask(random, gateway, cases, &own, &way);
    let status = [400, 401, 403, 404, 408, 413, 422, 429, 500, 503, 529, 302, 204, 0, 65535];
    let head = ResponseHead { status: *random.choice(&status).unwrap(), ..play::head(&answer) };
    let got = receive(random, &mut attempt, &own, head, &said);
    assert_ne!(got.status, 200, "{}", String::from_utf8_lossy(&said));
}

/// A stream becomes the chat API's, or an error.
fn stream(random: &mut Rng, gateway: &Rc<Gateway>, cases: &[Case]) {
    let (own, mut events) = random.choice(cases).unwrap().clone();
    for _ in 0..=random.usize(..2) {
        mutate(random, &mut events);
    }
    let events = events.as_array().cloned().unwrap_or_default();
    let mut said = play::provider_stream(&Value::Array(events)).into_bytes();
    if random.usize(..3) == 0 {
        damage(random, &mut said);
    }
    let more = json!({"stream": true, "stream_options": {"include_usage": true}});
    let mut attempt = ask(random, gateway, cases, &own, &more);
    let got = receive(random, &mut attempt, &own, play::stream_head(), &said);
    if own.is_response() && got.is_stream() {
        play::assert_response_events(&play::events(&got.body));
    }
}

/// A stream in AWS's framing becomes the chat API's, or an error.
fn aws_stream(random: &mut Rng, gateway: &Rc<Gateway>, cases: &[Case]) {
    let (own, mut events) = random.choice(cases).unwrap().clone();
    for _ in 0..=random.usize(..2) {
        mutate(random, &mut events);
    }
    let mut said = play::aws_stream(&events);
    if random.usize(..3) == 0 {
        damage(random, &mut said);
    }
    let more = json!({"stream": true, "stream_options": {"include_usage": true}});
    let mut attempt = ask(random, gateway, cases, &own, &more);
    receive(random, &mut attempt, &own, play::aws_stream_head(), &said);
}

/// A provider's body, mutated, and now and then damaged too.
fn said(random: &mut Rng, body: &mut Value) -> Vec<u8> {
    for _ in 0..=random.usize(..2) {
        mutate(random, body);
    }
    let mut said = body.to_string().into_bytes();
    if random.usize(..3) == 0 {
        damage(random, &mut said);
    }
    said
}

/// An attempt with the request of a case, or now and then of another, and with more in it.
fn ask(
    random: &mut Rng,
    gateway: &Rc<Gateway>,
    cases: &[Case],
    own: &Asked,
    more: &Value,
) -> Attempt {
    let mut asked =
        if random.usize(..8) == 0 { &random.choice(cases).unwrap().0 } else { own }.clone();
    if asked.parameters.is_null() {
        asked.parameters = json!({});
    }
    for (name, value) in more.as_object().unwrap() {
        asked.parameters[name] = value.clone();
    }
    let (attempt, ..) = asked.send(gateway, &asked.body()).unwrap();
    attempt
}

/// What the client gets of what a provider says, which is checked.
fn receive(
    random: &mut Rng,
    attempt: &mut Attempt,
    own: &Asked,
    head: ResponseHead,
    said: &[u8],
) -> Got {
    let shown = String::from_utf8_lossy(said);
    let pieces = pieces(random, said);
    let got = bounded(said.len(), &shown, || play::receive(attempt, head, &pieces));
    let copies = if own.is_response() { COPIES } else { 1 };
    check(&got, said.len(), copies, &shown);
    got
}

/// Does something, and looks how much memory it takes.
fn bounded<T>(sent: usize, what: &str, act: impl FnOnce() -> T) -> T {
    let (done, most) = memory::most(act);
    let (each, least) = MEMORY;
    assert!(most <= sent * each + least, "{most} bytes of memory for {sent} of {what}");
    done
}

/// Whether an answer is one a client can read.
fn check(got: &Got, said: usize, copies: usize, what: &str) {
    let (status, body) = (got.status, &got.body);
    assert!((200..600).contains(&status), "status {status} for {what}");
    let frames = body.windows(6).filter(|window| window == b"data: ").count() + 1;
    let most = said * GROWTH * copies + frames * FRAME;
    assert!(body.len() <= most, "{} bytes for {said} of {what}", body.len());
    if got.is_stream() {
        let events = play::events(body);
        let last = events.last().unwrap();
        let kind = last["type"].as_str().unwrap_or_default();
        let is_end = *last == json!("[DONE]") || LAST_EVENTS.contains(&kind);
        assert!(is_end || last.get("error").is_some(), "{last} for {what}");
    } else {
        let body: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(!body["error"].is_null(), status != 200, "{body} for {what}");
    }
}
