"""What clients ask for, how often, and what may come of it: every end named here has to be met, and
no other."""

import json
from dataclasses import dataclass, field

from bench.load import PATH, chat
from bench.setting import CLIENT_KEY, COUNTED_KEY, METERED_KEY, PROVIDERS

# What a client sends whose money is counted.
SPENDING_KEY = "spending-key"

# The model of each API schema.
SCHEMAS = (*PROVIDERS, "responses", "converse")

# Ends of an exchange that have no status of their own.
DONE, ERROR, CUT, LEFT = "200 [DONE]", "200 error event", "200 cut off", "client left"

# How clients leave: before the answer, or in the middle of it.
BEFORE, WITHIN = "before", "within"


@dataclass(frozen=True)
class Kind:
    """A kind of exchange. The script is the provider's, `more` goes over the request."""

    name: str
    weight: int
    ends: tuple
    script: str = ""
    more: dict = field(default_factory=dict)
    models: tuple = SCHEMAS
    key: str = CLIENT_KEY
    length: int = 0
    leaves: str | None = None
    # In the place of a chat request.
    sent: tuple | None = None

    def request(self, chance):
        """Method, path and body."""
        if self.sent:
            return self.sent
        model = chance.choice(self.models)
        body = json.loads(chat(self.script, model=model, more=self.length).body) | self.more
        # What is made up by a client is never the same twice.
        return "POST", PATH, json.dumps(body).replace("RANDOM", made_up(chance))


def made_up(chance):
    """As long as a name may be that some table could keep."""
    return "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=4000))


def both(name, weight, ends, script, more={}, **fields):
    """The same in one piece and as a stream."""
    whole, streamed = ends
    return [
        Kind(name, weight, (whole,), script, more, **fields),
        Kind(f"{name}, streamed", weight, (streamed,), script, more | {"stream": True}, **fields),
    ]


def fallback(*models, **config):
    return {"fallbacks": [{"model": model} for model in models], "fallback_config": config}


ONCE = {"fallback_config": {"retry": False}}
HURRIED = tuple(f"hurried-{model}" for model in SCHEMAS)
REPAIR = {"post_processing_steps": [{"type": "json-repair"}]}
TRANSCRIPT = {"messages": [{"role": "user", "content": "Sum up: {{ transcript }}"}]}
TOOLS = {"tools": [{"type": "function", "function": {"name": "find_slot"}}]}

ENDPOINTS = ("shared", "sticky")


def sent(path, **body):
    """A request in another API than that of chat completions."""
    return "POST", path, json.dumps(body)


def guarded(stage, word):
    """A request about which, or about whose answer, the guard decides so."""
    return {"messages": [{"role": "user", "content": f"guard:{stage}:{word} a secret"}]}


ANSWERS = [
    *both("answer", 30, ("200", DONE), "size=500 events=20 delay=1"),
    *both("thoughts and tools", 6, ("200", DONE), "reasoning=hm text=well tools=3", more=TOOLS),
    *both("in small pieces", 3, ("200", DONE), "size=300 chunk=7"),
    *both("compressed, unasked", 1, ("502 upstream_error",) * 2, "gzip", more=ONCE),
    *both("1 MB request, 1 MB answer", 2, ("200", DONE), "size=1000000", length=1 << 20),
    Kind("pings", 3, (DONE,), "text=a_b_c delay=60 ping crlf", {"stream": True}),
    *both("repair", 6, ("200", DONE), "text={'a':_[1,_2,],_'b':_'c", more=REPAIR),
    *both("no repair", 2, ("500 post_processing_failed",) * 2, "text=There_is_none.",
          more=REPAIR | ONCE),
]

HI = [{"role": "user", "content": "Hi."}]
APIS = [
    *[Kind(f"Messages API{name}", 4, (end,), sent=sent(
        "/v1/messages", model="gemini", max_tokens=100, messages=HI, stream=streams))
      for name, end, streams in (("", "200", False), (", streamed", DONE, True))],
    *[Kind(f"Responses API{name}", 4, (end,), sent=sent(
        "/v1/responses", model="anthropic", input="Hi.", stream=streams))
      for name, end, streams in (("", "200", False), (", streamed", DONE, True))],
    Kind("count of tokens", 2, ("200",), sent=sent(
        "/v1/messages/count_tokens", model="anthropic", messages=HI)),
    Kind("embeddings", 4, ("200",), sent=sent("/v1/embeddings", model="vectors", input="Hi.")),
]

ENDPOINT_KINDS = [
    *both("several endpoints", 8, ("200", DONE), "size=200 events=5", models=ENDPOINTS),
    *both("another endpoint after a failure", 4, ("200", DONE), "status=503 | text=fine",
          models=ENDPOINTS),
    *both("another endpoint after two", 2, ("200", DONE), "reset | status=401 | text=fine",
          models=ENDPOINTS),
    # Until then, the others are preferred.
    *both("limited endpoint", 1, ("200", DONE), "status=429 retry-after=1 | text=fine",
          models=ENDPOINTS),
]

GUARD = [
    *both("guard refuses the request", 4, ("400 content_filter",) * 2, "",
          more=guarded("request", "refuse")),
    *both("guard replaces the request", 4, ("200", DONE), "", more=guarded("request", "mask")),
    *both("guard breaks off", 2, ("503 guard_unavailable",) * 2, "",
          more=guarded("request", "reset")),
    *both("guard does not answer", 1, ("503 guard_unavailable",) * 2, "",
          more=guarded("request", "hang")),
    Kind("guard refuses the answer", 4, ("400 content_filter",), "", guarded("answer", "refuse")),
    Kind("guard replaces the answer", 4, ("200",), "", guarded("answer", "mask")),
    Kind("guard fails at the answer", 2, ("503 guard_unavailable",), "",
         guarded("answer", "500")),
    Kind("client leaves, guard", 3, (LEFT,), "", guarded("request", "hang"), leaves=BEFORE),
]

