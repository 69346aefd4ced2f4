//! Other names of models, in both lanes: the client reads the name that it asked for, and the access
//! log has the model.

use super::claims::*;
use crate::support::access_log::Line;
use serde_json::json;
use testkit::envoy::marker;

#[test]
fn a_model_answers_under_the_name_that_was_asked_for() {
    for (asked, model) in [("gpt-2025-08-07", "gpt"), ("claude-haiku-9-20991231", "claude")] {
        for stream in [false, true] {
            let body = with(chat(asked, &marker()), json!({"stream": stream}));
            let answer = shared().us().chat(&body);
            assert_eq!(answer.status, 200, "{answer:?}");
            let found = match stream {
                false => answer.json()["model"].clone(),
                true => Streamed::read(&answer).chunks[0]["model"].clone(),
            };
            assert_eq!(found, asked, "{answer:?}");
            assert_eq!(answer.header("x-ratelimit-model"), Some(model));
            let line = Line::of(shared(), &answer).untimed();
            let expected = format!("request_model={model} response_model={model} ");
            assert!(line.starts_with(&expected), "{line}");
        }
    }
    shared().assert_unharmed();
}
