"""Departments of the account source as JSON, with their locations, scanning stations, machines and production steps.

The source sends each of these records in up to three forms: from its own endpoint, with what was included; inside a
department, with every field that is no record; and short, inside another record, with the id, the name and little more
(docs/upstreams/account.md, "Nested records"). `record(included)` therefore takes the fields that were requested, so
that null means "none" there, and None for a short form. In `loaded` of the record are the fields that are known.
"""

from functools import lru_cache
from typing import Any, TypeVar

from msgspec.structs import replace

from gateway.sources.account.listing import AccountListing, common_fields, sent_time, to_listed, to_record, to_tuple
from gateway.sources.http.json import Wire, undocumented_json
from gateway.users import model
from gateway.users.model import Timestamp

__all__ = [
    "AccountWireDepartment",
    "AccountWireLocation",
    "AccountWireMachine",
    "AccountWireProductionStep",
    "AccountWireScanningStation",
]

M = TypeVar("M", model.Location, model.Machine, model.ProductionStep, model.ScanningStation, model.Department)

_UNDOCUMENTED = ("labor_rate", "labor_time", "overhead_rate", "production", "consumptions")
_TIMES = frozenset({"created_at", "updated_at"})
_DEPARTMENT = _TIMES | {"notes"}
_MACHINE = _TIMES | {"serial_number", "notes"}
_STATION = _TIMES | {"notes", "type", "label_size", "label_type", "material_check_required"}
_STEP = _TIMES | {"notes", "leveling_factor", "allowances", "labor_rate", "labor_time", "overhead_rate"}
_STEP_RECORDS = ("production", "consumptions", "machines", "scanning_station", "in_steps", "out_steps", "department")

_NOTHING = frozenset[str]()


class AccountWireLocation(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    type: str | None = None
    parent: "AccountWireLocation | None" = None
    children: "AccountListing[AccountWireLocation] | list[AccountWireLocation] | None" = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self, included: frozenset[str] | None = None) -> model.Location:
        if included is not None and self.children is None:  # most locations: everything in one step
            return model.Location(
                self.id or "",
                self.name or "",
                self.type or "",
                to_record(self.parent),
                None,
                sent_time(self.created_at),
                sent_time(self.updated_at),
                _loaded(_TIMES, included, ("parent", "children"), "" if self.parent is None else "parent"),
            )
        children = to_listed(self.children, AccountWireLocation.record)
        location = model.Location(
            self.id or "",
            self.name or "",
            self.type or "",
            to_record(self.parent),
            None,
            sent_time(self.created_at),
            sent_time(self.updated_at),
        )
        if children is not None:  # each is a part of this location, whether or not the source repeats it
            leaf = _with_loaded(location, included, _TIMES, ("parent",))
            nodes = tuple([_inside(child, "parent", leaf) for child in children.nodes])
            location = replace(location, children=replace(children, nodes=nodes))
        return _with_loaded(location, included, _TIMES, ("parent", "children"))


class AccountWireMachine(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    serial_number: str | None = None
    notes: str | None = None
    department: "AccountWireDepartment | None" = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self, included: frozenset[str] | None = None) -> model.Machine:
        fields = common_fields(self, name=self.name or "", department=_short(self.department), **_times(self))
        if included is None and self.serial_number is not None:
            included = _NOTHING
        return _with_loaded(model.Machine(self.id or "", **fields), included, _MACHINE, ("department",))


class AccountWireProductionStep(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    notes: str | None = None
    leveling_factor: str | None = None
    allowances: str | None = None
    labor_rate: Any = None
    labor_time: Any = None
    overhead_rate: Any = None
    production: Any = None
    consumptions: Any = None
    machines: AccountListing[AccountWireMachine] | list[AccountWireMachine] | None = None
    scanning_station: "AccountWireScanningStation | None" = None
    in_steps: "AccountListing[AccountWireProductionStep] | list[AccountWireProductionStep] | None" = None
    out_steps: "AccountListing[AccountWireProductionStep] | list[AccountWireProductionStep] | None" = None
    department: "AccountWireDepartment | None" = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self, included: frozenset[str] | None = None) -> model.ProductionStep:
        step = model.ProductionStep(
            self.id or "",
            **common_fields(
                self,
                **{name: undocumented_json(getattr(self, name)) for name in _UNDOCUMENTED},
                **_times(self),
                name=self.name or "",
                machines=to_tuple(self.machines, AccountWireMachine.record),
                scanning_station=to_record(self.scanning_station),
                in_steps=to_tuple(self.in_steps, AccountWireProductionStep.record),
                out_steps=to_tuple(self.out_steps, AccountWireProductionStep.record),
                department=_short(self.department),
            ),
        )
        if included is None and self.consumptions is not None:  # a whole step, as in the answers of April 2026
            included = frozenset(_STEP_RECORDS)
        return _with_loaded(step, included, _STEP, _STEP_RECORDS)


