"""Load on an Envoy: chat requests, sent by `wrk` as fast as they are answered."""

import base64
import json
import re
import socket
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from .processes import Failed, send
from .setting import CLIENT_KEY

PATH = "/v1/chat/completions"


def headers(key):
    """The head of a request, as far as it is the client's."""
    return {"authorization": f"Bearer {key}", "content-type": "application/json"}


# Sends the bodies in turn, and in the end says in JSON what wrk has counted: times in microseconds.
SCRIPT = """
wrk.method = "%(method)s"
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


@dataclass(frozen=True)
class Request:
    """What is sent over and over, and where to."""

    path: str
    body: str
    method: str = "POST"


# What a voice agent can do besides talking.
TOOLS = [
    ("find_slot", "Finds free appointments on a day.", ["day", "kind"]),
    ("book_slot", "Books an appointment for a patient.", ["slot_id", "name"]),
    ("cancel_slot", "Cancels an appointment that was booked.", ["slot_id"]),
    ("opening_hours", "Says when the practice is open.", ["day"]),
    ("transfer_call", "Puts the caller through to a person.", ["destination", "reason"]),
    ("end_call", "Ends the call after a goodbye.", []),
]


def parameters(names):
    """A tool's arguments, all of them strings."""
    of_name = {name: {"type": "string", "description": f"The {name} in question."} for name in names}
    return {"type": "object", "properties": of_name, "required": names}


