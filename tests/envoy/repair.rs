//! Answers and streams whose JSON is repaired on the way. The scripted provider says back what it is
//! told, with words before it.

use super::claims::*;
use serde_json::{Value, json};
use testkit::client::Answer;

const BROKEN: &str = "{'a': [1, 2,], b: \"x\", \"c\": True";

const MENDED: &str = "{\"a\": [1, 2], \"b\": \"x\", \"c\": true}";

fn repaired(request: Value) -> Answer {
    let steps = json!({"post_processing_steps": [{"type": "json-repair"}]});
    shared().us().chat(&with(request, steps))
}

#[test]
fn content_comes_back_as_json_in_every_schema() {
    for model in ["gpt", "claude", "gemini"] {
        let answer = repaired(chat(model, BROKEN));
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["choices"][0]["message"]["content"], MENDED, "{model}");
        let told = answer.header("x-attache-repair").unwrap();
        assert!(told.starts_with("content=surrounding_text,trailing_comma,"), "{told}");
        assert_eq!(answer.header("x-attache-params"), None);
    }
    let stats = shared().admin("/stats/prometheus");
    assert!(stats.contains("attache_repairs{kind=\"trailing_comma\"}"), "{stats}");
}

#[test]
fn streamed_content_is_json_when_it_is_complete() {
    for model in ["gpt", "claude", "gemini", "oss"] {
        let stream = Streamed::read(&repaired(streamed(model, BROKEN)));
        assert!(stream.done, "{stream:#?}");
        assert_eq!(stream.text(), MENDED, "{model}");
        assert_eq!(stream.finish_reason(), Some("stop"));
    }
}

#[test]
fn an_answer_without_json_is_an_error_that_tells_nothing_of_it() {
    let secret = "the heron flies at dawn";
    let alone = json!({"fallback_config": {"retry": false}});
    for model in ["gpt", "claude", "gemini"] {
        for request in [chat(model, secret), streamed(model, secret)] {
            let answer = repaired(with(request, alone.clone()));
            let error = assert_error(&answer, 500, "post_processing_failed");
            assert!(!answer.text().contains("heron"), "{error}");
            assert!(answer.text().contains("post-processing failed: content holds no JSON"));
        }
    }
}

#[test]
fn a_request_without_the_step_gets_what_the_model_said() {
    let answer = shared().us().chat(&chat("gpt", BROKEN));
    let content = &answer.json()["choices"][0]["message"]["content"];
    assert_eq!(*content, format!("gpt-upstream heard: {BROKEN}"));
    assert_eq!(answer.header("x-attache-repair"), None);
}
