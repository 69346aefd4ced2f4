"""The official OpenAI SDK as a client. It does not know the gateway, and needs nothing changed."""

import asyncio
import json
import time
import uuid

import openai
import pydantic
import pytest

from samples import LOOK, SCHEMAS, said

# The tool, strictly.
STRICT = LOOK | {"function": LOOK["function"] | {
    "parameters": LOOK["function"]["parameters"] | {"additionalProperties": False},
    "strict": True,
}}


def is_uuid4(text):
    return uuid.UUID(text).version == 4


@pytest.mark.parametrize("model", SCHEMAS)
def test_an_answer_is_a_chat_completion(client, model):
    completion = client.chat.completions.create(
        model=model, messages=said("#script text=Good_day"), temperature=0.5
    )
    choice = completion.choices[0]
    assert completion.object == "chat.completion"
    assert completion.model == model
    assert choice.message.role == "assistant"
    assert choice.message.content == "Good day"
    assert choice.finish_reason == "stop"
    assert completion.usage.total_tokens == 4
    assert abs(completion.created - time.time()) < 60
    assert is_uuid4(completion._request_id)
    assert completion.model_extra["request_id"] == completion._request_id
    assert completion.model_extra["request"]["temperature"] == 0.5
    assert completion.model_extra["http_status_code"] == 200


@pytest.mark.parametrize("model", ["vectors", "vectors-gemini"])
def test_embeddings_come_in_the_form_that_was_asked_for(client, model):
    # The SDK asks for base64 by itself and decodes it.
    for form in [{}, {"encoding_format": "float"}]:
        answer = client.embeddings.create(model=model, input=["one two", "three"], **form)
        assert answer.object == "list"
        assert answer.model == model
        assert [entry.index for entry in answer.data] == [0, 1]
        assert [entry.embedding for entry in answer.data] == [[0, -2, 0.5], [1, -2, 0.5]]
        assert answer.usage.prompt_tokens == answer.usage.total_tokens == 3
    single = client.embeddings.create(model=model, input="one", dimensions=3)
    assert [entry.embedding for entry in single.data] == [[0, -2, 0.5]]
    with pytest.raises(openai.BadRequestError, match="serves chat only"):
        client.embeddings.create(model="claude", input="one")


@pytest.mark.parametrize("model", [*SCHEMAS, "kimi", "oss", "qwen"])
def test_every_model_streams(client, model):
    stream = client.chat.completions.create(
        model=model,
        messages=said("#script text=one_two_three"),
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(
        choice.delta.content or "" for chunk in chunks for choice in chunk.choices
    )
    assert text == "one two three"
    assert {chunk.id for chunk in chunks} == {chunks[0].id}
    assert {chunk.model for chunk in chunks} == {model}
    assert [choice.finish_reason for choice in chunks[-2].choices] == ["stop"]
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 3


@pytest.mark.parametrize("model", SCHEMAS)
def test_the_stream_helper_puts_the_answer_together(client, model):
    seen = []
    with client.chat.completions.stream(
        model=model, messages=said("#script text=one_two_three reasoning=hm")
    ) as stream:
        for event in stream:
            seen.append(event.type)
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "one two three"
    assert final.choices[0].message.reasoning_content == "hm"
    assert final.choices[0].finish_reason == "stop"
    assert seen.count("content.delta") >= 3
    assert "content.done" in seen


@pytest.mark.parametrize("model", [*SCHEMAS, "kimi", "oss"])
@pytest.mark.parametrize("streams", [False, True])
def test_two_turns_with_a_tool(client, gateway, model, streams):
    marker = uuid.uuid4().hex
    messages = said(f"{marker} What is the weather in Paris? #script reasoning=hm")

    def turn():
        asked = {"model": model, "messages": messages, "tools": [STRICT], "reasoning_effort": "high"}
        if not streams:
            return client.chat.completions.create(**asked).choices[0]
        with client.chat.completions.stream(**asked) as stream:
            return stream.get_final_completion().choices[0]

    first = turn()
    assert first.finish_reason == "tool_calls"
    (call,) = first.message.tool_calls
    assert call.function.name == "look"
    assert json.loads(call.function.arguments) == {"location": "Paris"}
    messages.append(first.message)
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "sunny"})
    second = turn()
    assert second.finish_reason == "stop"
    assert second.message.content
    # What the provider signed goes through the SDK and back.
    sent = gateway.journal_about(marker)[1]["body"]
    signed = {"claude": '"signature":"EqQB', "gemini": '"thoughtSignature":"CiRz',
              "responses": '"encrypted_content":"gAAA'}
    assert signed.get(model, "") in sent


