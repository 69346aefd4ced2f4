"""Clients that ask one thing after the other, and what they were answered."""

import http.client
import json
import random
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from itertools import chain

from bench.load import headers

from .kinds import BEFORE, DONE, ERROR, KINDS, LEFT, WITHIN, chosen, made_up

# How many there are at a time.
CLIENTS = 16

# How long one waits for anything, in seconds: more than any deadline of the gateway's.
PATIENCE = 30

# The last event of a stream in the APIs that end without `[DONE]`.
LAST_EVENTS = ("message_stop", "response.completed")


class Clients:
    """All of them, and how often each kind of exchange came to which end."""

    def __init__(self, port, seed):
        self.ends = defaultdict(Counter)
        self.clients = [Client(port, random.Random(seed * 1000 + each)) for each in range(CLIENTS)]

    def warm_up(self):
        """Every kind by all clients, the longest by all at once: more memory it never takes."""
        self.each(lambda client: map(client.ask, client.shuffled()))

    def load(self, seconds):
        """Whatever comes, for so long."""
        end = time.monotonic() + seconds
        self.each(lambda client: client.ask_until(end))

    def each(self, play):
        """Has all clients play at once, and takes in how it ended. Their connections are closed."""
        def run(client):
            with client:
                return list(play(client))
        with ThreadPoolExecutor(CLIENTS) as pool:
            for name, end in chain.from_iterable(pool.map(run, self.clients)):
                self.ends[name][end] += 1

    @property
    def sent(self):
        return sum(sum(ends.values()) for ends in self.ends.values())

    def surprises(self):
        """Ends that no kind should come to, and those that should have been met."""
        told = []
        for kind in KINDS:
            met = self.ends[kind.name]
            told += [f"{kind.name}: {count} × {end}" for end, count in met.items()
                     if end not in kind.ends]
            told += [f"{kind.name}: never {end}" for end in kind.ends if end not in met]
        return told


class Client:
    """One connection, made anew when it is gone."""

    def __init__(self, port, chance):
        self.chance = chance
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def shuffled(self):
        """All kinds, the longest first."""
        return sorted(KINDS, key=lambda kind: (-kind.length, self.chance.random()))

    def ask_until(self, end):
        while time.monotonic() < end:
            yield self.ask(chosen(self.chance))

    def ask(self, kind):
        """The name of the kind, and how it ended."""
        method, path, body = kind.request(self.chance)
        key = kind.key.replace("RANDOM", made_up(self.chance))
        try:
            self.connection.request(method, path, body, headers(key))
            if kind.leaves == BEFORE:
                time.sleep(self.chance.uniform(0, 0.2))
                return kind.name, self.leave()
            answer = self.connection.getresponse()
            if kind.leaves == WITHIN:
                answer.read(self.chance.randrange(1, 5000))
                return kind.name, self.leave()
            return kind.name, self.end_of(answer)
        except (http.client.HTTPException, OSError) as error:
            self.connection.close()
            return kind.name, f"no answer: {error!r}"

    def leave(self):
        self.connection.close()
        return LEFT

    def end_of(self, answer):
        """The status, with the code of an error; of a stream, how it ended."""
        try:
            text = answer.read().decode()
        except (http.client.IncompleteRead, ConnectionError):
            self.connection.close()
            return f"{answer.status} cut off"
        if answer.getheader("content-type").startswith("text/event-stream"):
            return last_event(text)
        told = json.loads(text)
        if answer.status == 413:
            # Envoy closes the connection: it reads no further.
            self.connection.close()
        return f"{answer.status} {told['error']['code']}" if told.get("error") else f"{answer.status}"


def last_event(text):
    """How a stream ended. A comment that keeps it warm may come after its end."""
    last = [line for line in text.splitlines() if line and not line.startswith(":")][-1]
    if last == "data: [DONE]":
        return DONE
    event = json.loads(last.removeprefix("data: "))
    if event.get("type") in LAST_EVENTS:
        return DONE
    return ERROR if "error" in event else last[:80]
