"""AssemblyAI's own SDK as a client of the gateway. Its types refuse a response that lacks a field."""

import base64
import json
import time
import uuid

import assemblyai
import pytest
from assemblyai.llm_gateway.v1 import LLMGateway
from assemblyai.types import LLMGatewayError, Settings

from samples import LOOK, SCHEMAS, said


def connect(url, key):
    """The SDK as everybody starts it, but with another host."""
    settings = Settings(api_key=key, llm_gateway_base_url=url.removesuffix("/v1"))
    return LLMGateway(client=assemblyai.Client(settings=settings))


@pytest.fixture
def client(gateway):
    return connect(gateway.us, gateway.key)


def headers(client):
    return client.client.last_response.headers


def assert_complete(usage, prompt, completion):
    """Every count is there. A detail that the provider does not report is 0."""
    assert (usage.prompt_tokens, usage.completion_tokens) == (prompt, completion)
    assert (usage.input_tokens, usage.output_tokens) == (prompt, completion)
    assert usage.total_tokens == prompt + completion
    assert set(usage.prompt_tokens_details.dict(exclude_none=True).values()) == {0}
    assert set(usage.completion_tokens_details.dict(exclude_none=True).values()) == {0}


@pytest.mark.parametrize("region", ["us", "eu"])
def test_models_are_listed_with_every_field(gateway, region):
    models = connect(getattr(gateway, region), gateway.key).models.list().data
    by_name = {model.id: model for model in models}
    assert len(by_name) == len(models) >= 4
    gpt = by_name["gpt"]
    assert (gpt.name, gpt.creator) == ("Takes nearly everything", "openai")
    assert gpt.description
    assert gpt.top_provider.context_length == gpt.context_length == 128000
    assert gpt.top_provider.max_completion_tokens == 4096
    assert gpt.default_provider.id == "openai"
    assert [provider.id for provider in gpt.providers] == ["openai"]
    assert gpt.available_regions == [region]
    assert time.gmtime(gpt.retirement_date)[:3] == (2027, 6, 30)
    assert "tools" in gpt.supported_parameters
    others = [model for model in models if model.id != "gpt"]
    assert {model.retirement_date for model in others} == {0}


def test_prices_are_per_million_tokens(client):
    models = {model.id: model for model in client.models.list().data}
    claude, gemini = models["claude"].pricing, models["gemini"].pricing
    assert (claude.global_.prompt, claude.global_.completions) == (3, 15)
    assert (claude.global_.input_cache_read, claude.global_.input_cache_write) == (0.3, 3.75)
    # A price that nobody has configured.
    assert (gemini.global_.prompt, gemini.global_.completions, gemini.known) == (0, 0, False)


@pytest.mark.parametrize("model", SCHEMAS)
def test_an_answer(client, model):
    answer = client.chat.completions.create(
        model=model, messages=said("#script text=Good_day"), max_tokens=50, temperature=0.5
    )
    [choice] = answer.choices
    assert choice.message.content == "Good day"
    assert choice.finish_reason == "stop"
    assert uuid.UUID(answer.request_id).version == 4
    assert (answer.http_status_code, answer.llm_status_code) == (200, 200)
    assert answer.request["temperature"] == 0.5
    assert answer.response_time > 0
    assert_complete(answer.usage, 2, 2)


@pytest.mark.parametrize("model", [*SCHEMAS, "kimi", "oss", "qwen"])
def test_a_stream_and_its_usage(client, model):
    chunks = list(client.chat.completions.create(
        model=model,
        messages=said("#script text=one_two_three"),
        stream=True,
        stream_options={"include_usage": True},
    ))
    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.delta.content or "" for choice in choices) == "one two three"
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]
    assert {(chunk.id, chunk.model) for chunk in chunks} == {(chunks[0].id, model)}
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert_complete(chunks[-1].usage, 2, 3)