@pytest.mark.parametrize("model", SCHEMAS)
def test_several_calls_come_apart_in_a_stream(client, model):
    with client.chat.completions.stream(
        model=model, messages=said("#script tools=3"), tools=[STRICT]
    ) as stream:
        calls = stream.get_final_completion().choices[0].message.tool_calls
    places = [json.loads(call.function.arguments)["location"] for call in calls]
    assert places == ["Paris", "London", "Tokyo"]
    assert len({call.id for call in calls}) == 3


class Person(pydantic.BaseModel):
    name: str
    age: int


@pytest.mark.parametrize("model", SCHEMAS)
def test_an_answer_is_parsed_into_a_class(client, model):
    completion = client.chat.completions.parse(
        model=model, messages=said("Who is it?"), response_format=Person
    )
    assert isinstance(completion.choices[0].message.parsed, Person)


@pytest.mark.parametrize("model", SCHEMAS)
def test_a_stream_is_parsed_into_a_class(client, model):
    with client.chat.completions.stream(
        model=model, messages=said("Who is it?"), response_format=Person
    ) as stream:
        parsed = stream.get_final_completion().choices[0].message.parsed
    assert isinstance(parsed, Person)


REPAIR = {"post_processing_steps": [{"type": "json-repair"}]}


@pytest.mark.parametrize("model", SCHEMAS)
def test_json_is_repaired_while_it_streams(client, model):
    with client.chat.completions.stream(
        model=model, messages=said("{'name': 'Ada', 'year': 1815,"), extra_body=REPAIR
    ) as stream:
        text = stream.get_final_completion().choices[0].message.content
    assert json.loads(text) == {"name": "Ada", "year": 1815}


REFUSALS = [
    # The model, the message, the exception, its status, `code` and `param`.
    ("nobody", "hi", openai.BadRequestError, 400, "model_not_found", "model"),
    ("european", "hi", openai.BadRequestError, 400, "model_not_found", "model"),
    ("gpt", "#script status=400", openai.BadRequestError, 400, "invalid_value", None),
    ("gpt", "#script status=401", openai.InternalServerError, 502, "provider_refused", None),
    ("gpt", "#script status=429", openai.RateLimitError, 429, "rate_limit_exceeded", None),
    ("gpt", "#script status=500", openai.InternalServerError, 502, "upstream_error", None),
    ("gpt", "#script status=503", openai.InternalServerError, 503, "overloaded", None),
    ("gpt", "#script error-first", openai.InternalServerError, 502, "upstream_error", None),
    ("gpt", "#script gzip", openai.InternalServerError, 502, "upstream_error", None),
    ("claude", "#script status=429", openai.RateLimitError, 429, "rate_limit_exceeded", None),
    ("claude", "#script status=529", openai.InternalServerError, 503, "overloaded", None),
    ("claude", "#script error-first", openai.InternalServerError, 503, "overloaded", None),
    ("gemini", "#script status=429", openai.RateLimitError, 429, "rate_limit_exceeded", None),
    ("gemini", "#script status=503", openai.InternalServerError, 503, "overloaded", None),
    ("gemini", "#script error-first", openai.InternalServerError, 503, "overloaded", None),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model, text, kind, status, code, param", REFUSALS)
def test_an_error_is_the_right_exception(client, model, text, kind, status, code, param, stream):
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model=model, messages=said(text), stream=stream)
    error = raised.value
    assert type(error) is kind
    assert error.status_code == status
    assert (error.code, error.param) == (code, param)
    assert is_uuid4(error.request_id)
    assert error.body["message"] in str(error)


def test_keys_are_told_apart(client, gateway):
    for key, kind in (
        ("wrong", openai.AuthenticationError),
        (gateway.visitor, openai.PermissionDeniedError),
    ):
        with pytest.raises(kind) as raised:
            client.with_options(api_key=key).chat.completions.create(
                model="gpt", messages=said("hi")
            )
        assert is_uuid4(raised.value.request_id)


def test_another_path_is_not_found(client):
    with pytest.raises(openai.NotFoundError):
        client.images.generate(model="gpt", prompt="hi")


def test_every_mistake_is_in_the_error(client):
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(
            model="gpt", messages=said("hi"), temperature=9, top_p=9, n=0
        )
    assert len(raised.value.body["metadata"]["errors"]) == 3


