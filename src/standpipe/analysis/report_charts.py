"""The report's charts: numbers in, SVG out, in colours that are the page's own.

A colour is written as a variable of CSS (``var(--ok)``), which the SVG passes on as it is: so one drawing serves light,
dark and paper. Charts hold times, numbers, our own words and the nodes' names; Vega escapes the latter, and everything
else that came out of a record stands in tables.
"""

from __future__ import annotations

import re
from math import ceil, floor, log10
from typing import TYPE_CHECKING, Any

import altair as alt
import vl_convert

from standpipe.analysis.report_lanes import GAP, WORDS
from standpipe.analysis.report_time import axis_format, milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from standpipe.analysis.report_lanes import Stretch
    from standpipe.analysis.report_time import Span

WIDTH = 860  # pixels of the drawing; the page scales it
TRAFFIC_HEIGHT = 190
TROUBLE_HEIGHT = 80
LANE_HEIGHT = 22
LATENCY_HEIGHT = 190
NAME_ON_THE_RIGHT = 0.8  # of the width: further right, a name would be cut off
LABEL_LIMIT = 130  # pixels for a node's name; the table beside the chart has it in full
TIME_TICKS = 8
TIME_TICKS_LONG = 6  # where the labels name the day as well
LONG_LABEL = 6  # characters of a format from which on a label is long

OUTCOMES = ("ok", "denied", "error", "no-response", "response-only")  # of the view requests, from below upwards
TROUBLES = OUTCOMES[1:]
COLOURS = {outcome: f"var(--{outcome})" for outcome in OUTCOMES}
LANE_COLOURS = {word: f"var(--{word.replace(' ', '-')})" for word in WORDS}

Row = dict[str, Any]


def timeline(
    counts: Mapping[tuple[datetime, str], int],
    width: timedelta,
    span: Span,
    stretches: Sequence[Stretch],
    lanes: Sequence[str],
) -> str:
    """Draw the requests of each bin by outcome, those in trouble once more by themselves, and the nodes' lanes.

    ``counts``: by start of the bin and outcome. Gaps among the stretches go through all three.
    """
    axis = _TimeAxis(span)
    rows = _stacked(counts, width, OUTCOMES)
    trouble = _stacked(counts, width, TROUBLES)
    gaps = [_stretch_row(stretch) for stretch in stretches if stretch.word == GAP]
    charts = [_bars(rows, gaps, axis, TRAFFIC_HEIGHT, "requests")]
    if trouble:
        charts.append(_bars(trouble, gaps, axis, TROUBLE_HEIGHT, "not ok"))
    if lanes:
        charts.append(_lanes(stretches, lanes, axis))
    return _svg(alt.vconcat(*charts, spacing=14), "timeline")


def latency(buckets: Sequence[tuple[float, float, int]], marks: Sequence[tuple[str, float]]) -> str:
    """Draw a histogram with a logarithmic axis: (from, to, requests) in milliseconds, and named values as rules."""
    rows = [{"from": low, "to": high, "requests": count} for low, high, count in buckets]
    x = alt.X(
        "from:Q",
        scale=alt.Scale(type="log", domain=[buckets[0][0], buckets[-1][1]], nice=False),
        axis=alt.Axis(title="milliseconds from request to response", format="~g", values=_decades(buckets), grid=False),
    )
    y = alt.Y("requests:Q", axis=_count_axis("requests", 5))
    bars = alt.Chart(_data(rows)).mark_rect(fill="var(--ok)", stroke="var(--surface)", strokeWidth=1)
    layers: list[Any] = [bars.encode(x=x, x2="to:Q", y=y, y2=alt.datum(0))]
    if marks:
        named = _data([{"at": value, "name": name} for name, value in marks])
        rules = alt.Chart(named).mark_rule(stroke="var(--ink)", strokeDash=[3, 3]).encode(x="at:Q")
        layers.append(rules)
        layers += [_mark_name(name, value, buckets) for name, value in marks]
    return _svg(alt.layer(*layers).properties(width=WIDTH, height=LATENCY_HEIGHT), "latency")


def _mark_name(name: str, at: float, buckets: Sequence[tuple[float, float, int]]) -> Any:  # noqa: ANN401 — as below
    """Write a mark's name beside its rule, on the side where there is room."""
    low, high = log10(buckets[0][0]), log10(buckets[-1][1])
    on_the_right = (log10(at) - low) / (high - low) < NAME_ON_THE_RIGHT
    text = alt.Chart(_data([{"at": at, "name": name}])).mark_text(
        fill="var(--ink)", align="left" if on_the_right else "right", baseline="bottom", dy=-3, fontSize=11
    )
    return text.encode(x="at:Q", y=alt.value(0), text="name:N")


class _TimeAxis:
    """The axis that all parts of the time line share."""

    def __init__(self, span: Span) -> None:
        self._format = axis_format(span.length)
        self._scale = alt.Scale(type="utc", domain=[milliseconds(span.start), milliseconds(span.end)], nice=False)

    def x(self, *, labels: bool) -> alt.X:
        """Return the encoding of a part's ``start``."""
        ticks = TIME_TICKS_LONG if len(self._format) > LONG_LABEL else TIME_TICKS
        axis = alt.Axis(title=None, format=self._format, tickCount=ticks, labels=labels, ticks=labels, grid=False)
        return alt.X("start:T", scale=self._scale, axis=axis)


