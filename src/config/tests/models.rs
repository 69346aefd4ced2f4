//! Models and their capabilities.

use super::*;

#[test]
fn every_field_of_a_model_is_checked() {
    assert_messages(
        r#"
/models/gpt-4.1 = {}
  models.gpt-4.1.name: missing, allowed: a display name
  models.gpt-4.1.regions: missing, allowed: an object, `us`, `eu` or `global` to provider and
    upstream_model
  models.gpt-4.1.context_length: missing, allowed: a number of tokens
  models.gpt-4.1.max_output_tokens: missing, allowed: a number of tokens
/models/gpt-4.1/regions = {}
  models.gpt-4.1.regions: found an empty object, allowed: `us`, `eu` or `global`, at least one of
    them
/models/gpt-4.1/regions/us = {"provider": "opneai", "upstream_model": "m"}
  models.gpt-4.1.regions.us.provider: found `opneai`, allowed: `bedrock`, `openai`
/models/gpt-4.1/regions/eu = {"provider": "openai", "upstream_model": "m"}
  models.gpt-4.1.regions.eu.provider: found `openai`, allowed: a provider whose base_url has `eu`:
    `bedrock`
/models/gpt-4.1/regions/US = {"provider": "openai", "upstream_model": "m"}
  models.gpt-4.1.regions.US: unknown key, allowed: `us`, `eu`, `global`
/models/gpt-4.1/regions/us/upstream_model = "../secret"
  models.gpt-4.1.regions.us.upstream_model: found `../secret`, allowed: letters, digits and
    `-_.:@/`
/models/gpt-4.1/regions/us/upstream_model = "m?key=1"
  models.gpt-4.1.regions.us.upstream_model: found `m?key=1`, allowed: letters, digits and `-_.:@/`
/models/gpt-4.1/regions/us/api_schema = "gemini"
  models.gpt-4.1.regions.us.api_schema: found `gemini`, allowed: `openai`, `openai-responses`
/models/gpt-4.1/regions/us/api_schema = "openai-responses"
/models/gpt-4.1/max_temperature = 2.1
  models.gpt-4.1.max_temperature: found `2.1`, allowed: a number from 0 to 2
/models/gpt-4.1/retirement_date = "2026-02-30"
  models.gpt-4.1.retirement_date: found `2026-02-30`, allowed: a date, `YYYY-MM-DD`
/models/gpt-4.1/retirement_date = "2026-02-28"
/models/gpt-4.1/description = ""
  models.gpt-4.1.description: found `""`, allowed: a string
/models/gpt-4.1/creator = 1
  models.gpt-4.1.creator: found `1`, allowed: a string
/models/gpt-4.1/list_price = {"input": 1.25}
  models.gpt-4.1.list_price.output: missing, allowed: USD per million tokens
/models/gpt-4.1/list_price = {"input": 1.25, "output": 10}
/models/gpt-4.1/prices = 1
  models.gpt-4.1.prices: unknown key, allowed: `kind`, `name`, `description`, `creator`, `regions`,
    `hash_on`, `context_length`, `max_output_tokens`, `min_output_tokens`, `input`, `supported_parameters`,
    `tool_choices`, `response_formats`, `response_format_emulation`, `reasoning_efforts`,
    `default_reasoning_effort`, `thinking`, `prefill`, `effort_with_tools`, `custom_tools`,
    `sampling`, `max_temperature`, `prompt_cache`, `deadlines`, `fallbacks`, `hedge`, `price`,
    `list_price`, `retirement_date`
/models/gpt-4.1/response_format_emulation = "never"
  models.gpt-4.1.response_format_emulation: found `never`, allowed: `true` or `false`
/models/gpt-4.1/response_format_emulation = false
/models/gpt-4.1/fallbacks = ["gpt-4.1", "gpt-6"]
  models.gpt-4.1.fallbacks[1]: found `gpt-6`, allowed: `gpt-4.1`
/models/gpt-4.1/fallbacks = ["gpt-4.1", "gpt-4.1", "gpt-4.1"]
  models.gpt-4.1.fallbacks: found a list, allowed: at most 2 models
/models/gpt-4.1/hedge = 2
  models.gpt-4.1.hedge: found `2`, allowed: a duration from `1ms` to `24h`, such as `500ms`, `20s` or
    `5m`
"#,
    );
}

#[test]
fn a_prompt_cache_needs_claudes_api() {
    assert_messages(
        r#"
/models/gpt-4.1/prompt_cache = "on"
  models.gpt-4.1.prompt_cache: found `on`, allowed: `off`, `auto`
/models/gpt-4.1/prompt_cache = "auto"
  models.gpt-4.1.prompt_cache: found `auto`, allowed: `off`, unless a provider has the API schema
    `anthropic`
"#,
    );
}

