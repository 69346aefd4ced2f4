"""Ports for the servers of tests."""

import itertools
import os
import socket

# Those below the ones that Linux gives to connections: no client takes one meanwhile.
_OURS = range(10_000, 32_000)
_taken = itertools.count(os.getpid() * 97)


def free_ports(count):
    """Ports nobody listens on. Each process begins somewhere else, and comes back to a port only
    after all others."""
    return list(itertools.islice(filter(_is_free, _candidates()), count))


def _candidates():
    return (_OURS[next(_taken) % len(_OURS)] for _ in _OURS)


def _is_free(port):
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
