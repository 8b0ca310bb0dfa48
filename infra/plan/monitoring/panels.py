"""Panels of Grafana dashboards, as JSON values, and how they stand on the grid."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

COLUMNS = 24
"""Of Grafana's grid."""
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
"""Whichever Prometheus the reader chose."""
RATE = "$__rate_interval"
"""Grafana's own: four scrapes, or a pixel where that is longer."""

Json = dict[str, Any]
Kind = Literal["stat", "state-timeline", "timeseries"]
_OPTIONS: dict[Kind, Json] = {
    "stat": {"graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}, "textMode": "auto"},
    "state-timeline": {"mergeValues": True, "rowHeight": 0.8, "showValue": "never"},
    "timeseries": {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
}


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel: questions, each with the name of its lines."""

    title: str
    queries: tuple[tuple[str, str], ...]
    """Question and legend; `{{label}}` in a legend stands for the label."""
    unit: str = "short"
    """Grafana's name of it: `s`, `percentunit`, `reqps`."""
    kind: Kind = "timeseries"
    description: str = ""
    red_from: float | None = None
    """Value from which it is red; None where none is bad."""
    red_below: float | None = None
    """Value below which it is red."""
    is_stacked: bool = False
    is_signed: bool = False
    """Whether values below zero are shown."""
    links: tuple[tuple[str, str], ...] = field(default=())
    """Title and address that a click on a line opens."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the top of a dashboard."""

    name: str
    query: str
    """Whose answers can be chosen."""


def lay_out(rows: Iterable[tuple[int, Sequence[Panel]]]) -> list[Json]:
    """Panels row by row, each row of one height and shared evenly.

    Args:
        rows: height in grid units, and the panels from left to right.
    """
    placed: list[Json] = []
    top = 0
    for height, panels in rows:
        width = COLUMNS // len(panels)
        for column, panel in enumerate(panels):
            place = {"h": height, "w": width, "x": column * width, "y": top}
            placed.append({**_panel(panel), "gridPos": place, "id": len(placed) + 1})
        top += height
    return placed


def dashboard(uid: str, title: str, panels: list[Json], variables: Iterable[Variable] = ()) -> Json:
    """A whole dashboard; its uid is what links to it say and must never change."""
    return {
        "description": "Made by `pulumi up`; changes here are lost.",
        "editable": False,
        "graphTooltip": 1,
        "panels": panels,
        "refresh": "30s",
        "schemaVersion": 39,
        "tags": ["moorage"],
        "templating": {"list": [_choice_of_source(), *map(_choice, variables)]},
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "title": title,
        "uid": uid,
    }


def _panel(panel: Panel) -> Json:
    return {
        "datasource": dict(SOURCE),
        "description": panel.description,
        "fieldConfig": {"defaults": _field(panel), "overrides": []},
        "options": dict(_OPTIONS[panel.kind]),
        "targets": [
            {
                "datasource": dict(SOURCE),
                "expr": expression,
                "legendFormat": legend,
                "refId": chr(ord("A") + at),
            }
            for at, (expression, legend) in enumerate(panel.queries)
        ],
        "title": panel.title,
        "type": panel.kind,
    }


def _field(panel: Panel) -> Json:
    links = [{"title": title, "url": url} for title, url in panel.links]
    stacking = {"fillOpacity": 30, "stacking": {"group": "A", "mode": "normal"}} if panel.is_stacked else {}
    return {
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "custom": {"lineWidth": 1, **stacking} if panel.kind != "stat" else {},
        "links": links,
        **({} if panel.is_signed else {"min": 0}),
        "thresholds": {"mode": "absolute", "steps": _steps(panel)},
        "unit": panel.unit,
    }


def _steps(panel: Panel) -> list[Json]:
    if panel.red_from is not None:
        return [{"color": "green", "value": None}, {"color": "red", "value": panel.red_from}]
    if panel.red_below is not None:
        return [{"color": "red", "value": None}, {"color": "green", "value": panel.red_below}]
    return [{"color": "blue", "value": None}]


def _choice_of_source() -> Json:
    return {
        "current": {},
        "hide": 0,
        "label": "Prometheus",
        "name": "datasource",
        "query": "prometheus",
        "type": "datasource",
    }


def _choice(variable: Variable) -> Json:
    return {
        "current": {},
        "datasource": dict(SOURCE),
        "definition": variable.query,
        "hide": 0,
        "label": variable.name,
        "name": variable.name,
        "query": {"query": variable.query, "refId": variable.name},
        "refresh": 2,
        "sort": 1,
        "type": "query",
    }
