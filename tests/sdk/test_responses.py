"""OpenAI's Responses API: its SDK, and the Agents SDK and Vercel's AI SDK, which ask in it unless told
otherwise."""

import asyncio
import json
import pathlib
import subprocess
import uuid

import agents
import openai
import pydantic
import pytest

from samples import LOOK, SCHEMAS

TOOL = {"type": "function", "strict": False, **LOOK["function"]}


@pytest.mark.parametrize("model", SCHEMAS)
def test_an_answer_is_a_response(client, model):
    response = client.responses.create(
        model=model, instructions="Be kind.", input="#script text=Good_day", temperature=0.5
    )
    assert (response.object, response.status, response.model) == ("response", "completed", model)
    assert response.output_text == "Good day"
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert (response.instructions, response.temperature) == ("Be kind.", 0.5)
    assert (response.tool_choice, response.tools) == ("auto", [])
    assert response.error is None and response.incomplete_details is None


@pytest.mark.parametrize("model", [*SCHEMAS, "kimi", "oss", "qwen"])
def test_every_model_streams(client, model):
    with client.responses.stream(model=model, input="#script text=one_two_three reasoning=hm") as stream:
        events = list(stream)
        final = stream.get_final_response()
    deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(deltas) == final.output_text == "one two three"
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert final.usage.output_tokens > 0


@pytest.mark.parametrize("model", SCHEMAS)
@pytest.mark.parametrize("streams", [False, True])
def test_two_turns_with_a_tool(client, gateway, model, streams):
    marker = uuid.uuid4().hex
    items = [{"role": "user", "content": f"{marker} The weather in Paris? #script reasoning=hm"}]

    def turn():
        asked = {
            "model": model, "input": items, "tools": [TOOL], "store": False,
            "reasoning": {"effort": "high", "summary": "auto"},
            "include": ["reasoning.encrypted_content"],
        }
        if not streams:
            return client.responses.create(**asked)
        with client.responses.stream(**asked) as stream:
            for _ in stream:
                pass
            return stream.get_final_response()

    first = turn()
    call = first.output[-1]
    assert (call.type, call.name) == ("function_call", "look")
    assert json.loads(call.arguments) == {"location": "Paris"}
    items += first.output
    items.append({"type": "function_call_output", "call_id": call.call_id, "output": "sunny"})
    second = turn()
    assert second.status == "completed" and second.output_text
    # What the provider signed goes through the SDK and back.
    sent = gateway.journal_about(marker)[1]["body"]
    signed = {"claude": '"signature":"EqQB', "gemini": '"thoughtSignature":"CiRz'}
    assert signed.get(model, "") in sent


class Person(pydantic.BaseModel):
    name: str
    age: int


@pytest.mark.parametrize("model", SCHEMAS)
def test_an_answer_is_parsed_into_a_class(client, model):
    response = client.responses.parse(model=model, input="Who is it?", text_format=Person)
    assert isinstance(response.output_parsed, Person)
    with client.responses.stream(model=model, input="Who is it?", text_format=Person) as stream:
        for _ in stream:
            pass
        assert isinstance(stream.get_final_response().output_parsed, Person)


def test_errors_are_those_of_the_sdk(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.responses.create(model="gpt", input="Hi", previous_response_id="resp_1")
    assert refused.value.param == "previous_response_id"
    assert refused.value.code == "unsupported_parameter"
    with pytest.raises(openai.APIError, match="failed|broke off"):
        for _ in client.responses.create(
            model="gpt", input="#script text=a_b_c_d_e_f error-after=4", stream=True
        ):
            pass


@pytest.mark.parametrize("model", SCHEMAS)
def test_an_agent_uses_its_tool(gateway, model):
    asked = []

    @agents.function_tool
    def look(location: str) -> str:
        """The weather of a place."""
        asked.append(location)
        return "sunny"

    async def run(streams):
        client = openai.AsyncOpenAI(base_url=gateway.us, api_key=gateway.key, max_retries=0)
        agents.set_tracing_disabled(True)
        agents.set_default_openai_client(client, use_for_tracing=False)
        agent = agents.Agent(name="Clerk", instructions="Be kind.", model=model, tools=[look])
        asks = f"{uuid.uuid4().hex} The weather in Paris?"
        if not streams:
            return (await agents.Runner.run(agent, asks)).final_output
        result = agents.Runner.run_streamed(agent, asks)
        async for _ in result.stream_events():
            pass
        return result.final_output

    for streams in [False, True]:
        assert asyncio.run(run(streams))
    assert asked == ["Paris", "Paris"]


@pytest.mark.parametrize("model", SCHEMAS)
def test_vercels_sdk_uses_its_default_model(gateway, model):
    script = pathlib.Path(__file__).with_name("vercel.mjs")
    folder = script.parents[2] / ".build/vercel"
    run = subprocess.run(
        ["node", script, folder, gateway.us, gateway.key, model],
        capture_output=True, text=True, timeout=120,
    )
    assert run.returncode == 0, run.stderr
    results = json.loads(run.stdout)
    assert (results["whole"], results["finish"]) == ("Good day", "stop")
    assert results["tokens"] > 0
    assert "".join(results["deltas"]) == "one two three" and len(results["deltas"]) > 1
    assert (results["called"], results["steps"]) == (["Paris"], 2)
    assert results["person"] == ["age", "name"]
