//! What the documentation says about parameters is what the code does with them.
//! `UPDATE=1 cargo test --test core documents::` writes the table in `docs/providers.md` anew.

use std::fmt::Write as _;

use attache::api_schema;
use attache::{
    chat::{
        parameter::{Parameter, ParameterScope},
        request::{self, Request},
    },
    config::{ApiSchema, Config},
    fit::support::{ParameterSupport, support_of},
    region::Region,
};
use serde_json::{Value, json};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/providers.md");

/// What stands before and after the table.
const BEFORE: &str = "UPDATE=1 cargo test --test core documents:: -->\n\n";
const AFTER: &str = "\n<!-- End of the table. -->";

const SCHEMAS: [ApiSchema; 5] = ApiSchema::ALL;

#[test]
fn the_table_of_parameters_is_the_codes() {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (before, rest) = page.split_once(BEFORE).expect("the table has a beginning");
    let (_, after) = rest.split_once(AFTER).expect("the table has an end");
    let right = format!("{before}{BEFORE}{}{AFTER}{after}", table());
    if page != right && std::env::var_os("UPDATE").is_some() {
        return std::fs::write(PAGE, right).unwrap();
    }
    assert!(page == right, "docs/providers.md should have this table:\n{}", table());
}

#[test]
fn every_test_that_a_document_names_is_there() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = String::new();
    let mut folders = vec![root.join("tests"), root.join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match entry.extension() {
                _ if entry.is_dir() => folders.push(entry),
                Some(kind) if kind == "rs" => sources += &std::fs::read_to_string(entry).unwrap(),
                _ => {}
            }
        }
    }
    let metrics = ["envoy_", "attache_", "gen_ai_"];
    let is_no_metric = |word: &&str| !metrics.iter().any(|prefix| word.starts_with(prefix));
    let mut found = 0;
    for page in ["docs/security.md", "docs/operations.md"] {
        let page = std::fs::read_to_string(root.join(page)).unwrap();
        let is_test = |word: &&str| {
            word.matches('_').count() > 2 && word.chars().all(|c| c == '_' || c.is_alphanumeric())
        };
        for name in page.split('`').filter(is_test).filter(is_no_metric) {
            assert!(sources.contains(&format!("fn {name}() {{")), "no test `{name}`");
            found += 1;
        }
    }
    assert!(found > 40, "{found}");
}

fn table() -> String {
    let mut table = String::from("| parameter |");
    SCHEMAS.iter().for_each(|schema| write!(table, " `{}` |", schema.name()).unwrap());
    table.push_str("\n|---|---|---|---|---|---|\n");
    for parameter in Parameter::ALL {
        write!(table, "| `{}` |", parameter.name()).unwrap();
        for schema in SCHEMAS {
            write!(table, " {} |", support_of(*parameter, schema).name()).unwrap();
        }
        table.push('\n');
    }
    table
}

/// A model that takes all there is, at a provider of an API schema.
fn config(schema: ApiSchema) -> Config {
    let optional = Parameter::ALL.iter().filter(|own| own.scope() == ParameterScope::Optional);
    let names: Vec<_> = optional.map(|parameter| parameter.name()).collect();
    let document = json!({
        "listeners": {"us": {"port": 8080}},
        "plans": {"paid": {"requests_per_minute": 30}},
        "accounts": {"acme": {"plan": "paid", "key_files": ["acme.key"]}},
        "providers": {
            "p": {"api_schema": schema.name(), "base_url": {"us": "https://example.com/v1"}}
        },
        "models": {"m": {
            "name": "M",
            "regions": {"us": {"provider": "p", "upstream_model": "m"}},
            "context_length": 200_000,
            "max_output_tokens": 8000,
            "supported_parameters": names,
            "response_formats": ["json_object", "json_schema"],
            "reasoning_efforts": ["none", "low", "medium", "high"],
            "thinking": "budget",
            "max_temperature": 1.5,
        }}
    });
    Config::parse(&document).unwrap_or_else(|mistakes| panic!("{mistakes:?}"))
}