@pytest.mark.parametrize("stream", [False, True])
def test_usage_that_the_provider_does_not_report(client, stream):
    body = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
    events = [{"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]}, "[DONE]"]
    script = f"body={encoded(json.dumps(body))}"
    if stream:
        lines = [event if isinstance(event, str) else json.dumps(event) for event in events]
        script = "sse=" + encoded("".join(f"data: {line}\n\n" for line in lines))
    answer = client.chat.completions.create(
        model="gpt",
        messages=said(f"#script {script}"),
        stream=stream,
        stream_options={"include_usage": True},
    )
    usage = list(answer)[-1].usage if stream else answer.usage
    assert_complete(usage, 0, 0)
    assert usage.reported is False


def encoded(text):
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize("model", SCHEMAS)
def test_two_turns_with_a_tool(client, model):
    request = {"model": model, "messages": said("How is the weather?"), "tools": [LOOK]}
    [choice] = client.chat.completions.create(**request).choices
    assert choice.finish_reason == "tool_calls"
    [call] = choice.message.tool_calls
    assert (call.type, call.function.name) == ("function", "look")
    assert json.loads(call.function.arguments) == {"location": "Paris"}
    request["messages"] += [
        choice.message.dict(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    [choice] = client.chat.completions.create(**request).choices
    assert choice.finish_reason == "stop"
    assert choice.message.content


@pytest.mark.parametrize("model", SCHEMAS)
def test_a_call_in_a_stream(client, model):
    stream = client.chat.completions.create(
        model=model, messages=said("#script tools=2"), tools=[LOOK], stream=True
    )
    deltas = [choice.delta for chunk in stream for choice in chunk.choices]
    pieces = [call for delta in deltas for call in delta.tool_calls or []]
    for index, place in enumerate(["Paris", "London"]):
        first, *rest = [piece for piece in pieces if piece.index == index]
        assert (first.type, first.function.name) == ("function", "look")
        arguments = "".join(piece.function.arguments for piece in [first, *rest])
        assert json.loads(arguments) == {"location": place}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", SCHEMAS)
def test_an_error_has_its_status_and_the_request_id(client, model, stream):
    for text, status in [("#script status=429", 429), ("#script error-first", None)]:
        with pytest.raises(LLMGatewayError) as caught:
            list(client.chat.completions.create(model=model, messages=said(text), stream=stream))
        assert caught.value.status_code in ([status] if status else [502, 503])
        assert uuid.UUID(caught.value.request_id).version == 4


def test_every_mistake_is_in_the_error(client):
    with pytest.raises(LLMGatewayError) as caught:
        client.chat.completions.create(
            model="nobody", messages=said("hi"), temperature=9, max_timeout=-1, fail_fast="yes"
        )
    assert caught.value.status_code == 400
    assert len(caught.value.errors) == 4


@pytest.mark.parametrize(
    "model, events, code",
    [("gpt", 2, "upstream_error"), ("claude", 3, "overloaded"), ("gemini", 1, "overloaded")],
)
def test_a_stream_that_breaks_off_ends_in_a_chunk_with_the_error(client, model, events, code):
    script = f"#script text=one_two_three error-after={events}"
    stream = client.chat.completions.create(model=model, messages=said(script), stream=True)
    *chunks, last = list(stream)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one "
    assert (last.id, last.object, last.created, last.model) == (
        chunks[0].id, chunks[0].object, chunks[0].created, model
    )
    assert last.choices == []
    assert last.error["code"] == code


def test_what_the_sdk_can_ask_for_is_taken_or_reported(client):
    answer = client.chat.completions.create(
        model="qwen",
        messages=[
            *said("hi"),
            {"role": "assistant", "content": "Hello.", "thinking": "A greeting."},
            *said("#script text=fine"),
        ],
        reasoning={"effort": "low"},
        zero_data_retention=True,
        fail_fast=True,
        max_timeout=20,
    )
    assert answer.choices[0].message.content == "fine"
    assert headers(client)["x-attache-params"] == "dropped=zero_data_retention,messages.thinking"


def test_fail_fast_means_one_attempt(client):
    with pytest.raises(LLMGatewayError) as caught:
        client.chat.completions.create(
            model="gpt",
            messages=said("#script status=503"),
            fallbacks=[{"model": "claude"}],
            fail_fast=True,
        )
    assert caught.value.status_code == 503
    assert headers(client)["x-attache-attempts"].count("=") == 1


@pytest.mark.parametrize("stream", [False, True])
def test_max_timeout_ends_an_exchange(client, stream):
    started = time.monotonic()
    with pytest.raises(LLMGatewayError) as caught:
        list(client.chat.completions.create(
            model="gpt",
            messages=said("#script hang-head"),
            fallbacks=[{"model": "claude"}],
            max_timeout=1.5,
            stream=stream,
        ))
    assert caught.value.status_code == 504
    # The deadlines of the configuration are far longer.
    assert 1.4 < time.monotonic() - started < 15


def test_speech_understanding_is_another_product(client):
    with pytest.raises(LLMGatewayError, match="no such path, there are POST") as caught:
        client.understanding.create(transcript_id=str(uuid.uuid4()), request={"translation": {}})
    assert caught.value.status_code == 404
    with pytest.raises(LLMGatewayError) as caught:
        client.understanding.validate(request={"translation": {}})
    assert caught.value.status_code == 404


def test_keys_are_told_apart(gateway):
    for key, status in [("wrong", 401), (gateway.visitor, 403)]:
        with pytest.raises(LLMGatewayError) as caught:
            connect(gateway.us, key).chat.completions.create(model="gpt", messages=said("hi"))
        assert caught.value.status_code == status