@pytest.mark.parametrize(
    "model, events, code",
    [("gpt", 2, "upstream_error"), ("claude", 3, "overloaded"), ("gemini", 1, "overloaded")],
)
def test_a_stream_that_breaks_off_raises(client, model, events, code):
    script = f"#script text=one_two_three error-after={events}"
    stream = client.chat.completions.create(model=model, messages=said(script), stream=True)
    text = ""
    with pytest.raises(openai.APIError) as raised:
        for chunk in stream:
            text += chunk.choices[0].delta.content or ""
    assert text == "one "
    assert raised.value.code == code


def test_models_are_listed(client, gateway):
    models = client.models.list()
    vertex = ["vertex-claude", "vertex-gemini"]
    ours = ["claude", "gemini", "gpt", "kimi", "nova", "oss", "qwen", "responses", "router"]
    names = [*ours, "vectors", "vectors-gemini", *vertex, "worldly"]
    assert [model.id for model in models] == names
    assert models.data[2].owned_by == "openai"
    eu = client.with_options(base_url=gateway.eu).models.list()
    assert [model.id for model in eu] == ["european", "gpt", *vertex]


def test_a_model_is_retrieved(client, gateway):
    model = client.models.retrieve("gpt")
    assert (model.id, model.object, model.owned_by) == ("gpt", "model", "openai")
    assert model in client.models.list().data
    eu = client.with_options(base_url=gateway.eu)
    for other, name in [(client, "nobody"), (client, "a/b"), (eu, "kimi")]:
        with pytest.raises(openai.NotFoundError) as raised:
            other.models.retrieve(name)
        assert (raised.value.code, raised.value.param) == ("model_not_found", "model")


def test_headers_are_there_for_those_who_look(client):
    raw = client.chat.completions.with_raw_response.create(
        model="gpt", messages=said("hi"), seed=7, extra_body={"frobnicate": 1}
    )
    assert raw.headers["x-attache-params"] == "dropped=seed,frobnicate"
    assert raw.headers["x-attache-region"] == "us"
    assert raw.headers["x-attache-attempts"].startswith("gpt=200/")
    assert raw.request_id == raw.headers["x-request-id"]
    assert raw.parse().choices[0].message.content


def test_everything_the_sdk_can_ask_for_is_taken(client):
    completion = client.chat.completions.create(
        model="gpt",
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        ],
        max_completion_tokens=5,
        frequency_penalty=0.1,
        presence_penalty=0.1,
        logit_bias={"1": 1},
        metadata={"a": "b"},
        seed=1,
        service_tier="auto",
        stop=["x"],
        store=False,
        top_p=0.5,
        user="u",
        reasoning_effort="low",
        verbosity="low",
        prompt_cache_key="k",
        safety_identifier="s",
    )
    assert completion.choices[0].message.content


def test_without_retries_a_request_is_sent_once(client, gateway):
    marker = uuid.uuid4().hex
    with pytest.raises(openai.RateLimitError) as raised:
        client.chat.completions.create(
            model="gpt", messages=said(f"{marker} #script status=429 retry-after=7")
        )
    assert raised.value.response.headers["retry-after"] == "7"
    assert len(gateway.journal_about(marker)) == 1


def test_the_sdk_waits_as_long_as_the_provider_says(client, gateway):
    marker = uuid.uuid4().hex
    started = time.monotonic()
    with pytest.raises(openai.RateLimitError):
        client.with_options(max_retries=1).chat.completions.create(
            model="gpt", messages=said(f"{marker} #script status=429 retry-after=2")
        )
    assert 1.4 < time.monotonic() - started < 10
    assert len(gateway.journal_about(marker)) == 2


def test_the_async_client(gateway):
    async def several():
        async with openai.AsyncOpenAI(
            base_url=gateway.us, api_key=gateway.key, max_retries=0
        ) as client:

            async def ask(number):
                text = f"#script text=number_{number} delay=20"
                if number % 2:
                    whole = await client.chat.completions.create(model="gpt", messages=said(text))
                    return whole.choices[0].message.content
                stream = await client.chat.completions.create(
                    model="gpt", messages=said(text), stream=True
                )
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return await asyncio.gather(*(ask(number) for number in range(20)))

    assert asyncio.run(several()) == [f"number {number}" for number in range(20)]


def test_a_base_url_without_a_version_does_as_well(client, gateway):
    plain = client.with_options(base_url=gateway.us.removesuffix("/v1"))
    assert plain.chat.completions.create(model="gpt", messages=said("hi")).choices
    assert plain.models.list().data