/// A value that asks for something, and for as much as may be.
fn value(parameter: Parameter) -> Option<Value> {
    use Parameter as P;
    let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
    Some(match parameter {
        P::MaxTokens | P::MaxCompletionTokens => json!(100_000),
        P::Temperature => json!(2),
        P::TopP => json!(0.5),
        P::TopK => json!(40),
        P::N => json!(2),
        P::Stop => json!([" ", "END"]),
        P::Seed => json!(1_u64 << 40),
        P::FrequencyPenalty | P::PresencePenalty => json!(2),
        P::LogitBias => json!({"50256": -100}),
        P::Logprobs | P::Store | P::Stream | P::ZeroDataRetention => json!(true),
        P::TopLogprobs => json!(20),
        P::ResponseFormat => json!({"type": "json_object"}),
        P::Tools => json!([{"type": "function", "function": {"name": "f", "parameters": schema}}]),
        P::ToolChoice => json!("auto"),
        P::ParallelToolCalls => json!(false),
        P::Functions => json!([{"name": "f"}]),
        P::FunctionCall => json!({"name": "f"}),
        P::ReasoningEffort => json!("max"),
        P::Reasoning => json!({"max_tokens": 100_000}),
        P::Verbosity | P::ServiceTier => json!("low"),
        P::Modalities => json!(["text", "audio"]),
        P::Audio | P::WebSearchOptions => json!({"format": "wav"}),
        P::Prediction => json!({"type": "content", "content": "x"}),
        P::PromptCacheKey | P::User | P::SafetyIdentifier => json!("u-1"),
        P::PromptCacheRetention => json!("24h"),
        P::CacheControl => json!({"type": "ephemeral"}),
        P::Metadata => json!({"a": "b"}),
        // They have no counterpart anywhere, or every request has them.
        _ => return None,
    })
}

/// What became of a parameter, by what the client would be told of it.
fn told(parameter: Parameter, value: Value, schema: ApiSchema) -> ParameterSupport {
    let config = config(schema);
    let mut body = json!({
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 8000,
    });
    match parameter {
        Parameter::ToolChoice | Parameter::ParallelToolCalls => {
            body["tools"] = self::value(Parameter::Tools).unwrap();
        }
        Parameter::FunctionCall => body["functions"] = self::value(Parameter::Functions).unwrap(),
        Parameter::Metadata => body["store"] = json!(true),
        Parameter::TopLogprobs if schema != ApiSchema::Anthropic => body["logprobs"] = json!(true),
        Parameter::MaxCompletionTokens => drop(body.as_object_mut().unwrap().remove("max_tokens")),
        _ => {}
    }
    body[parameter.name()] = value;
    let body = body.to_string();
    let (request, mistakes) = Request::check(request::parameters(body.as_bytes()).unwrap());
    assert!(mistakes.is_empty(), "{mistakes:?}");
    let fit = api_schema::fit(&request, &config.target("m", Region::Us).unwrap());
    let name = parameter.name();
    let is_it = |own: &str| own == name || own == format!("{name}.max_tokens");
    if fit.refused.iter().any(|mistake| is_it(&mistake.param)) {
        ParameterSupport::Refused
    } else if fit.dropped.iter().any(|own| is_it(own)) {
        ParameterSupport::Dropped
    } else if fit.emulated.contains(&name) {
        ParameterSupport::Emulated
    } else if fit.clamped.iter().any(|(own, _)| is_it(own) || limits(own, name)) {
        ParameterSupport::Clamped
    } else {
        ParameterSupport::Mapped
    }
}

/// Both names of the limit are reported under one.
fn limits(reported: &str, name: &str) -> bool {
    reported == "max_tokens" && name == "max_completion_tokens"
}

#[test]
fn the_table_tells_what_happens() {
    let mut wrong = Vec::new();
    for schema in SCHEMAS {
        for parameter in Parameter::ALL {
            let Some(value) = value(*parameter) else { continue };
            let (happens, stands) =
                (told(*parameter, value, schema), support_of(*parameter, schema));
            if happens != stands {
                let (schema, name) = (schema.name(), parameter.name());
                wrong.push(format!("{schema} {name}: {stands:?} stands, {happens:?} happens"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
