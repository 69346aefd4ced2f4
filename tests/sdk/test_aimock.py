"""The official SDK as a client, and as the provider a server that knows neither the gateway nor its
tests: `@copilotkit/aimock`, which speaks each vendor's API as its authors read it."""

import openai
import pydantic
import pytest

from samples import said

# OpenAI's API, the same as OpenRouter has it, Anthropic's, and Gemini's in both places.
MODELS = ["gpt", "router", "claude", "gemini", "vertex-gemini"]

LOOK = {
    "type": "function",
    "function": {
        "name": "look",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string"}},
            "required": ["location"],
        },
    },
}


@pytest.fixture
def client(independent):
    with openai.OpenAI(base_url=independent.us, api_key=independent.key, max_retries=0) as client:
        yield client


def streamed(client, **request):
    """What a stream comes to, by the SDK's own helper."""
    with client.chat.completions.stream(**request) as stream:
        for _ in stream:
            pass
        return stream.get_final_completion()


def whole(client, **request):
    return client.chat.completions.create(**request)


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("model", MODELS)
def test_a_text_and_the_thoughts_before_it(client, model, ask):
    completion = ask(client, model=model, messages=said("Please say hello"))
    [choice] = completion.choices
    assert choice.message.content == "Hello there, naïve 日本語 friend."
    assert choice.message.reasoning_content == "They greet me."
    assert choice.finish_reason == "stop"
    assert completion.model == model


@pytest.mark.parametrize("ask", [whole, streamed])
@pytest.mark.parametrize("model", MODELS)
def test_tools_over_two_turns(client, model, ask):
    request = {"model": model, "messages": said("How is the weather?"), "tools": [LOOK]}
    [choice] = ask(client, **request).choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "Let me look."
    calls = choice.message.tool_calls
    assert [call.function.name for call in calls] == ["look", "look"]
    places = [call.function.arguments.replace(" ", "") for call in calls]
    assert places == ['{"location":"Paris"}', '{"location":"Rome"}']
    assert len({call.id for call in calls}) == 2

    results = zip(calls, ["22 degrees", "31 degrees"])
    request["messages"] += [choice.message.model_dump(exclude_none=True)] + [
        {"role": "tool", "tool_call_id": call.id, "content": result} for call, result in results
    ]
    [choice] = ask(client, **request).choices
    assert choice.message.content == "It is 31 degrees in Rome."
    assert choice.finish_reason == "stop"


@pytest.mark.parametrize("model", ["gpt", "claude", "gemini", "vertex-gemini"])
def test_structured_output_is_parsed(client, model):
    class City(pydantic.BaseModel):
        city: str
        degrees: int

    completion = client.chat.completions.parse(
        model=model, messages=said("Name a city"), response_format=City
    )
    assert completion.choices[0].message.parsed == City(city="Oslo", degrees=7)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", MODELS)
def test_errors_are_those_of_the_sdk(client, model, stream):
    with pytest.raises(openai.RateLimitError, match="rate limit"):
        client.chat.completions.create(model=model, messages=said("too fast"), stream=stream)
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model=model, messages=said("too busy"), stream=stream)
    assert caught.value.status_code == 503


@pytest.mark.parametrize("model", MODELS)
def test_a_stream_that_breaks_off_is_no_answer(client, model):
    stream = client.chat.completions.create(model=model, messages=said("break off"), stream=True)
    reasons = []
    with pytest.raises(openai.APIError):
        for chunk in stream:
            reasons += [choice.finish_reason for choice in chunk.choices]
    assert not any(reasons)


@pytest.mark.parametrize("model", MODELS)
def test_an_answer_that_is_too_long_says_so(client, model):
    completion = whole(client, model=model, messages=said("run on"), max_tokens=16)
    assert completion.choices[0].finish_reason == "length"
