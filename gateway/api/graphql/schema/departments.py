"""Departments, and the places, stations, machines and steps in them."""

from typing import Annotated

import strawberry

from gateway.api.graphql.schema.fields import attribute, expansion, is_record, reference
from gateway.api.graphql.schema.nodes import NodeInterface, PageInfoObject, lists
from gateway.api.graphql.schema.scalars import JSON, DateTime
from gateway.users import model

__all__ = ["DepartmentObject"]

_Lazy = strawberry.lazy("gateway.api.graphql.schema.departments")


@strawberry.type(name="Location", description="A place: a building, or a part of one.")
class LocationObject:
    source_id: str
    name: str
    type: str = attribute("building, section, aisle, rack, shelf, bin, …: the source adds words.")
    parent: Annotated["LocationObject", _Lazy] | None = attribute(
        "The place around it; null at the top, or where not sent."
    )
    children: Annotated["LocationConnectionObject", _Lazy] | None = attribute("The places in it, where they were sent.")
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="LocationConnection", description="Places, as the source sent them.")
class LocationConnectionObject:
    nodes: list[LocationObject]
    page_info: PageInfoObject = lists()


@strawberry.type(name="Machine")
class MachineObject:
    source_id: str
    name: str
    serial_number: str | None
    notes: str | None
    department: Annotated["DepartmentObject", _Lazy] | None = reference("department", "Where the machine stands.")
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="MachineConnection", description="Machines, as the source sent them.")
class MachineConnectionObject:
    nodes: list[MachineObject]
    page_info: PageInfoObject = lists()


@strawberry.type(name="ProductionStep")
class ProductionStepObject:
    source_id: str
    name: str
    notes: str | None
    leveling_factor: str | None = attribute("A decimal, as the source wrote it: nothing is rounded.")
    allowances: str | None = attribute("A decimal, as the source wrote it.")
    labor_rate: JSON | None
    labor_time: JSON | None
    overhead_rate: JSON | None
    production: JSON | None
    consumptions: JSON | None
    machines: list[MachineObject] | None
    scanning_station: Annotated["ScanningStationObject", _Lazy] | None
    in_steps: list[Annotated["ProductionStepObject", _Lazy]] | None
    out_steps: list[Annotated["ProductionStepObject", _Lazy]] | None
    department: Annotated["DepartmentObject", _Lazy] | None = reference("department", "Where the step is done.")
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="ProductionStepConnection", description="Steps of production, as the source sent them.")
class ProductionStepConnectionObject:
    nodes: list[ProductionStepObject]
    page_info: PageInfoObject = lists()


@strawberry.type(name="ScanningStation")
class ScanningStationObject:
    source_id: str
    name: str
    notes: str | None
    type: str = attribute("init_batch, merge_batch, move_batch, split_batch, …: the source adds words.")
    label_size: str | None
    label_type: str | None
    material_check_required: bool | None
    department: Annotated["DepartmentObject", _Lazy] | None = reference("department", "Where the station stands.")
    production_steps: ProductionStepConnectionObject | None
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(name="ScanningStationConnection", description="Scanning stations, as the source sent them.")
class ScanningStationConnectionObject:
    nodes: list[ScanningStationObject]
    page_info: PageInfoObject = lists()


@strawberry.type(name="Department", description="Where users of the account system work.")
class DepartmentObject(NodeInterface):
    source_id: str
    name: str
    notes: str | None
    location: LocationObject | None = expansion(
        "location", "The place where the department works. Looked up in batches."
    )
    scanning_stations: ScanningStationConnectionObject | None = expansion(
        "scanning_stations", "The department's scanning stations. Looked up in batches."
    )
    machines: MachineConnectionObject | None = expansion("machines", "The department's machines. Looked up in batches.")
    created_at: DateTime | None
    updated_at: DateTime | None

    is_type_of = is_record(model.Department)
