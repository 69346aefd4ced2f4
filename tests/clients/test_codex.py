"""Codex without a terminal: a task with a call of a tool, by a model of each API schema."""

import base64
import json
import os
import subprocess
import uuid

import pytest

from gateways import ROOT

CODEX = ROOT / ".build/codex/node_modules/@openai/codex/bin/codex.js"

CONFIG = """
model = "{model}"
model_provider = "attache"
model_reasoning_effort = "medium"
[model_providers.attache]
name = "Attaché"
base_url = "{url}"
env_key = "ATTACHE_KEY"
wire_api = "responses"
request_max_retries = 0
stream_max_retries = 0
http_headers = {headers}
"""


def scripted_command(command):
    """The words for the scripted provider to call the tool that runs a command."""
    arguments = json.dumps({"cmd": command})
    return f"call=exec_command:{base64.urlsafe_b64encode(arguments.encode()).decode().rstrip('=')}"


def codex(gateway, directory, model, prompt, headers="{}"):
    """Runs Codex in a directory, with a home of its own. Returns its events."""
    home = directory / "home"
    home.mkdir()
    config = CONFIG.format(model=model, url=gateway.us, headers=headers)
    (home / "config.toml").write_text(config)
    run = subprocess.run(
        ["node", CODEX, "exec", "--skip-git-repo-check", "--json",
         "--dangerously-bypass-approvals-and-sandbox", prompt],
        cwd=directory, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
        env=os.environ | {"HOME": str(home), "CODEX_HOME": str(home), "ATTACHE_KEY": gateway.key},
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return [json.loads(line) for line in run.stdout.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("model", ["claude", "gpt", "gemini"])
def test_a_file_is_written(gateway, tmp_path, model):
    marker = uuid.uuid4().hex
    script = f"#script {scripted_command(f'printf {marker} > hello.txt')} reasoning=hm"
    events = codex(gateway, tmp_path, model, f"Write a file, {marker}. {script}")
    assert (tmp_path / "hello.txt").read_text() == marker
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    [command] = [item for item in items if item["type"] == "command_execution"]
    assert command["exit_code"] == 0
    assert items[-1]["type"] == "agent_message" and "heard" in items[-1]["text"]
    assert events[-1]["type"] == "turn.completed"
    assert events[-1]["usage"]["output_tokens"] > 0
    # The second request has the call, its result, and what the provider signed.
    first, second = (entry["body"] for entry in gateway.journal_about(marker))
    assert "exited with code 0" not in first and "exited with code 0" in second
    signed = {"claude": '"signature":"EqQB', "gemini": '"thoughtSignature":"CiRz'}
    assert signed.get(model, "") in second


def test_a_fallback_of_a_header_takes_over(gateway, tmp_path):
    marker = uuid.uuid4().hex
    command = scripted_command(f"printf {marker} > hello.txt")
    headers = '{ "x-attache-fallbacks" = "gemini", "x-attache-fallback-config" = "retry=false" }'
    # The model's provider is overloaded, and the next one is not.
    codex(gateway, tmp_path, "gpt", f"Write {marker}. #script status=503 | {command}", headers)
    assert (tmp_path / "hello.txt").read_text() == marker
