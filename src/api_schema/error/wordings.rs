//! Wordings of errors that have no status of their own. Servers that speak the same API schema word
//! them differently.

use super::fields::ErrorFields;

/// Codes and types of a prompt that is too long: OpenAI's, Copilot's and llama.cpp's.
const CONTEXT_LENGTH_CODES: [&str; 3] =
    ["context_length_exceeded", "model_max_prompt_tokens_exceeded", "exceed_context_size_error"];

/// Messages about a prompt that is too long, in lower case. `*` stands for any text.
const CONTEXT_LENGTH_MESSAGES: [&str; 27] = [
    // OpenAI, Azure, vLLM, Mistral, DeepSeek, OpenRouter.
    "maximum context length",
    "exceeds the context window",
    "input tokens exceed the configured limit",
    // Anthropic; on Bedrock.
    "prompt is too long",
    "exceed context limit",
    "input is too long for requested model",
    // Google.
    "exceeds the maximum number of tokens allowed",
    // vLLM.
    "longer than the maximum model length",
    "context length is only",
    // SGLang.
    "longer than the model's context length",
    "exceeds the maximum allowed length",
    // llama.cpp, and its Python server.
    "exceeds the available context size",
    "exceed context window of",
    "context size exceeded",
    // Copilot.
    "prompt token count of * exceeds the limit",
    // Ollama.
    "exceeds the context length",
    "exceeded max context length",
    // LM Studio.
    "greater than the context length",
    "loaded with context length of only",
    // TGI, Together.
    "`inputs` tokens + `max_new_tokens` must be",
    "`inputs` must have less than",
    // xAI.
    "maximum prompt length is",
    // Moonshot.
    "exceeded model token limit",
    // Alibaba.
    "range of input length should be",
    // Zhipu, MiniMax.
    "prompt exceeds max length",
    "context window exceeds limit",
    // Groq, Cerebras.
    "reduce the length of the messages",
];

/// Codes and types of an account of the operator's that has no credit left: OpenAI's, Anthropic's,
/// Moonshot's, Alibaba's, and those of servers after their model.
const OUT_OF_CREDIT_CODES: [&str; 12] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_error",
    "exceeded_current_quota_error",
    "insufficient_balance",
    "insufficient_credits",
    "insufficient_funds",
    "insufficient_user_quota",
    "payment_required",
    "arrearage",
];

/// Messages about an account without credit, in lower case. `*` stands for any text. "You exceeded
/// your current quota" is missing: Google says so of requests per minute, too.
const OUT_OF_CREDIT_MESSAGES: [&str; 12] = [
    "credit balance is too low",
    "no credits remaining",
    "used all available credits",
    "out of credits",
    "insufficient balance",
    "insufficient credit",
    "insufficient account balance",
    "specified api usage limits",
    "monthly spending limit",
    "billing hard limit",
    "check your billing details on our website",
    "please recharge",
];

/// Returns whether the prompt is too long for the model.
pub(super) fn is_context_length(error: &ErrorFields) -> bool {
    is_worded(error, &CONTEXT_LENGTH_CODES, &CONTEXT_LENGTH_MESSAGES)
}

/// Returns whether the operator's account has no credit left. No waiting helps, and the client's own
/// limits have nothing to do with it.
pub(super) fn is_out_of_credit(error: &ErrorFields) -> bool {
    is_worded(error, &OUT_OF_CREDIT_CODES, &OUT_OF_CREDIT_MESSAGES)
}

fn is_worded(error: &ErrorFields, codes: &[&str], messages: &[&str]) -> bool {
    let has_code = [&error.code, &error.kind]
        .into_iter()
        .flatten()
        .any(|own| codes.iter().any(|code| own.eq_ignore_ascii_case(code)));
    let message = error.message.to_lowercase();
    has_code || messages.iter().any(|pattern| matches(&message, pattern))
}

/// Returns whether a text has the parts of a pattern, in order.
fn matches(text: &str, pattern: &str) -> bool {
    let mut rest = Some(text);
    for part in pattern.split('*') {
        rest = rest.and_then(|text| text.split_once(part)).map(|(_, after)| after);
    }
    rest.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(message: &str, kind: Option<&str>) -> ErrorFields {
        let kind = kind.map(str::to_owned);
        ErrorFields { message: message.to_owned(), code: None, param: None, kind }
    }

    #[test]
    fn a_prompt_that_is_too_long_is_known_in_the_words_of_every_server() {
        let messages = [
            "This model's maximum context length is 8192 tokens. However, you requested 9000.",
            "Your input exceeds the context window of this model. Please adjust your input.",
            "prompt is too long: 208310 tokens > 200000 maximum",
            "input length and `max_tokens` exceed context limit: 195000 + 8192 > 200000",
            "Input is too long for requested model.",
            "The input token count (1100000) exceeds the maximum number of tokens allowed (1048576).",
            "The decoder prompt (length 5021) is longer than the maximum model length of 4096.",
            "You passed 4097 input tokens, but the model's context length is only 4096 tokens.",
            "The input (32769 tokens) is longer than the model's context length (32768 tokens).",
            "Input length (9001 tokens) exceeds the maximum allowed length (8186 tokens).",
            "request (5210 tokens) exceeds the available context size (4096 tokens), try increasing it",
            "Requested tokens (4200) exceed context window of 4096",
            "prompt token count of 131072 exceeds the limit of 128000",
            "the input length exceeds the context length",
            "prompt too long; exceeded max context length by 12 tokens",
            "The model is loaded with context length of only 4096 tokens",
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000",
            "Input validation error: `inputs` must have less than 4096 tokens. Given: 5000",
            "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
            "Invalid request: Your request exceeded model token limit: 8192",
            "Range of input length should be [1, 30720]",
            "Please reduce the length of the messages or completion.",
        ];
        for message in messages {
            assert!(is_context_length(&error(message, None)), "{message}");
        }
        assert!(is_context_length(&error("too much", Some("exceed_context_size_error"))));
        let others = [
            "max_tokens is too large: 99999. This model supports at most 16384 completion tokens",
            "Too many tokens, please wait before trying again.",
            "messages.0: text content exceeds the limit of 9 blocks",
            "",
        ];
        for message in others {
            assert!(!is_context_length(&error(message, None)), "{message}");
        }
    }

    #[test]
    fn an_account_without_credit_is_told_from_a_rate_limit() {
        let messages = [
            "Your credit balance is too low to access the Anthropic API.",
            "You have no credits remaining. Add credits to continue.",
            "Insufficient Balance",
            "Your team has either used all available credits or reached its monthly spending limit.",
            "Your account is suspended, please recharge",
            "You have reached your specified API usage limits.",
        ];
        for message in messages {
            assert!(is_out_of_credit(&error(message, None)), "{message}");
        }
        for kind in ["insufficient_quota", "exceeded_current_quota_error", "Arrearage"] {
            assert!(is_out_of_credit(&error("You exceeded your current quota", Some(kind))));
        }
        let others = [
            "You exceeded your current quota, please check your plan and billing details.",
            "Rate limit reached for requests per min. Limit: 3 / min.",
        ];
        for message in others {
            assert!(!is_out_of_credit(&error(message, Some("rate_limit_error"))), "{message}");
        }
    }
}
