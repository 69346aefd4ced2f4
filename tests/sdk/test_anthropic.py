"""Anthropic's SDKs as clients, for models of every API schema."""

import subprocess
import uuid

import anthropic
import pytest
from anthropic import beta_tool
from pydantic import BaseModel

from gateways import ROOT
from samples import LOOK, SCHEMAS, said

TOOL = {name: LOOK["function"][name] for name in ("name", "description")} | {
    "input_schema": LOOK["function"]["parameters"],
}


@pytest.fixture
def client(gateway):
    """The SDK as everybody starts it, but without its own retries."""
    with anthropic.Anthropic(base_url=gateway.root, api_key=gateway.key, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", SCHEMAS)
def test_an_answer_is_a_message(client, model):
    message = client.messages.create(
        model=model, max_tokens=100, system="Be kind.", messages=said("#script text=Good_day")
    )
    assert (message.type, message.role, message.model) == ("message", "assistant", model)
    assert [(block.type, block.text) for block in message.content] == [("text", "Good day")]
    assert (message.stop_reason, message.stop_sequence) == ("end_turn", None)
    assert message.usage.output_tokens == 2
    assert uuid.UUID(message._request_id).version == 4


@pytest.mark.parametrize("model", [*SCHEMAS, "kimi", "oss", "qwen"])
def test_every_model_streams(client, model):
    with client.messages.stream(
        model=model, max_tokens=100, messages=said("#script text=one_two_three")
    ) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(pieces) == final.content[-1].text == "one two three"
    assert (final.model, final.stop_reason, final.usage.output_tokens) == (model, "end_turn", 3)


@pytest.mark.parametrize("model", SCHEMAS)
def test_thinking_is_a_block_before_the_text(client, model):
    with client.messages.stream(
        model=model,
        max_tokens=2000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=said("#script text=so_it_is reasoning=let_me_see"),
    ) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_message()
    assert "thinking" in kinds and "text" in kinds
    assert final.content[0].type == "thinking" and final.content[0].thinking == "let me see"
    assert final.content[-1].text == "so it is"


@pytest.mark.parametrize("model", SCHEMAS)
@pytest.mark.parametrize("streams", [False, True])
def test_two_turns_with_a_tool(client, gateway, model, streams):
    marker = uuid.uuid4().hex
    messages = said(f"{marker} What is the weather in Paris? #script reasoning=hm")

    def turn():
        asked = {"model": model, "max_tokens": 2000, "messages": messages, "tools": [TOOL],
                 "thinking": {"type": "enabled", "budget_tokens": 1024}}
        if not streams:
            return client.messages.create(**asked)
        with client.messages.stream(**asked) as stream:
            return stream.get_final_message()

    first = turn()
    assert first.stop_reason == "tool_use"
    [call] = [block for block in first.content if block.type == "tool_use"]
    assert (call.name, call.input) == ("look", {"location": "Paris"})
    messages.append({"role": "assistant", "content": first.content})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny", "is_error": True}
    messages.append({"role": "user", "content": [result]})
    second = turn()
    assert second.stop_reason == "end_turn" and second.content[-1].text
    bodies = [entry["body"] for entry in gateway.journal_about(marker)]
    # The provider gets back what it signed, and every model reads that the tool has failed.
    signed = {"claude": '"signature":"EqQB', "gemini": '"thoughtSignature":"CiRz'}
    assert signed.get(model, "") in bodies[1]
    assert ('"is_error":true' if model == "claude" else "Error: sunny") in bodies[1]


@beta_tool
def look(location: str) -> str:
    """The weather of a place.

    Args:
        location: The place.
    """
    return f"sunny in {location}"


@pytest.mark.parametrize("model", SCHEMAS)
def test_the_tool_runner_comes_to_an_end(client, model):
    runner = client.beta.messages.tool_runner(
        model=model, max_tokens=100, tools=[look], messages=said("What is the weather in Paris?")
    )
    turns = list(runner)
    assert [turn.stop_reason for turn in turns] == ["tool_use", "end_turn"]


class Person(BaseModel):
    name: str
    age: int


@pytest.mark.parametrize("model", SCHEMAS)
def test_an_answer_is_parsed_into_a_class(client, model):
    message = client.messages.parse(
        model=model, max_tokens=100, messages=said("Who is it?"), output_format=Person
    )
    assert isinstance(message.parsed_output, Person)


@pytest.mark.parametrize("model", SCHEMAS)
def test_tokens_are_counted_or_estimated(client, model):
    answer = client.messages.with_raw_response.count_tokens(
        model=model, system="Be kind.", messages=said("one two three")
    )
    assert answer.parse().input_tokens > 0
    estimated = answer.headers.get("x-attache-params")
    assert estimated == (None if model == "claude" else "emulated=count_tokens")


def test_the_models_are_those_of_the_gateway(client):
    models = list(client.models.list())
    assert set(SCHEMAS) < {model.id for model in models}
    assert {model.type for model in models} == {"model"}
    assert client.models.retrieve("claude").display_name == "Speaks Anthropic's API"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("nobody")


REFUSALS = [
    # The model, the message, the exception and its status.
    ("nobody", "hi", anthropic.BadRequestError, 400),
    ("gpt", "#script status=400", anthropic.BadRequestError, 400),
    ("gpt", "#script status=429", anthropic.RateLimitError, 429),
    ("gpt", "#script status=500", anthropic.InternalServerError, 502),
    ("claude", "#script status=529", anthropic.APIStatusError, 503),
    ("claude", "#script error-first", anthropic.APIStatusError, 503),
    ("gemini", "#script status=503", anthropic.APIStatusError, 503),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model, text, kind, status", REFUSALS)
def test_an_error_is_the_right_exception(client, model, text, kind, status, stream):
    with pytest.raises(kind) as raised:
        client.messages.create(model=model, max_tokens=9, messages=said(text), stream=stream)
    error = raised.value
    assert error.status_code == status
    assert uuid.UUID(error.request_id).version == 4
    assert error.body["type"] == "error" and error.body["error"]["message"]


@pytest.mark.parametrize("model", SCHEMAS)
def test_an_error_in_a_stream_is_an_exception(client, model):
    with pytest.raises(anthropic.APIStatusError):
        with client.messages.stream(
            model=model, max_tokens=100, messages=said("#script text=one_two_three error-after=4")
        ) as stream:
            stream.until_done()


def test_keys_are_told_apart(gateway):
    for key, kind in (
        ("wrong", anthropic.AuthenticationError),
        (gateway.visitor, anthropic.PermissionDeniedError),
    ):
        with anthropic.Anthropic(base_url=gateway.root, api_key=key, max_retries=0) as client:
            with pytest.raises(kind):
                client.messages.create(model="gpt", max_tokens=9, messages=said("hi"))


@pytest.mark.parametrize("model", SCHEMAS)
def test_the_typescript_sdk_reads_answers_streams_and_tools(gateway, model):
    run = subprocess.run(
        ["node", ROOT / "tests/sdk/anthropic.mjs", gateway.root, gateway.key, model],
        capture_output=True, text=True, timeout=60,
    )
    assert run.returncode == 0, run.stdout + run.stderr
