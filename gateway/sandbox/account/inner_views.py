"""Renders the locations, machines, stations and production steps of departments as JSON.

`included` are the names in `include[]`. A record inside another one is short: it has what docs/upstreams/account.md,
"Nested records", lists, and null or the zero time of Go elsewhere.
"""

from collections.abc import Collection, Mapping
from typing import Any

from gateway.sandbox.account.paging import list_envelope, step_list

__all__ = [
    "LOCATION_INCLUDES",
    "MACHINE_INCLUDES",
    "STATION_INCLUDES",
    "STEP_INCLUDES",
    "location_view",
    "machine_view",
    "rate_view",
    "station_view",
    "step_view",
]

LOCATION_INCLUDES = ("parent", "children")
MACHINE_INCLUDES = ("department",)
STATION_INCLUDES = ("department", "production_steps")
STEP_INCLUDES = (
    "production",
    "production.produced_item",
    "consumptions",
    "consumptions.consumed_item",
    "consumptions.quantity",
    "consumptions.waste_quantity",
    "machines",
    "scanning_station",
    "department",
    "in_steps",
    "out_steps",
)
"""The values of `include` that the endpoints of production steps allow; the names above are those of the others."""

Times = Mapping[str, str | None]
_NO_TIMES = {"created_at": "0001-01-01T00:00:00Z", "updated_at": "0001-01-01T00:00:00Z"}


def location_view(
    item: Mapping[str, Any], included: Collection[str], times: Times, *, april: bool = False
) -> dict[str, Any]:
    """Return the JSON of a location; those inside it have times in the form of April only."""
    inner_times = times if april else _NO_TIMES
    parent, children = item.get("parent"), item.get("children")
    return {
        "id": item["id"],
        "object": "location",
        "name": item["name"],
        "type": item["type"],
        "parent": location_view(parent, (), inner_times) if parent and "parent" in included else None,
        "children": list_envelope([location_view(child, (), inner_times) for child in children or ()], april=april)
        if "children" in included
        else None,
    } | dict(times)


def machine_view(item: Mapping[str, Any], included: Collection[str], times: Times) -> dict[str, Any]:
    """Return the JSON of a machine."""
    names = ("id", "name", "serial_number", "notes")
    department = _department(item["department"], times) if "department" in included else None
    return {name: item[name] for name in names} | {"object": "machine", "department": department} | dict(times)


def station_view(
    item: Mapping[str, Any], included: Collection[str], times: Times, *, april: bool = False
) -> dict[str, Any]:
    """Return the JSON of a station; the steps in it have a name and two numbers."""
    material_check = item["material_check"]
    check_field: dict[str, Any] = (
        {"material_check_required": material_check}
        if april
        else {"operator_requirement": "material_check" if material_check else "none"}
    )
    names = ("id", "name", "notes", "type", "label_size", "label_type")
    steps = list_envelope([_short_step(step, times) for step in item["steps"]], april=april)
    return (
        {name: item[name] for name in names}
        | check_field
        | {
            "object": "scanning_station",
            "department": _department(item["department"], times) if "department" in included else None,
            "production_steps": steps if "production_steps" in included else None,
        }
        | dict(times)
    )


def step_view(
    step: Mapping[str, Any], included: Collection[str] | None, times: Times, *, april: bool = False
) -> dict[str, Any]:
    """Return the JSON of a production step; None for `included` includes everything."""

    def has(name: str) -> bool:
        return included is None or name in included

    def references(kind: str, items: list[dict[str, Any]]) -> Any:
        return step_list([{"id": item["id"], "object": kind, "name": item["name"]} for item in items], april=april)

    station, department = step["station"], {"id": step["department"]["id"], "object": "department"}
    return {
        "id": step["id"],
        "object": "production_step",
        "name": step["name"],
        "notes": step["notes"],
        "leveling_factor": step["leveling_factor"],
        "allowances": step["allowances"],
        "labor_rate": rate_view(step["id"], step["hourly_rate"], times),
        "labor_time": None,
        "overhead_rate": None,
        "production": _production(step, times, item=has("production.produced_item")) if has("production") else None,
        "consumptions": step_list([_consumption(step, has, times)], april=april) if has("consumptions") else None,
        "machines": references("machine", step["machines"]) if has("machines") else None,
        "scanning_station": {"id": station["id"], "object": "scanning_station", "name": station["name"]}
        if has("scanning_station")
        else None,
        "in_steps": references("production_step", step["in_steps"]) if has("in_steps") else None,
        "out_steps": references("production_step", step["out_steps"]) if has("out_steps") else None,
        "department": (department if april else _department(step["department"], times)) if has("department") else None,
    } | dict(times)


def rate_view(owner: str, hourly: str | None, times: Times) -> dict[str, Any] | None:
    """Return the JSON of the rate of a department or step."""
    if hourly is None:
        return None
    return {
        "id": f"rt_{owner[3:]}",
        "object": "rate",
        "value": hourly,
        "numerator_unit": None,
        "denominator_unit": None,
        "display_value": f"€{hourly}/h",
    } | dict(times)


def _department(item: Mapping[str, Any], times: Times) -> dict[str, Any]:
    nested = {"notes": None, "location": None, "scanning_stations": None, "machines": None, "labor_rate": None}
    return {"id": item["id"], "object": "department", "name": item["name"]} | nested | dict(times)


def _short_step(step: Mapping[str, Any], times: Times) -> dict[str, Any]:
    names = ("id", "name", "leveling_factor", "allowances")
    absent = ("notes", "labor_rate", "labor_time", "overhead_rate", "department", *STEP_INCLUDES)
    empty = {name: None for name in absent if "." not in name}
    return {name: step[name] for name in names} | {"object": "production_step"} | empty | dict(times)


def _production(step: Mapping[str, Any], times: Times, *, item: bool) -> dict[str, Any]:
    suffix, produced = step["id"][3:], step["item"]
    return {
        "id": f"pr_{suffix}",
        "object": "production",
        "produced_item": _item(produced["id"], produced["sku"], "product") if item else None,
        "quantity": _quantity(f"q2{suffix[2:]}", "1"),
    } | dict(times)


def _consumption(step: Mapping[str, Any], has: Any, times: Times) -> dict[str, Any]:
    suffix, item = step["id"][3:], step["item"]
    return {
        "id": f"co_{suffix}",
        "object": "consumption",
        "quantity": _quantity(f"q1{suffix[2:]}", "2.5") if has("consumptions.quantity") else None,
        "waste_quantity": None,
        "consumed_item": _item(item["id"], item["material"], "material") if has("consumptions.consumed_item") else None,
        "instructions": None,
    } | dict(times)


def _quantity(id_suffix: str, value: str) -> dict[str, Any]:
    return {
        "id": f"qt_{id_suffix}",
        "object": "quantity",
        "value": value,
        "display_value": f"{value} pcs",
        "unit": None,
    }


def _item(item_id: str, sku: str, kind: str) -> dict[str, Any]:
    return {"id": item_id, "object": "item", "sku": sku, "description": None, "item_type": kind}
