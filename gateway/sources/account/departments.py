"""Departments of the account source as JSON, with their locations, scanning stations and machines."""

from typing import Any

from gateway.sources.account.listing import AccountListing, common_fields, to_listed, to_record, to_tuple
from gateway.sources.http.json import Wire, undocumented_json
from gateway.users import model
from gateway.users.model import Timestamp

__all__ = ["AccountWireDepartment"]

_UNDOCUMENTED = ("labor_rate", "labor_time", "overhead_rate", "production", "consumptions")


class _Location(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    type: str | None = None
    parent: "_Location | None" = None
    children: "AccountListing[_Location] | list[_Location] | None" = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self) -> model.Location:
        return model.Location(
            self.id or "",
            self.name or "",
            self.type or "",
            to_record(self.parent),
            to_listed(self.children, _Location.record),
            self.created_at,
            self.updated_at,
        )


class _Machine(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    serial_number: str | None = None
    notes: str | None = None
    department: "AccountWireDepartment | None" = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self) -> model.Machine:
        return model.Machine(
            self.id or "", **common_fields(self, name=self.name or "", department=to_record(self.department))
        )


class _ProductionStep(Wire, frozen=True):
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
    machines: AccountListing[_Machine] | list[_Machine] | None = None
    scanning_station: "_ScanningStation | None" = None
    in_steps: "AccountListing[_ProductionStep] | list[_ProductionStep] | None" = None
    out_steps: "AccountListing[_ProductionStep] | list[_ProductionStep] | None" = None
    department: "AccountWireDepartment | None" = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self) -> model.ProductionStep:
        return model.ProductionStep(
            self.id or "",
            **common_fields(
                self,
                **{name: undocumented_json(getattr(self, name)) for name in _UNDOCUMENTED},
                name=self.name or "",
                machines=to_tuple(self.machines, _Machine.record),
                scanning_station=to_record(self.scanning_station),
                in_steps=to_tuple(self.in_steps, _ProductionStep.record),
                out_steps=to_tuple(self.out_steps, _ProductionStep.record),
                department=to_record(self.department),
            ),
        )


class _ScanningStation(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    notes: str | None = None
    type: str | None = None
    label_size: str | None = None
    label_type: str | None = None
    material_check_required: bool | None = None
    operator_requirement: str | None = None
    department: "AccountWireDepartment | None" = None
    production_steps: AccountListing[_ProductionStep] | list[_ProductionStep] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self) -> model.ScanningStation:
        check = self.material_check_required
        if check is None and self.operator_requirement is not None:  # the name since API v0.47.0
            check = self.operator_requirement == "material_check"
        return model.ScanningStation(
            self.id or "",
            **common_fields(
                self,
                "operator_requirement",
                name=self.name or "",
                type=self.type or "",
                material_check_required=check,
                department=to_record(self.department),
                production_steps=to_listed(self.production_steps, _ProductionStep.record),
            ),
        )


class AccountWireDepartment(Wire, frozen=True):
    id: str | None = None
    name: str | None = None
    notes: str | None = None
    location: _Location | None = None
    scanning_stations: AccountListing[_ScanningStation] | list[_ScanningStation] | None = None
    machines: AccountListing[_Machine] | list[_Machine] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None

    def record(self, included: frozenset[str] = frozenset()) -> model.Department:
        """Return the department. A field that `included` names was requested, so null there means that it is empty."""
        loaded = set(included)
        if self.location is not None:
            loaded.add("location")
        if self.scanning_stations is not None:
            loaded.add("scanning_stations")
        if self.machines is not None:
            loaded.add("machines")
        return model.Department(
            self.id or "",
            self.name,
            self.notes,
            to_record(self.location),
            to_listed(self.scanning_stations, _ScanningStation.record),
            to_listed(self.machines, _Machine.record),
            self.created_at,
            self.updated_at,
            frozenset(loaded),
        )