ATTEMPTS = [
    *both("retry", 4, ("200", DONE), "status=503 | text=fine"),
    *both("broken connection, retry", 2, ("200", DONE), "reset | text=fine"),
    *both("fallback", 6, ("200", DONE), "status=429 | text=fine", more=fallback("gemini")),
    *both("two fallbacks", 3, ("200", DONE), "status=429 | error-first | text=fine",
          more=fallback("gemini", "anthropic", depth=2)),
    *both("fallback from nowhere", 2, ("200", DONE), "", models=("refusing", "lost"),
          more=fallback("anthropic", retry=False)),
    *both("everything fails", 2, ("502 upstream_error",) * 2, "status=500",
          more=fallback("gemini")),
    Kind("hedge, the second wins", 4, ("200",), "head-delay=700 | text=fine",
         fallback("gemini", hedge_ms=50)),
    Kind("hedge, the first wins", 4, ("200",), "head-delay=100 | head-delay=700",
         fallback("gemini", hedge_ms=50)),
    *both("provider refuses", 2, ("502 provider_refused",) * 2, "status=401"),
    *both("provider finds fault", 2, ("400 invalid_value",) * 2, "status=400"),
]

DEADLINES = [
    *both("no answer in time", 2, ("504 timeout",) * 2, "hang-head", models=HURRIED, more=ONCE),
    *both("fallback after a deadline", 2, ("200", DONE), "hang-head | text=fine", models=HURRIED,
          more=fallback("hurried-gemini")),
    Kind("stream goes silent", 3, (CUT,), "text=a_b_c_d_e_f_g hang=6", {"stream": True}, HURRIED),
    Kind("stream breaks off", 3, (CUT,), "text=a_b_c_d_e_f_g cut=6", {"stream": True}),
    Kind("error in a stream", 3, (ERROR,), "text=a_b_c_d_e_f_g error-after=6", {"stream": True}),
    Kind("line without an end", 1, ("502 upstream_error",), "endless=5000000",
         {"stream": True} | ONCE),
]

CLIENTS = [
    Kind("client leaves, answer", 3, (LEFT,), "head-delay=500", leaves=BEFORE),
    Kind("client leaves, back-off", 3, (LEFT,), "status=503 | text=fine", leaves=BEFORE),
    Kind("client leaves, hedge", 3, (LEFT,), "head-delay=500", fallback("gemini", hedge_ms=20),
         leaves=BEFORE),
    Kind("client leaves, stream", 3, (LEFT,), "events=400 size=4000 delay=5", {"stream": True},
         leaves=WITHIN),
    Kind("client leaves, transcript", 2, (LEFT,), "",
         TRANSCRIPT | {"transcript_id": "late-1"}, leaves=BEFORE),
]

TRANSCRIPTS = [
    *both("transcript", 6, ("200", DONE), "", more=TRANSCRIPT | {"transcript_id": "call-1"}),
    Kind("transcript of 100 KB", 4, ("200",), "",
         TRANSCRIPT | {"transcript_id": "spoken-100000-a"}),
    Kind("no such transcript", 4, ("404 transcript_not_found",), "",
         TRANSCRIPT | {"transcript_id": "missing-1"}),
    Kind("transcript does not come", 1, ("504 timeout",), "",
         TRANSCRIPT | {"transcript_id": "hang-1"}),
]

LIMITS = [
    *[Kind(f"account with a limit{name}", 6, (end, "429 rate_limit_exceeded"), "size=50 events=3",
           more, key=COUNTED_KEY) for name, end, more in (
               ("", "200", {}), (", streamed", DONE, {"stream": True}))],
    Kind("account with tokens", 4, ("200", "429 rate_limit_exceeded"), "size=500",
         key=METERED_KEY),
    *[Kind(f"account with a budget{name}", 6, (end, "429 insufficient_quota"), "size=500", more,
           key=SPENDING_KEY) for name, end, more in (
               ("", "200", {}), (", streamed", DONE, {"stream": True}))],
]

# Names that are made up: nobody may keep a slot, a counter or a context for them.
MISTAKES = [
    Kind("model that is none", 10, ("400 model_not_found",), "", {"model": "RANDOM"},
         key=COUNTED_KEY),
    Kind("fallback that is none", 5, ("400 model_not_found",), "", fallback("RANDOM"),
         key=COUNTED_KEY),
    Kind("key that is none", 5, ("401 invalid_api_key",), key="RANDOM"),
    Kind("value that is wrong", 3, ("400 invalid_value",), "", {"temperature": "warm"}),
    Kind("not JSON", 3, ("400 invalid_json",), sent=("POST", PATH, "{" * 5000)),
    Kind("body over the limit", 1, ("413 request_too_large",), length=2200000),
    Kind("no such path", 3, ("404 not_found",), sent=("POST", "/v1/none", "{}")),
    Kind("models, health", 4, ("200",), sent=("GET", "/v1/models", None)),
]

KINDS = (ANSWERS + APIS + ENDPOINT_KINDS + ATTEMPTS + DEADLINES + CLIENTS + GUARD + TRANSCRIPTS
         + LIMITS + MISTAKES)


def chosen(chance):
    """A kind, as often as it has weight."""
    return chance.choices(KINDS, [kind.weight for kind in KINDS])[0]
