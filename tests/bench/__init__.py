"""The parts of `tests/bench.py`: processes, load, and what is told of them."""
