"""What the tests of all SDKs send."""

# One model of each API schema: OpenAI's, Anthropic's, Gemini's.
SCHEMAS = ["gpt", "responses", "claude", "gemini"]

# A tool.
LOOK = {
    "type": "function",
    "function": {
        "name": "look",
        "description": "The weather of a place.",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string"}},
            "required": ["location"],
        },
    },
}


def said(text):
    return [{"role": "user", "content": text}]
