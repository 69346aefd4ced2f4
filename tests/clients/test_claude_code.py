"""Claude Code without a terminal: a task with a call of a tool, by a model of each API schema."""

import base64
import json
import os
import subprocess

import pytest

from gateways import ROOT

CLAUDE = ROOT / ".build/clients/node_modules/@anthropic-ai/claude-code/cli-wrapper.cjs"


def scripted_write(path, content):
    """The words for the scripted provider to call the tool that writes a file."""
    arguments = json.dumps({"file_path": str(path), "content": content})
    return f"#script call=Write:{base64.urlsafe_b64encode(arguments.encode()).decode()}"


def claude(gateway, directory, model, prompt, **environment):
    """Runs Claude Code in a directory, with a home of its own. Returns its report."""
    foreign = ("ANTHROPIC_", "CLAUDE")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    run = subprocess.run(
        ["node", CLAUDE, "-p", prompt,
         "--permission-mode", "acceptEdits", "--output-format", "json"],
        cwd=directory, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
        env=own | {
            "HOME": str(directory),
            "ANTHROPIC_BASE_URL": gateway.root,
            "ANTHROPIC_API_KEY": gateway.key,
            "ANTHROPIC_MODEL": model,
            "ANTHROPIC_SMALL_FAST_MODEL": model,
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        } | environment,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return json.loads(run.stdout)


def sent_about(gateway, marker):
    """The bodies of the requests that the provider got about a marker."""
    return [json.loads(entry["body"]) for entry in gateway.journal_about(marker)]


@pytest.mark.parametrize("model", ["claude", "gpt", "gemini"])
def test_a_file_is_written(gateway, tmp_path, model):
    file = tmp_path / "hello.txt"
    report = claude(gateway, tmp_path, model, f"Write a file. {scripted_write(file, 'Hello.')}")
    assert file.read_text() == "Hello."
    assert (report["subtype"], report["is_error"], report["num_turns"]) == ("success", False, 2)
    assert "heard" in report["result"]
    assert report["usage"]["output_tokens"] > 0
    # The second request has the call, and what came of it.
    first, second = sent_about(gateway, str(tmp_path))
    assert "created successfully" not in json.dumps(first)
    assert "created successfully" in json.dumps(second)


def test_a_fallback_of_a_header_takes_over(gateway, tmp_path):
    file = tmp_path / "hello.txt"
    script = scripted_write(file, "Hello.")
    headers = "x-attache-fallbacks: gemini\nx-attache-fallback-config: retry=false"
    # The model's provider is overloaded, and the next one is not.
    prompt = f"Write a file. #script status=503 | {script.removeprefix('#script ')}"
    report = claude(gateway, tmp_path, "gpt", prompt, ANTHROPIC_CUSTOM_HEADERS=headers)
    assert file.read_text() == "Hello."
    assert report["subtype"] == "success"