class AccountWireScanningStation(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    notes: str | None = None
    type: str | None = None
    label_size: str | None = None
    label_type: str | None = None
    material_check_required: bool | None = None
    operator_requirement: str | None = None
    department: "AccountWireDepartment | None" = None
    production_steps: AccountListing[AccountWireProductionStep] | list[AccountWireProductionStep] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self, included: frozenset[str] | None = None) -> model.ScanningStation:
        check = self.material_check_required
        if check is None and self.operator_requirement is not None:  # the name since API v0.47.0
            check = self.operator_requirement == "material_check"
        fields = common_fields(
            self,
            "operator_requirement",
            **_times(self),
            name=self.name or "",
            type=self.type or "",
            material_check_required=check,
            department=_short(self.department),
            production_steps=None,
        )
        if included is None and self.type is not None:
            included = _NOTHING
        station = model.ScanningStation(self.id or "", **fields)
        steps = to_listed(self.production_steps, AccountWireProductionStep.record)
        if steps is not None:  # each is done at this station, whether or not the source repeats it
            leaf = _with_loaded(station, included, _STATION, ("department",))
            nodes = tuple([_inside(step, "scanning_station", leaf) for step in steps.nodes])
            station = replace(station, production_steps=replace(steps, nodes=nodes))
        return _with_loaded(station, included, _STATION, ("department", "production_steps"))


class AccountWireDepartment(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    notes: str | None = None
    location: AccountWireLocation | None = None
    scanning_stations: AccountListing[AccountWireScanningStation] | list[AccountWireScanningStation] | None = None
    machines: AccountListing[AccountWireMachine] | list[AccountWireMachine] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self, included: frozenset[str] | None = _NOTHING) -> model.Department:
        """Return the department, by default that of a user: a whole one, without anything included."""
        department = model.Department(
            self.id or "",
            self.name,
            self.notes,
            created_at=sent_time(self.created_at),
            updated_at=sent_time(self.updated_at),
            loaded=_NOTHING if self.name is None else _DEPARTMENT,
        )
        if included is _NOTHING and self.location is None and self.scanning_stations is None and self.machines is None:
            return department
        location = None if self.location is None else self.location.record(_NOTHING)
        if included is not None and self.scanning_stations is None and self.machines is None and self.name is not None:
            sent = "" if location is None else "location"
            records = ("location", "scanning_stations", "machines")
            return replace(department, location=location, loaded=_loaded(_DEPARTMENT, included, records, sent))
        department = replace(department, location=location)
        stations = to_listed(self.scanning_stations, lambda station: station.record(_NOTHING))
        machines = to_listed(self.machines, lambda machine: machine.record(_NOTHING))
        if stations is not None or machines is not None:  # all are in this department
            leaf = _with_loaded(department, included, _DEPARTMENT, ("location",))
            stations = stations and _stations_inside(stations, leaf)
            machines = machines and _all_inside(machines, leaf)
        department = replace(department, scanning_stations=stations, machines=machines)
        if included is not None and self.name is None:  # a bare reference
            return replace(department, loaded=included)
        return _with_loaded(department, included, _DEPARTMENT, ("location", "scanning_stations", "machines"))


def _times(wire: Any) -> dict[str, Timestamp | None]:
    return {"created_at": sent_time(wire.created_at), "updated_at": sent_time(wire.updated_at)}


def _short(department: AccountWireDepartment | None) -> model.Department | None:
    return None if department is None else department.record(None)


def _with_loaded(record: M, included: frozenset[str] | None, whole: frozenset[str], records: tuple[str, ...]) -> M:
    """Return the record with its `loaded`.

    Without `included`, only what is there is known; `whole` are the fields that are known otherwise, `records` those
    that have to be included and that this form of the record has room for.
    """
    sent = {name for name in (*whole, *records) if getattr(record, name) not in (None, "")}
    return replace(
        record, loaded=frozenset(sent if included is None else sent | whole | included.intersection(records))
    )


@lru_cache(256)  # few fields can be included
def _loaded(whole: frozenset[str], included: frozenset[str], records: tuple[str, ...], sent: str) -> frozenset[str]:
    """Return the same `loaded` for a record that has at most one of the `records`: `sent`, empty for none."""
    return frozenset({*whole, *included.intersection(records), *((sent,) if sent else ())})


def _inside(record: M, name: str, around: Any) -> M:
    """Return the record with the one that it is in, unless the source sent another one or more of it."""
    sent = getattr(record, name)
    if sent is not None and (sent.source_id != around.source_id or not sent.loaded <= around.loaded):
        return record
    return replace(record, **{name: around}, loaded=record.loaded | {name})


def _stations_inside(
    stations: model.Listed[model.ScanningStation], department: model.Department
) -> model.Listed[model.ScanningStation]:
    """Return the stations with the department that they are in, also in those of their steps that name it."""
    listed = _all_inside(stations, department)
    return replace(listed, nodes=tuple([_steps_inside(station, department) for station in listed.nodes]))


def _steps_inside(station: model.ScanningStation, department: model.Department) -> model.ScanningStation:
    steps = station.production_steps
    if steps is None:
        return station
    nodes = [_inside(step, "department", department) if step.department else step for step in steps.nodes]
    return replace(station, production_steps=replace(steps, nodes=tuple(nodes)))


def _all_inside(listed: model.Listed[M], department: model.Department) -> model.Listed[M]:
    return replace(listed, nodes=tuple([_inside(record, "department", department) for record in listed.nodes]))
