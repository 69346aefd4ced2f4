"""Draws the answers to a dashboard's queries, in its own layout."""

import html
import re

COLUMN, ROW = 56, 34
COLORS = ["#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#b877d9", "#5794f2", "#e0b400",
          "#37872d", "#fa6400", "#1f60c4", "#c4162a", "#8f3bb8", "#96d98d", "#ffee52"]

STYLE = """
body { background: #111217; color: #ccccdc; font: 12px sans-serif; margin: 12px; }
main { position: relative; }
section { position: absolute; background: #181b1f; border: 1px solid #25272d; overflow: hidden;
  border-radius: 3px; box-sizing: border-box; padding: 6px 8px; }
h1 { font-size: 18px; } h2 { font-size: 13px; margin: 0 0 4px; font-weight: 600; }
.row { background: none; border: none; } .row h2 { font-size: 15px; padding-top: 6px; }
.number { font-size: 32px; color: #73bf69; text-align: center; padding-top: 22px; }
ul { list-style: none; margin: 2px 0; padding: 0; columns: 2; font-size: 10px; }
li { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
i { display: inline-block; width: 10px; height: 3px; margin-right: 5px; vertical-align: middle; }
"""


def draw(title, panels):
    """A page. `panels` come with their series: each with its legend, as Prometheus answers."""
    bottom = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel, _ in panels) * ROW
    sections = "".join(section(panel, found) for panel, found in panels)
    return (f"<!doctype html><meta charset=utf-8><title>{html.escape(title)}</title>"
            f"<style>{STYLE}</style><h1>{html.escape(title)}</h1>"
            f"<main style='height:{bottom}px'>{sections}</main>")


def section(panel, found):
    place = panel["gridPos"]
    left, top, width, height = (place["x"] * COLUMN, place["y"] * ROW,
                                place["w"] * COLUMN - 6, place["h"] * ROW - 6)
    kind = {"row": "", "stat": stat(panel, found)}.get(panel["type"])
    inner = lines(panel, found, width - 18, height - 100) if kind is None else kind
    return (f"<section class={panel['type']} style='left:{left}px;top:{top}px;width:{width}px;"
            f"height:{height}px'><h2>{html.escape(panel['title'])}</h2>{inner}</section>")


def stat(panel, found):
    values = numbers(found[0][1]) if found else []
    return f"<div class=number>{shown(values[-1][1], unit(panel)) if values else 'No data'}</div>"


def lines(panel, found, width, height):
    all_points = [numbers(one) for _, one in found]
    times = [at for points in all_points for at, _ in points] or [0, 1]
    most = max([value for points in all_points for _, value in points] or [0]) or 1
    first, span = min(times), max(max(times) - min(times), 1)
    across = lambda at: 50 + (at - first) / span * (width - 55)
    up = lambda value: height - 6 - value / most * (height - 16)
    drawn, legend = [], []
    for index, ((form, one), points) in enumerate(zip(found, all_points)):
        color = COLORS[index % len(COLORS)]
        path = " ".join(f"{across(at):.1f},{up(value):.1f}" for at, value in points)
        drawn.append(f"<polyline points='{path}' fill=none stroke='{color}'/>")
        legend.append(f"<li><i style='background:{color}'></i>{html.escape(name(form, one))}</li>")
    for part in (0, 0.5, 1):
        drawn.append(f"<line x1=50 x2={width} y1={up(most * part):.1f} y2={up(most * part):.1f} "
                     f"stroke='#2c2f36'/><text x=45 y={up(most * part) + 4:.1f} fill='#8e8e99' "
                     f"font-size=10 text-anchor=end>{shown(most * part, unit(panel))}</text>")
    return (f"<svg width={width} height={height}>{''.join(drawn)}</svg>"
            f"<ul>{''.join(legend[:12])}</ul>")


def unit(panel):
    return panel["fieldConfig"]["defaults"]["unit"]


def numbers(series):
    points = ((at, float(value)) for at, value in series["values"])
    return [(at, value) for at, value in points if value == value]


def name(form, series):
    return re.sub(r"{{(\w+)}}", lambda found: series["metric"].get(found[1], ""), form)


def shown(value, unit):
    if unit == "ms":
        return f"{value / 1000:.3g} s" if value >= 1000 else f"{value:.3g} ms"
    if unit == "percentunit":
        return f"{value * 100:.2f}%"
    if unit == "currencyUSD":
        return f"${value:.3g}"
    number = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return number + (" req/s" if unit == "reqps" else "")
