"""The cost of the same exchange in each API that clients may use, beside the cost in the chat API."""

from dataclasses import dataclass
from statistics import median

from .load import ask, chat, message, response
from .measure import cpu, healthy, in_turn
from .processes import Failed
from .report import Figure

# How many times the cost of chat the same may cost in another API.
LIMIT = 1.15


@dataclass(frozen=True)
class Exchange:
    """What every API is asked for. The scripted provider speaks OpenAI's chat API."""

    name: str
    directive: str
    stream: bool = False
    connections: int = 16

    def requests(self):
        """The requests, chat's first, each with what its answer must contain."""
        return [
            (chat(self.directive, self.stream), '"choices"'),
            (message(self.directive, self.stream), '"stop_reason"'),
            (response(self.directive, self.stream), '"output"'),
        ]


EXCHANGES = [
    Exchange("1 KB request, 1 KB answer", "size=500"),
    Exchange("50 events, one at a time", "events=50 delay=1", stream=True, connections=64),
]


def inlets(setting, rounds, seconds):
    """Loads one Envoy with the same exchange in each API in turn."""
    figures = []
    with setting.ours("inlets") as ours:
        for exchange in EXCHANGES:
            requests = exchange.requests()
            for request, sign in requests:
                text = ask(ours, request)
                if sign not in text:
                    raise Failed(f"{request.path}: no {sign} in the answer:\n{text[:2000]}")
            sides = [(ours, request) for request, _ in requests]
            found = in_turn(exchange.name, sides, rounds, seconds, exchange.connections)
            costs = list(cpu(found))
            figures += [
                figure(f"{request.path}: {exchange.name}", costs[0], other)
                for (request, _), other in list(zip(requests, costs))[1:]
            ]
        healthy(ours)
    return figures


def figure(name, chats, costs):
    """Returns the row of an API. Its first column is chat's."""
    ratios = sorted(cost / beside for beside, cost in zip(chats, costs))
    return Figure(f"{name}: CPU per request, beside chat", "µs", median(chats), median(costs),
                  judged=median(costs) / median(chats), limit=LIMIT,
                  note=f"{ratios[0]:.2f} to {ratios[-1]:.2f}× in {len(ratios)} rounds")
