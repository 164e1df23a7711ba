"""Renders departments, with their locations, machines and stations, as JSON of either dialect."""

from collections.abc import Collection
from typing import Any

import orjson

from gateway.sandbox.account.paging import list_envelope, step_list
from gateway.sandbox.clock import go_time
from gateway.sandbox.store import Row

__all__ = ["DEPARTMENT_INCLUDES", "department_view"]

DEPARTMENT_INCLUDES = ("location", "scanning_stations", "machines")
"""The values of `include` that the department endpoints allow."""


def department_view(row: Row, included: Collection[str], *, april: bool) -> dict[str, Any]:
    """Return the JSON of a department; included stations contain their production steps."""
    times = {"created_at": go_time(row["created_at"]), "updated_at": go_time(row["updated_at"])}
    writer = _Writer(row["id"], times, april=april)
    document = {
        "id": row["id"],
        "object": "department",
        "name": row["name"],
        "notes": row["notes"],
        "location": writer.location(orjson.loads(row["location"])) if "location" in included else None,
        "scanning_stations": writer.render_list(row["stations"], writer.station)
        if "scanning_stations" in included
        else None,
        "machines": writer.render_list(row["machines"], writer.machine) if "machines" in included else None,
    } | times
    if not april:
        document["labor_rate"] = writer.rate(row["id"], row["hourly_rate"])
    return document


class _Writer:
    def __init__(self, department: str, times: dict[str, Any], *, april: bool) -> None:
        self._department = department
        self._times = times
        self._april = april

    def render_list(self, text: str, render: Any) -> dict[str, Any]:
        return list_envelope([render(item) for item in orjson.loads(text)], april=self._april)

    def location(self, item: dict[str, Any]) -> dict[str, Any]:
        parent, children = item.get("parent"), item.get("children")
        return {
            "id": item["id"],
            "object": "location",
            "name": item["name"],
            "type": item["type"],
            "parent": self.location(parent) if parent else None,
            "children": list_envelope([self.location(child) for child in children], april=self._april)
            if children
            else None,
        } | self._times

    def machine(self, item: dict[str, Any]) -> dict[str, Any]:
        return item | {"object": "machine", "department": None} | self._times

    def station(self, item: dict[str, Any]) -> dict[str, Any]:
        material_check = item["material_check"]
        check_field: dict[str, Any] = (
            {"material_check_required": material_check}
            if self._april
            else {"operator_requirement": "material_check" if material_check else "none"}
        )
        kept = {name: item[name] for name in ("id", "name", "notes", "type", "label_size", "label_type")}
        return (
            kept
            | check_field
            | {
                "object": "scanning_station",
                "department": None,
                "production_steps": list_envelope(
                    [self._step(step, item) for step in item["steps"]], april=self._april
                ),
            }
            | self._times
        )

    def rate(self, owner: str, hourly: str | None) -> dict[str, Any] | None:
        if hourly is None:
            return None
        return {
            "id": f"rt_{owner[3:]}",
            "object": "rate",
            "value": hourly,
            "numerator_unit": None,
            "denominator_unit": None,
            "display_value": f"€{hourly}/h",
        } | self._times

    def _step(self, step: dict[str, Any], station: dict[str, Any]) -> dict[str, Any]:
        id_suffix = step["id"][3:]
        item = step["item"]
        consumption = {
            "id": f"co_{id_suffix}",
            "object": "consumption",
            "quantity": self._quantity(f"q1{id_suffix[2:]}", "2.5"),
            "waste_quantity": None,
            "consumed_item": _item(item["id"], item["material"], "material"),
            "instructions": None,
        } | self._times
        production = {
            "id": f"pr_{id_suffix}",
            "object": "production",
            "produced_item": _item(item["id"], item["sku"], "product"),
            "quantity": self._quantity(f"q2{id_suffix[2:]}", "1"),
        } | self._times
        return {
            "id": step["id"],
            "object": "production_step",
            "name": step["name"],
            "notes": step["notes"],
            "leveling_factor": step["leveling_factor"],
            "allowances": step["allowances"],
            "labor_rate": self.rate(step["id"], step["hourly_rate"]),
            "labor_time": None,
            "overhead_rate": None,
            "production": production,
            "consumptions": step_list([consumption], april=self._april),
            "machines": self._references("machine", step["machines"]),
            "scanning_station": {"id": station["id"], "object": "scanning_station", "name": station["name"]},
            "in_steps": self._references("production_step", step["in_steps"]),
            "out_steps": self._references("production_step", step["out_steps"]),
            "department": {"id": self._department, "object": "department"},
        } | self._times

    def _references(self, kind: str, items: list[dict[str, Any]]) -> Any:
        return step_list(
            [{"id": item["id"], "object": kind, "name": item["name"]} for item in items], april=self._april
        )

    def _quantity(self, id_suffix: str, value: str) -> dict[str, Any]:
        return {
            "id": f"qt_{id_suffix}",
            "object": "quantity",
            "value": value,
            "display_value": f"{value} pcs",
            "unit": None,
        }


def _item(item_id: str, sku: str, kind: str) -> dict[str, Any]:
    return {"id": item_id, "object": "item", "sku": sku, "description": None, "item_type": kind}
