"""What the tests of all SDKs send, and what the provider gets of it."""

import json
import urllib.request

# One model of each API schema: OpenAI's, Anthropic's, Gemini's.
SCHEMAS = ["gpt", "claude", "gemini"]

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


def journal_about(gateway, marker):
    with urllib.request.urlopen(gateway.journal) as page:
        return [entry for entry in json.load(page) if marker in entry["body"]]
