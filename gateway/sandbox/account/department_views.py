"""Renders departments as JSON of either dialect.

The current one leaves the records inside locations, stations and machines out; they have endpoints of their own
(docs/upstreams/account.md, "Nested records").
"""

from collections.abc import Collection
from typing import Any

import orjson

from gateway.sandbox.account.inner_views import (
    location_view,
    machine_view,
    rate_view,
    station_view,
    step_view,
)
from gateway.sandbox.account.paging import list_envelope
from gateway.sandbox.clock import go_time
from gateway.sandbox.store import Row

__all__ = ["DEPARTMENT_INCLUDES", "department_view"]

DEPARTMENT_INCLUDES = ("location", "scanning_stations", "machines")
"""The values of `include` that the department endpoints allow."""


def department_view(row: Row, included: Collection[str], *, april: bool) -> dict[str, Any]:
    """Return the JSON of a department."""
    times = {"created_at": go_time(row["created_at"]), "updated_at": go_time(row["updated_at"])}
    department = {"id": row["id"], "name": row["name"]}

    def station(item: dict[str, Any]) -> dict[str, Any]:
        document = station_view(item, (), times, april=april)
        if april:
            reference = {"id": item["id"], "name": item["name"]}
            steps = [step | {"department": department, "station": reference} for step in item["steps"]]
            rendered = [step_view(step, None, times, april=True) for step in steps]
            document["production_steps"] = list_envelope(rendered, april=True)
        return document

    def render_list(text: str, render: Any) -> dict[str, Any]:
        return list_envelope([render(item) for item in orjson.loads(text)], april=april)

    location = orjson.loads(row["location"])
    inside = ("parent", "children") if april else ()
    document = {
        "id": row["id"],
        "object": "department",
        "name": row["name"],
        "notes": row["notes"],
        "location": location_view(location, inside, times, april=april) if "location" in included else None,
        "scanning_stations": render_list(row["stations"], station) if "scanning_stations" in included else None,
        "machines": render_list(row["machines"], lambda item: machine_view(item, (), times))
        if "machines" in included
        else None,
    } | times
    if not april:
        document["labor_rate"] = rate_view(row["id"], row["hourly_rate"], times)
    return document