#[test]
fn an_endpoint_has_the_api_schema_of_its_provider_or_openais_other_one() {
    let cases = [
        (json!({}), Some("openai-responses"), Ok(ApiSchema::OpenAiResponses)),
        (json!({}), None, Ok(ApiSchema::OpenAi)),
        (json!({"api_schema": "openai-responses"}), None, Ok(ApiSchema::OpenAiResponses)),
        (json!({"api_schema": "openai-responses"}), Some("openai"), Ok(ApiSchema::OpenAi)),
        (json!({"api_schema": "gemini"}), None, Ok(ApiSchema::Gemini)),
        (json!({"api_schema": "gemini"}), Some("openai"), Err("gemini")),
        (json!({"quirks": ["max_tokens"]}), Some("openai-responses"), Err("openai")),
        (json!({"quirks": ["max_tokens"]}), Some("openai"), Ok(ApiSchema::OpenAi)),
        (json!({"forward_unknown": true}), Some("openai-responses"), Err("openai")),
    ];
    for (provider, own, expected) in cases {
        let mut document = smallest();
        let fields = document["providers"]["openai"].as_object_mut().unwrap();
        fields.extend(provider.as_object().unwrap().clone());
        document["models"]["gpt-4.1"]["regions"]["us"]["api_schema"] = json!(own);
        let found = Config::parse(&document)
            .map(|config| config.target("gpt-4.1", Region::Us).unwrap().endpoint.api_schema);
        let expected = expected.map_err(|schema| {
            let reason = "the provider has quirks, forward_unknown or another API";
            format!("allowed: only `{schema}`, because {reason}")
        });
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected, "{provider} {own:?}"),
            (Err(found), Err(expected)) => {
                let [found] = &found[..] else { panic!("{found:?}") };
                assert!(found.to_string().ends_with(&expected), "{found}");
            }
            (found, _) => panic!("{found:?} for {provider} {own:?}"),
        }
    }
}

#[test]
fn embeddings_need_a_provider_that_has_them() {
    assert_messages(
        r#"
/models/gpt-4.1/kind = "images"
  models.gpt-4.1.kind: found `images`, allowed: `chat`, `embeddings`
/models/gpt-4.1/kind = "embeddings"
/models/gpt-4.1 = {"kind": "embeddings", "name": "E", "context_length": 1, "regions": {"eu": {"provider": "bedrock", "upstream_model": "m"}}}
  models.gpt-4.1.regions: found an object, allowed: providers with embeddings: API schema `openai`
    or `gemini`
"#,
    );
}

#[test]
fn every_word_of_a_model_is_checked() {
    assert_messages(
        r#"
/models/gpt-4.1/input = ["image"]
  models.gpt-4.1.input: found a list, allowed: a list with `text` in it
/models/gpt-4.1/input = ["text", "pdf"]
  models.gpt-4.1.input[1]: found `pdf`, allowed: `text`, `image`, `file`, `audio`
/models/gpt-4.1/tool_choices = ["any"]
  models.gpt-4.1.tool_choices[0]: found `any`, allowed: `none`, `auto`, `required`, `function`,
    `allowed_tools`
/models/gpt-4.1/response_formats = ["text"]
  models.gpt-4.1.response_formats[0]: found `text`, allowed: `json_object`, `json_schema`
/models/gpt-4.1/reasoning_efforts = ["extreme"]
  models.gpt-4.1.reasoning_efforts[0]: found `extreme`, allowed: `none`, `minimal`, `low`,
    `medium`, `high`, `xhigh`, `max`
/models/gpt-4.1/thinking = "hard"
  models.gpt-4.1.thinking: found `hard`, allowed: `adaptive`, `budget`, `effort`
/models/gpt-4.1/prefill = 1
  models.gpt-4.1.prefill: found `1`, allowed: `true` or `false`
/models/gpt-4.1/effort_with_tools = "low"
  models.gpt-4.1.effort_with_tools: found `low`, allowed: `any`, `none_only`
/models/gpt-4.1/custom_tools = 1
  models.gpt-4.1.custom_tools: found `1`, allowed: `true` or `false`
/models/gpt-4.1/sampling = "never"
  models.gpt-4.1.sampling: found `never`, allowed: `always`, `effort_none`
"#,
    );
}

#[test]
fn values_that_contradict_each_other_are_mistakes() {
    let cases = r#"
{"max_output_tokens": 1047577}
max_output_tokens: found `1047577`, allowed: at most the context_length, `1047576`
{"min_output_tokens": 32769}
min_output_tokens: found `32769`, allowed: at most the max_output_tokens, `32768`
{"supported_parameters": ["response_format"]}
response_formats: missing, allowed: at least one, as supported_parameters has `response_format`
{"response_formats": ["json_object"]}
response_formats: found a list, allowed: nothing, unless supported_parameters has `response_format`
{"supported_parameters": ["tool_choice"], "tool_choices": []}
tool_choices: found an empty list, allowed: at least one, as supported_parameters has `tool_choice`
{"default_reasoning_effort": "low"}
default_reasoning_effort: found `low`, allowed: one of reasoning_efforts: nothing
{"supported_parameters": ["reasoning_effort"], "reasoning_efforts": ["low"]}
default_reasoning_effort: missing, allowed: one of reasoning_efforts: `low`
{"effort_with_tools": "none_only"}
effort_with_tools: found `none_only`, allowed: `any`, unless reasoning_efforts has `none`
"#;
    let lines: Vec<&str> = cases.trim().lines().collect();
    for case in lines.chunks(2) {
        let mut document = smallest();
        let own: Map<String, Value> = serde_json::from_str(case[0]).unwrap();
        document["models"]["gpt-4.1"].as_object_mut().unwrap().extend(own);
        assert_eq!(mistakes(&document), format!("models.gpt-4.1.{}", case[1]));
    }
}
