//! Every golden file, by name.

macro_rules! cases {
    ($($name:literal,)*) => {
        /// Name and text of each file.
        pub const CASES: &[(&str, &str)] = &[$(($name, include_str!(concat!($name, ".json")))),*];
    };
}

cases! {
    "openai/answer-finish-reasons",
    "openai/answer-logprobs-and-n",
    "openai/answer-makes-no-sense",
    "openai/answer-reasoning",
    "openai/answer-refusal",
    "openai/answer-text",
    "openai/answer-tool-calls",
    "openai/answer-usage",
    "openai/error-shapes",
    "openai/error-statuses",
    "openai/request-images-and-files",
    "openai/request-kimi",
    "openai/request-known-passes-on",
    "openai/request-limits",
    "openai/request-not-built",
    "openai/request-ours-stay",
    "openai/request-plain",
    "openai/request-prompt",
    "openai/request-qwen",
    "openai/request-reasoning",
    "openai/request-response-format",
    "openai/request-roles",
    "openai/request-sampling",
    "openai/request-stream",
    "openai/request-tools",
    "openai/request-unknown-keys",
    "openai/request-vllm",
    "openai/stream-broken-off",
    "openai/stream-emulated",
    "openai/stream-errors",
    "openai/stream-finish",
    "openai/stream-logprobs",
    "openai/stream-message-and-delta",
    "openai/stream-n",
    "openai/stream-pings",
    "openai/stream-reasoning",
    "openai/stream-refusal",
    "openai/stream-text",
    "openai/stream-tool-calls",
    "openai/stream-tool-calls-odd",
    "openai/stream-usage",
}
