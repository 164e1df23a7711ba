"""The seeded departments of a small factory, with everything below them.

They are kept in a neutral form; `department_view` writes them in either dialect.
"""

from typing import Any

import orjson

from gateway.sandbox.clock import SECOND
from gateway.sandbox.people import code

__all__ = ["DEPARTMENTS", "department_rows"]

_CREATED = 1_709_283_600 * SECOND  # 2024-03-01T09:00:00Z
_NAMES = (
    "Cutting Assembly Finishing Packing Shipping Receiving Quality Maintenance Planning Tooling Dyeing Sewing Returns"
)
_STATION_TYPES = ("init_batch", "merge_batch", "move_batch", "split_batch")
_LABELS = (("1x1", "tag"), ("1x3", "traveler"), ("2x4", "tag"), (None, None))

DEPARTMENTS = {name: f"dp_{name.lower():0<12}" for name in _NAMES.split()}
"""Ids by name, for example `dp_assembly0000`."""


def department_rows() -> list[dict[str, Any]]:
    """The rows of the table `departments`."""
    return [_row(place, name, key) for place, (name, key) in enumerate(DEPARTMENTS.items())]


def _row(place: int, name: str, key: str) -> dict[str, Any]:
    created = _CREATED + place * 3 * 86_400 * SECOND
    machines = [_machine(place, number) for number in range(place % 4)]
    return {
        "id": key,
        "name": name,
        "notes": f"{name} runs two shifts." if place % 3 == 0 else None,
        "location": _json(_location(place)),
        "stations": _json([_station(place, number, machines) for number in range(place % 3)]),
        "machines": _json(machines),
        "hourly_rate": f"{24 + place}.50" if place % 2 else None,
        "created_at": created,
        "updated_at": created,
    }


def _location(place: int) -> dict[str, Any]:
    hall = place // 4 + 1
    return {
        "id": f"lc_{code('section', place)}",
        "name": f"Section {place + 1}",
        "type": "section",
        "parent": {"id": f"lc_{code('hall', hall)}", "name": f"Hall {hall}", "type": "building"},
        "children": [
            {
                "id": f"lc_{code('aisle', place * 10 + side)}",
                "name": f"Aisle {place + 1}{'AB'[side]}",
                "type": "aisle",
            }
            for side in range(2)
        ],
    }


def _machine(place: int, number: int) -> dict[str, Any]:
    return {
        "id": f"mc_{code('machine', place * 10 + number)}",
        "name": f"Machine {place + 1}-{number + 1}",
        "serial_number": f"SN-{place + 1:03d}-{number + 1:03d}",
        "notes": "Needs a warm-up." if number else None,
    }


def _station(place: int, number: int, machines: list[dict[str, Any]]) -> dict[str, Any]:
    serial = place * 10 + number
    label_size, label_type = _LABELS[serial % len(_LABELS)]
    steps: list[dict[str, Any]] = [
        {"id": f"ps_{code('step', serial * 10 + turn)}", "name": f"Step {serial}.{turn + 1}"} for turn in range(2)
    ]
    for turn, step in enumerate(steps):
        step |= {
            "leveling_factor": "1.05",
            "allowances": "0.15",
            "hourly_rate": "26.40" if turn == 0 else None,
            "notes": None if turn == 0 else "Check the seam.",
            "machines": [{"id": machine["id"], "name": machine["name"]} for machine in machines[:1]],
            "in_steps": [_reference(steps[0])] if turn else [],
            "out_steps": [] if turn else [_reference(steps[1])],
            "item": {
                "id": f"it_{code('item', serial)}",
                "sku": f"SKU-{serial:04d}",
                "material": f"MAT-{serial:04d}",
            },
        }
    return {
        "id": f"ss_{code('station', serial)}",
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