def _stacked(counts: Mapping[tuple[datetime, str], int], width: timedelta, outcomes: Sequence[str]) -> list[Row]:
    """Return the rectangles of the bars; Vega stacks none that have two ends in time."""
    rows: list[Row] = []
    for start in sorted({start for start, _ in counts}):
        low = 0
        for outcome in outcomes:
            count = counts.get((start, outcome), 0)
            if count:
                ends = {"start": milliseconds(start), "end": milliseconds(start + width)}
                rows.append({**ends, "outcome": outcome, "low": low, "high": low + count})
                low += count
    return rows


def _stretch_row(stretch: Stretch) -> Row:
    return {
        "node": stretch.node,
        "word": stretch.word,
        "start": milliseconds(stretch.start),
        "end": milliseconds(stretch.end),
    }


def _data(rows: Sequence[Row]) -> alt.Data:
    return alt.Data(values=list(rows))  # type: ignore[no-untyped-call] # altair's own


def _count_axis(title: str, ticks: int) -> alt.Axis:
    return alt.Axis(title=title, format=",d", tickCount=ticks, tickMinStep=1)


def _decades(buckets: Sequence[tuple[float, float, int]]) -> list[float]:
    """Return 0.1, 0.2, 0.5, 1, 2, 5 … within the buckets, few enough to be read."""
    low, high = buckets[0][0], buckets[-1][1]
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    return [f * 10.0**p for p in powers for f in (1, 2, 5) if low * 0.999 <= f * 10.0**p <= high * 1.001]


def _palette(colours: Mapping[str, str]) -> alt.Scale:
    return alt.Scale(domain=list(colours), range=list(colours.values()))


def _bars(rows: Sequence[Row], gaps: Sequence[Row], axis: _TimeAxis, height: int, title: str) -> Any:  # noqa: ANN401 — a chart of altair has many classes
    bars = (
        alt.Chart(_data(rows))
        .mark_rect(clip=True, stroke="var(--surface)", strokeWidth=0.5)
        .encode(
            x=axis.x(labels=False),
            x2="end:T",
            y=alt.Y("low:Q", axis=_count_axis(title, 4)),
            y2="high:Q",
            color=alt.Color("outcome:N", scale=_palette(COLOURS), legend=None),
        )
    )
    return alt.layer(bars, *_gap_layers(gaps, axis)).properties(width=WIDTH, height=height)


def _gap_layers(gaps: Sequence[Row], axis: _TimeAxis) -> list[Any]:
    if not gaps:
        return []
    marks = alt.Chart(_data(gaps)).mark_rect(clip=True, fill="var(--gap)", fillOpacity=0.3)
    return [marks.encode(x=axis.x(labels=False), x2="end:T")]


def _lanes(stretches: Sequence[Stretch], lanes: Sequence[str], axis: _TimeAxis) -> Any:  # noqa: ANN401 — as above
    rows = [_stretch_row(stretch) for stretch in stretches if stretch.node in lanes]
    lanes_chart = alt.Chart(_data(rows)).mark_rect(clip=True)
    return lanes_chart.encode(
        x=axis.x(labels=True),
        x2="end:T",
        y=alt.Y(
            "node:N",
            scale=alt.Scale(domain=list(lanes), paddingInner=0.35, paddingOuter=0.2),
            axis=alt.Axis(title=None, labelLimit=LABEL_LIMIT, ticks=False, domain=False),
        ),
        fill=alt.Fill("word:N", scale=_palette(LANE_COLOURS), legend=None),
        # Thin lines of a lane's own colour: a stretch of one moment stays visible.
        stroke=alt.Stroke("word:N", scale=_palette(LANE_COLOURS), legend=None),
    ).properties(width=WIDTH, height=LANE_HEIGHT * len(lanes))


def _config() -> dict[str, Any]:
    text = {"labelColor": "var(--muted)", "titleColor": "var(--muted)", "labelFontSize": 11, "titleFontSize": 11}
    lines = {"gridColor": "var(--line)", "domainColor": "var(--line)", "tickColor": "var(--line)"}
    return {
        "aria": False,  # a mark's own label is of no use to anybody here; the drawing has a title
        "background": None,
        "font": "system-ui, sans-serif",
        "padding": 4,
        "axis": {**text, **lines, "titleFontWeight": "normal", "titlePadding": 8, "labelOverlap": True},
        "axisY": {"minExtent": 56},
        "view": {"stroke": None},
    }


def _svg(chart: Any, name: str) -> str:  # noqa: ANN401 — as above
    spec = chart.to_dict()
    spec["config"] = _config()
    svg = vl_convert.vegalite_to_svg(spec)
    # Several drawings share one page, so ids carry the drawing's name; its size is the page's affair.
    svg = re.sub(r'(\bid="|url\(#)(?=clip|gradient)', rf"\1{name}-", svg)
    return re.sub(r'(<svg\b[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
