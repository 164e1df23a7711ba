"""The seeded departments of a small factory, with their locations, machines and stations.

They are stored independently of the API version; `department_view` renders them for each dialect.
"""

from typing import Any

import orjson

from gateway.sandbox.clock import SECOND
from gateway.sandbox.people import stable_code

__all__ = ["DEPARTMENTS", "department_rows", "inner_rows"]

_CREATED = 1_709_283_600 * SECOND  # 2024-03-01T09:00:00Z
_NAMES = (
    "Cutting Assembly Finishing Packing Shipping Receiving Quality Maintenance Planning Tooling Dyeing Sewing Returns"
)
_STATION_TYPES = ("init_batch", "merge_batch", "move_batch", "split_batch")
_LABELS = (("1x1", "tag"), ("1x3", "traveler"), ("2x4", "tag"), (None, None))

DEPARTMENTS = {name: f"dp_{name.lower():0<12}" for name in _NAMES.split()}
"""Ids by name, for example `dp_assembly0000`."""


def department_rows() -> list[dict[str, Any]]:
    """Return the rows of the table `departments`."""
    return [_row(index, name, department_id) for index, (name, department_id) in enumerate(DEPARTMENTS.items())]


def inner_rows() -> list[dict[str, Any]]:
    """Return the rows of the table `inner_records`: the locations, machines, stations and steps of the departments."""
    found: dict[str, dict[str, Any]] = {}
    for department in department_rows():
        reference = {"id": department["id"], "name": department["name"]}
        location = orjson.loads(department["location"])
        section = {"id": location["id"], "name": location["name"], "type": location["type"]}
        machines = [machine | {"department": reference} for machine in orjson.loads(department["machines"])]
        stations = [station | {"department": reference} for station in orjson.loads(department["stations"])]
        locations = [location, *(child | {"parent": section, "children": []} for child in location["children"])]
        parent = location["parent"]
        building = found.get(parent["id"], {}).get("record") or parent | {"parent": None, "children": []}
        building["children"] = [*building["children"], section]
        steps = [
            step | {"department": reference, "station": {"id": station["id"], "name": station["name"]}}
            for station in stations
            for step in station["steps"]
        ]
        for kind, records in (
            ("location", [building, *locations]),
            ("machine", machines),
            ("station", stations),
            ("step", steps),
        ):
            for record in records:
                found[record["id"]] = {"kind": kind, "record": record, "created_at": department["created_at"]}
    return [
        {
            "id": record_id,
            "kind": row["kind"],
            "name": row["record"]["name"],
            "record": _json(row["record"]),
            "created_at": row["created_at"],
            "updated_at": row["created_at"],
        }
        for record_id, row in found.items()
    ]


def _row(index: int, name: str, department_id: str) -> dict[str, Any]:
    created = _CREATED + index * 3 * 86_400 * SECOND
    machines = [_machine(index, number) for number in range(index % 4)]
    return {
        "id": department_id,
        "name": name,
        "notes": f"{name} runs two shifts." if index % 3 == 0 else None,
        "location": _json(_location(index)),
        "stations": _json([_station(index, number, machines) for number in range(index % 3)]),
        "machines": _json(machines),
        "hourly_rate": f"{24 + index}.50" if index % 2 else None,
        "created_at": created,
        "updated_at": created,
    }


def _location(index: int) -> dict[str, Any]:
    hall = index // 4 + 1
    return {
        "id": f"lc_{stable_code('section', index)}",
        "name": f"Section {index + 1}",
        "type": "section",
        "parent": {"id": f"lc_{stable_code('hall', hall)}", "name": f"Hall {hall}", "type": "building"},
        "children": [
            {
                "id": f"lc_{stable_code('aisle', index * 10 + side)}",
                "name": f"Aisle {index + 1}{'AB'[side]}",
                "type": "aisle",
            }
            for side in range(2)
        ],
    }


def _machine(index: int, number: int) -> dict[str, Any]:
    return {
        "id": f"mc_{stable_code('machine', index * 10 + number)}",
        "name": f"Machine {index + 1}-{number + 1}",
        "serial_number": f"SN-{index + 1:03d}-{number + 1:03d}",
        "notes": "Needs a warm-up." if number else None,
    }


def _station(index: int, number: int, machines: list[dict[str, Any]]) -> dict[str, Any]:
    serial = index * 10 + number
    label_size, label_type = _LABELS[serial % len(_LABELS)]
    steps: list[dict[str, Any]] = [
        {"id": f"ps_{stable_code('step', serial * 10 + step_index)}", "name": f"Step {serial}.{step_index + 1}"}
        for step_index in range(2)
    ]
    for step_index, step in enumerate(steps):
        step |= {
            "leveling_factor": "1.05",
            "allowances": "0.15",
            "hourly_rate": "26.40" if step_index == 0 else None,
            "notes": None if step_index == 0 else "Check the seam.",
            "machines": [{"id": machine["id"], "name": machine["name"]} for machine in machines[:1]],
            "in_steps": [_reference(steps[0])] if step_index else [],
            "out_steps": [] if step_index else [_reference(steps[1])],
            "item": {
                "id": f"it_{stable_code('item', serial)}",
                "sku": f"SKU-{serial:04d}",
                "material": f"MAT-{serial:04d}",
            },
        }
    return {
        "id": f"ss_{stable_code('station', serial)}",
        "name": f"Station {serial}",
        "notes": None,
        "type": _STATION_TYPES[serial % len(_STATION_TYPES)],
        "label_size": label_size,
        "label_type": label_type,
        "material_check": number == 0,
        "steps": steps,
    }


def _reference(step: dict[str, Any]) -> dict[str, Any]:
    return {"id": step["id"], "name": step["name"]}


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
