"""Load on an Envoy: chat requests, sent by `wrk` as fast as they are answered."""

import json
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from .processes import Failed, send
from .setting import CLIENT_KEY

PATH = "/v1/chat/completions"

HEADERS = {"authorization": f"Bearer {CLIENT_KEY}", "content-type": "application/json"}

# Sends the bodies in turn, and in the end says in JSON what wrk has counted: times in microseconds.
SCRIPT = """
wrk.method = "POST"
%(headers)s
local bodies, turn = { %(bodies)s }, 0

function request()
    turn = turn %% #bodies + 1
    return wrk.format(nil, nil, nil, bodies[turn])
end

function done(summary, latency)
    local errors, problems = summary.errors, 0
    for _, count in pairs(errors) do problems = problems + count end
    io.write(string.format(
        'counted {"requests": %%d, "seconds": %%f, "problems": %%d, "p50": %%f, "p99": %%f}\\n',
        summary.requests, summary.duration / 1e6, problems,
        latency:percentile(50), latency:percentile(99)))
end
"""


@dataclass
class Burst:
    """What came of one run of wrk."""

    requests: int
    seconds: float
    p50: float
    p99: float
    cpu: float

    @property
    def cpu_per_request(self):
        """In microseconds."""
        return self.cpu * 1e6 / self.requests


def chat(directive, stream=False):
    """A chat request of 1 KB whose answer the directive decides: a few turns of a phone call."""
    turns = [
        ("system", "You are the voice assistant of a dental practice. Answer in two sentences at "
         "most, never promise a treatment, never name a price, and offer to put the caller "
         "through to a person as soon as they sound unsure. The practice is open from Monday to "
         "Friday, from eight in the morning until six in the evening."),
        ("user", "Hello, I have an appointment on Thursday at ten, but I would have to move it."),
        ("assistant", "Of course. Would Friday at nine suit you, or rather Monday afternoon?"),
        ("user", "Monday is good. Around three if you have it. And do I have to bring anything, "
         "because my insurance has changed since I was with you?"),
        ("assistant", "Monday at three is free and now yours. Please bring the new card."),
        ("user", f"Thanks \\u2014 and how do I get there by bus?\n#script {directive}"),
    ]
    messages = [{"role": role, "content": text} for role, text in turns]
    body = {"model": "small", "messages": messages, "temperature": 0.3, "max_tokens": 300}
    if stream:
        # Usage is asked for, so that the provider streams the same with and without the module.
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(body)


def ask(envoy, body):
    """The answer to one request; anything but success ends the run."""
    url = f"http://127.0.0.1:{envoy.port}{PATH}"
    status, text = send(urllib.request.Request(url, body.encode(), HEADERS))
    if status != 200:
        raise Failed(f"a chat request was answered with {status}: {text}")
    return text


def burst(envoy, bodies, connections, seconds):
    """Loads an Envoy and says what that cost it. An answer that is no success, or a connection
    that broke, ends the run."""
    script = Path(envoy.log).with_name("load.lua")
    script.write_text(SCRIPT % {
        "headers": "\n".join(f"wrk.headers[{lua(k)}] = {lua(v)}" for k, v in HEADERS.items()),
        "bodies": ", ".join(map(lua, bodies)),
    })
    command = ["wrk", "--threads", 1, "--connections", connections, "--duration", f"{seconds}s",
               "--timeout", "10s", "--script", script, f"http://127.0.0.1:{envoy.port}{PATH}"]
    before = envoy.cpu()
    output = run([str(word) for word in command])
    cpu = envoy.cpu() - before
    counted = [line for line in output.splitlines() if line.startswith("counted ")]
    if not counted:
        raise Failed(f"wrk did not count:\n{output}")
    found = json.loads(counted[0].removeprefix("counted "))
    if found.pop("problems") or "Non-2xx" in output or not found["requests"]:
        raise Failed(f"wrk met errors:\n{output}\n{envoy.complaint()}")
    return Burst(cpu=cpu, **found)


def run(command):
    """Everything a command says. It ends with the run, also one that is interrupted."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        start_new_session=True,
    ) as popen:
        try:
            return popen.communicate()[0]
        except BaseException:
            popen.kill()
            raise


def lua(text):
    """A string in Lua: every byte that is not plain as a decimal escape."""
    plain = lambda byte: 32 <= byte < 127 and byte not in b'"\\'
    return '"%s"' % "".join(chr(b) if plain(b) else f"\\{b:03}" for b in text.encode())
