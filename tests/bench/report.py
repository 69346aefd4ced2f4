"""What was found, as a Markdown table for people and as JSON for programs."""

from dataclasses import dataclass


@dataclass
class Figure:
    """A row: something measured without the module and with it. `limit` is for `judged`, which is
    `ours` unless a ratio is what counts. Values a run did not measure are None."""

    name: str
    unit: str
    baseline: float | None
    ours: float | None
    judged: float | None = None
    limit: float | None = None
    note: str = ""

    @property
    def ok(self):
        return self.limit is None or self.judged <= self.limit

    def row(self):
        """The cells of its line."""
        ratio = self.ours / self.baseline if self.baseline and self.ours else None
        verdict = "" if self.limit is None else "ok" if self.ok else "**over**"
        limit = "" if self.limit is None else number(self.limit)
        return [
            self.name, self.unit, number(self.baseline), number(self.ours),
            f"{ratio:.2f}×" if ratio else "", limit, verdict, self.note,
        ]


SIDES = "without", "with"


def number(value):
    """Three digits that matter, and no fractions of thousands."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(figures, sides=SIDES):
    """Lines of Markdown."""
    return "\n".join([
        line(["", "unit", *sides, "ratio", "limit", "", "notes"]),
        line(["---", "---"] + ["---:"] * 4 + ["---", "---"]),
        *(line(figure.row()) for figure in figures),
    ])


def line(cells):
    return "| " + " | ".join(cells) + " |"


def document(figures, setup):
    """For a program: every figure with its verdict, and what was measured."""
    rows = [vars(figure) | {"ok": figure.ok} for figure in figures]
    return {"setup": setup, "figures": rows, "ok": all(figure.ok for figure in figures)}
