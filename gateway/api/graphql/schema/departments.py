"""Departments, and the locations, scanning stations, machines and production steps of a department."""

from typing import Annotated

import strawberry

from gateway.api.graphql.schema.fields import attribute, expansion, is_record, reference, source_id
from gateway.api.graphql.schema.nodes import NodeInterface, PageInfoObject, nested_page_info
from gateway.api.graphql.schema.scalars import JSON, DateTime
from gateway.users import model

__all__ = ["DepartmentObject"]

_Lazy = strawberry.lazy("gateway.api.graphql.schema.departments")


@strawberry.type(name="Location", description="A building, or a part of one.")
class LocationObject:
    source_id: str = source_id()
    name: str
    type: str = attribute(
        "For example `building`, `section`, `aisle`, `rack`, `shelf` or `bin`. The source may add values."
    )
    parent: Annotated["LocationObject", _Lazy] | None = attribute(
        "The location that this one is a part of; null if there is none, or if the source did not send it."
    )
    children: Annotated["LocationConnectionObject", _Lazy] | None = attribute(
        "The parts of this location; null if the source did not send them."
    )
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="LocationConnection", description="Locations, as the source sent them.")
class LocationConnectionObject:
    nodes: list[LocationObject]
    page_info: PageInfoObject = nested_page_info()


@strawberry.type(name="Machine", description="A machine of a department.")
class MachineObject:
    source_id: str = source_id()
    name: str
    serial_number: str | None
    notes: str | None
    department: Annotated["DepartmentObject", _Lazy] | None = reference(
        "department", "The department in which the machine is. Looked up in batches."
    )
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="MachineConnection", description="Machines, as the source sent them.")
class MachineConnectionObject:
    nodes: list[MachineObject]
    page_info: PageInfoObject = nested_page_info()


@strawberry.type(name="ProductionStep", description="A step of production that is done at a scanning station.")
class ProductionStepObject:
    source_id: str = source_id()
    name: str
    notes: str | None
    leveling_factor: str | None = attribute("A decimal number, exactly as the source wrote it.")
    allowances: str | None = attribute("A decimal number, exactly as the source wrote it.")
    labor_rate: JSON | None
    labor_time: JSON | None
    overhead_rate: JSON | None
    production: JSON | None
    consumptions: JSON | None
    machines: list[MachineObject] | None
    scanning_station: Annotated["ScanningStationObject", _Lazy] | None
    in_steps: list[Annotated["ProductionStepObject", _Lazy]] | None = attribute("The steps before this one.")
    out_steps: list[Annotated["ProductionStepObject", _Lazy]] | None = attribute("The steps after this one.")
    department: Annotated["DepartmentObject", _Lazy] | None = reference(
        "department", "The department in which the step is done. Looked up in batches."
    )
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="ProductionStepConnection", description="Production steps, as the source sent them.")
class ProductionStepConnectionObject:
    nodes: list[ProductionStepObject]
    page_info: PageInfoObject = nested_page_info()


@strawberry.type(name="ScanningStation", description="A station at which batches are scanned during production.")
class ScanningStationObject:
    source_id: str = source_id()
    name: str
    notes: str | None
    type: str = attribute(
        "For example `init_batch`, `merge_batch`, `move_batch` or `split_batch`. The source may add values."
    )
    label_size: str | None = attribute("For example `1x3`.")
    label_type: str | None = attribute("For example `tag` or `traveler`.")
    material_check_required: bool | None
    department: Annotated["DepartmentObject", _Lazy] | None = reference(
        "department", "The department in which the station is. Looked up in batches."
    )
    production_steps: ProductionStepConnectionObject | None
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="ScanningStationConnection", description="Scanning stations, as the source sent them.")
class ScanningStationConnectionObject:
    nodes: list[ScanningStationObject]
    page_info: PageInfoObject = nested_page_info()


@strawberry.type(name="Department", description="A department in which users of the `account` source work.")
class DepartmentObject(NodeInterface):
    source_id: str = source_id()
    name: str
    notes: str | None
    location: LocationObject | None = expansion("location", "The location of the department. Looked up in batches.")
    scanning_stations: ScanningStationConnectionObject | None = expansion(
        "scanning_stations", "The scanning stations of the department. Looked up in batches."
    )
    machines: MachineConnectionObject | None = expansion(
        "machines", "The machines of the department. Looked up in batches."
    )
    created_at: DateTime | None
    updated_at: DateTime | None

    is_type_of = is_record(model.Department)
