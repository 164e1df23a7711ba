"""Departments in the identity API's JSON, with the places and machines in them."""

from gateway.sources.account.listing import Listing, listed, nodes, record_of, same
from gateway.sources.http.reading import Anything, Instant, Text, Wire
from gateway.users import model

__all__ = ["Department"]


class Location(Wire):
    id: Text = ""
    name: Text = ""
    type: Text = ""
    parent: "Location | None" = None
    children: "Listing[Location] | list[Location] | None" = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    def record(self) -> model.Location:
        return model.Location(
            self.id,
            **same(self, parent=record_of(self.parent), children=listed(self.children, Location.record)),
        )


class Machine(Wire):
    id: Text = ""
    name: Text = ""
    serial_number: str | None = None
    notes: str | None = None
    department: "Department | None" = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    def record(self) -> model.Machine:
        return model.Machine(self.id, **same(self, department=record_of(self.department)))


class ProductionStep(Wire):
    id: Text = ""
    name: Text = ""
    notes: str | None = None
    leveling_factor: str | None = None
    allowances: str | None = None
    labor_rate: Anything = None
    labor_time: Anything = None
    overhead_rate: Anything = None
    production: Anything = None
    consumptions: Anything = None
    machines: Listing[Machine] | list[Machine] | None = None
    scanning_station: "ScanningStation | None" = None
    in_steps: "Listing[ProductionStep] | list[ProductionStep] | None" = None
    out_steps: "Listing[ProductionStep] | list[ProductionStep] | None" = None
    department: "Department | None" = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    def record(self) -> model.ProductionStep:
        return model.ProductionStep(
            self.id,
            **same(
                self,
                machines=nodes(self.machines, Machine.record),
                scanning_station=record_of(self.scanning_station),
                in_steps=nodes(self.in_steps, ProductionStep.record),
                out_steps=nodes(self.out_steps, ProductionStep.record),
                department=record_of(self.department),
            ),
        )


class ScanningStation(Wire):
    id: Text = ""
    name: Text = ""
    notes: str | None = None
    type: Text = ""
    label_size: str | None = None
    label_type: str | None = None
    material_check_required: bool | None = None
    operator_requirement: str | None = None
    department: "Department | None" = None
    production_steps: Listing[ProductionStep] | list[ProductionStep] | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    def record(self) -> model.ScanningStation:
        check = self.material_check_required
        if check is None and self.operator_requirement is not None:  # how the August version says it
            check = self.operator_requirement == "material_check"
        return model.ScanningStation(
            self.id,
            **same(
                self,
                "operator_requirement",
                material_check_required=check,
                department=record_of(self.department),
                production_steps=listed(self.production_steps, ProductionStep.record),
            ),
        )


class Department(Wire):
    id: Text = ""
    name: str | None = None
    notes: str | None = None
    location: Location | None = None
    scanning_stations: Listing[ScanningStation] | list[ScanningStation] | None = None
    machines: Listing[Machine] | list[Machine] | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    def record(self, included: frozenset[str] = frozenset()) -> model.Department:
        """The department; `included` names what was asked for, so that null there means: there is none."""
        parts = ("location", "scanning_stations", "machines")
        return model.Department(
            self.id,
            **same(
                self,
                location=record_of(self.location),
                scanning_stations=listed(self.scanning_stations, ScanningStation.record),
                machines=listed(self.machines, Machine.record),
            ),
            loaded=included | {part for part in parts if getattr(self, part) is not None},
        )


for _circular in (Location, Machine, ScanningStation, ProductionStep, Department):
    _circular.model_rebuild()