def turns(directive, more=0, call=False):
    """A few turns of a phone call, 1 KB, and before them as many as make `more` bytes. The
    directive decides on the answer. A whole `call` has forty messages."""
    said = [
        ("user", "Hello, I have an appointment on Thursday at ten, but I would have to move it."),
        ("assistant", "Of course. Would Friday at nine suit you, or rather Monday afternoon?"),
        ("user", "Monday is good. Around three if you have it. And do I have to bring anything, "
         "because my insurance has changed since I was with you?"),
        ("assistant", "Monday at three is free and now yours. Please bring the new card."),
    ]
    length = sum(len(text) + 40 for _, text in said)
    return [
        ("system", "You are the voice assistant of a dental practice. Answer in two sentences at "
         "most, never promise a treatment, never name a price, and offer to put the caller "
         "through to a person as soon as they sound unsure. The practice is open from Monday to "
         "Friday, from eight in the morning until six in the evening."),
        *(said * 9 + said[:2] if call else said * (1 + more // length)),
        ("user", f"Thanks \\u2014 and how do I get there by bus?\n#script {directive}"),
    ]


def chat(directive, stream=False, model="openai", more=0, fallback=None, call=False):
    """A client's request."""
    messages = [{"role": role, "content": text} for role, text in turns(directive, more, call)]
    body = {"model": model, "messages": messages, "temperature": 0.3, "max_tokens": 300}
    if call:
        body["tools"] = [
            {"type": "function", "function": {"name": name, "description": what,
                                              "parameters": parameters(names)}}
            for name, what, names in TOOLS]
    if stream:
        # Usage is asked for, so that the provider streams the same with and without the module.
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    if fallback:
        body |= {"fallbacks": [{"model": fallback}]}
    return Request(PATH, json.dumps(body))


def about(transcript):
    """A request that has a transcript put into it, or the same without one."""
    messages = [{"role": "user", "content": "Sum up: {{ transcript }}\n#script size=500"}]
    body = {"model": "openai", "messages": messages, "max_tokens": 300}
    return Request(PATH, json.dumps(body | ({"transcript_id": transcript} if transcript else {})))


# What a model may say of a person, with the comma too many that it is to lose.
RECORD = (
    r'{"id": 1234, "name": "Ada Lovelace", "email": "ada@example.org", "text": "She wrote \"notes\" '
    r'on the engine, which are longer than the paper itself; they are still read today.", '
    r'"tags": ["a", "b"], "score": 0.75, "ok": true,}')


def broken(size):
    """JSON of about so many bytes, with a flaw in every record."""
    return "[" + ",\n".join([RECORD] * (size // len(RECORD))) + "]"


def answered(text, steps):
    """A request whose answer is `text`."""
    encoded = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    messages = [{"role": "user", "content": f"#script text64={encoded}"}]
    body = {"model": "openai", "messages": messages}
    return Request(PATH, json.dumps(body | ({"post_processing_steps": steps} if steps else {})))


def translated(provider, directive, stream=False, more=0, call=False):
    """The same in the provider's own API: what the module makes of it, for an Envoy without one."""
    (_, system), *rest = turns(directive, more, call)
    tools = TOOLS if call else []
    if provider == "anthropic":
        parts = lambda text: [{"type": "text", "text": text}]
        messages = [{"role": role, "content": parts(text)} for role, text in rest]
        body = {"model": "small", "max_tokens": 300, "system": parts(system),
                "messages": messages, "temperature": 0.3}
        if tools:
            body["tools"] = [{"name": name, "description": what, "input_schema": parameters(names)}
                             for name, what, names in tools]
        return Request("/v1/messages", json.dumps(body | ({"stream": True} if stream else {})))
    if provider == "gemini":
        roles = {"user": "user", "assistant": "model"}
        contents = [{"role": roles[role], "parts": [{"text": text}]} for role, text in rest]
        body = {"systemInstruction": {"parts": [{"text": system}]}, "contents": contents,
                "generationConfig": {"maxOutputTokens": 300, "temperature": 0.3}}
        if tools:
            declared = [{"name": name, "description": what, "parametersJsonSchema": parameters(names)}
                        for name, what, names in tools]
            body["tools"] = [{"functionDeclarations": declared}]
        method = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return Request(f"/v1beta/models/small:{method}", json.dumps(body))
    return chat(directive, stream, provider, more, call=call)


def message(directive, stream):
    """A client's request in the Messages API."""
    request = translated("anthropic", directive, stream)
    return Request(request.path, json.dumps(json.loads(request.body) | {"model": "openai"}))


def response(directive, stream):
    """A client's request in the Responses API."""
    (_, system), *rest = turns(directive)
    items = [{"role": role, "content": text} for role, text in rest]
    body = {"model": "openai", "instructions": system, "input": items, "store": False,
            "max_output_tokens": 300, "temperature": 0.3}
    return Request("/v1/responses", json.dumps(body | ({"stream": True} if stream else {})))


def ask(envoy, request):
    """The answer to one request; anything but success ends the run."""
    url = f"http://127.0.0.1:{envoy.port}{request.path}"
    head = headers(CLIENT_KEY)
    status, text = send(urllib.request.Request(url, request.body.encode(), head))
    if status != 200:
        raise Failed(f"a chat request was answered with {status}: {text}")
    return text


def burst(envoy, requests, connections, seconds, key=CLIENT_KEY):
    """Loads an Envoy with one account's requests and says what that cost it. An answer that is no
    success, or a connection that broke, ends the run. All requests go to one path by one method."""
    path = requests[0].path
    script = Path(envoy.log).with_name("load.lua")
    script.write_text(SCRIPT % {
        "method": requests[0].method,
        "headers": "\n".join(f"wrk.headers[{lua(k)}] = {lua(v)}" for k, v in headers(key).items()),
        "bodies": ", ".join(lua(request.body) for request in requests),
    })
    command = ["wrk", "--threads", 1, "--connections", connections, "--duration", f"{seconds}s",
               "--timeout", "10s", "--script", script, f"http://127.0.0.1:{envoy.port}{path}"]
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


def is_whole(heard):
    """Whether an answer has come to its end, chunked or not."""
    head, found, body = heard.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    if length:
        return bool(found) and len(body) >= int(length[1])
    return heard.endswith(b"0\r\n\r\n")


class Line:
    """A connection on which one request follows the other, for times shorter than a new one."""

    def __init__(self, envoy, request):
        self.socket = socket.create_connection(("127.0.0.1", envoy.port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = {"host": "bench", "content-length": len(request.body.encode())} | headers(CLIENT_KEY)
        lines = [f"POST {request.path} HTTP/1.1"] + [f"{k}: {v}" for k, v in head.items()]
        self.sent = ("\r\n".join(lines) + "\r\n\r\n" + request.body).encode()

    def first(self, sign):
        """Seconds until the first bytes that hold `sign`. The answer is read to its end."""
        begun, heard = time.perf_counter(), b""
        self.socket.sendall(self.sent)
        taken = None
        while not is_whole(heard):
            more = self.socket.recv(1 << 16)
            heard += more
            if taken is None and sign in heard:
                taken = time.perf_counter() - begun
            if not more:
                break
        if taken is None or not heard.startswith(b"HTTP/1.1 200"):
            raise Failed(f"no {sign} in the answer:\n{heard.decode(errors='replace')[:2000]}")
        return taken

    def close(self):
        self.socket.close()
