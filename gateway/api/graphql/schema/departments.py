"""Departments, and the places, stations, machines and steps in them."""

from typing import Annotated

import strawberry

from gateway.api.graphql.schema.fields import attribute, expansion, is_record, reference
from gateway.api.graphql.schema.nodes import Node, PageInfo, lists
from gateway.api.graphql.schema.scalars import JSON, DateTime
from gateway.users import model

__all__ = ["Department"]

_Lazy = strawberry.lazy("gateway.api.graphql.schema.departments")


@strawberry.type(description="A place: a building, or a part of one.")
class Location:
    source_id: str
    name: str
    type: str = attribute("building, section, aisle, rack, shelf, bin, …: the source adds words.")
    parent: Annotated["Location", _Lazy] | None = attribute("The place around it; null at the top, or where not sent.")
    children: Annotated["LocationConnection", _Lazy] | None = attribute("The places in it, where they were sent.")
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(description="Places, as the source sent them.")
class LocationConnection:
    nodes: list[Location]
    page_info: PageInfo = lists()


@strawberry.type
class Machine:
    source_id: str
    name: str
    serial_number: str | None
    notes: str | None
    department: Annotated["Department", _Lazy] | None = reference("department", "Where the machine stands.")
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(description="Machines, as the source sent them.")
class MachineConnection:
    nodes: list[Machine]
    page_info: PageInfo = lists()


@strawberry.type
class ProductionStep:
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
    machines: list[Machine] | None
    scanning_station: Annotated["ScanningStation", _Lazy] | None
    in_steps: list[Annotated["ProductionStep", _Lazy]] | None
    out_steps: list[Annotated["ProductionStep", _Lazy]] | None
    department: Annotated["Department", _Lazy] | None = reference("department", "Where the step is done.")
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(description="Steps of production, as the source sent them.")
class ProductionStepConnection:
    nodes: list[ProductionStep]
    page_info: PageInfo = lists()


@strawberry.type
class ScanningStation:
    source_id: str
    name: str
    notes: str | None
    type: str = attribute("init_batch, merge_batch, move_batch, split_batch, …: the source adds words.")
    label_size: str | None
    label_type: str | None
    material_check_required: bool | None
    department: Annotated["Department", _Lazy] | None = reference("department", "Where the station stands.")
    production_steps: ProductionStepConnection | None
    created_at: DateTime | None
    updated_at: DateTime | None


@strawberry.type(description="Scanning stations, as the source sent them.")
class ScanningStationConnection:
    nodes: list[ScanningStation]
    page_info: PageInfo = lists()


@strawberry.type(description="Where users of the account system work.")
class Department(Node):
    source_id: str
    name: str
    notes: str | None
    location: Location | None = expansion("location", "The place where the department works. Looked up in batches.")
    scanning_stations: ScanningStationConnection | None = expansion(
        "scanning_stations", "The department's scanning stations. Looked up in batches."
    )
    machines: MachineConnection | None = expansion("machines", "The department's machines. Looked up in batches.")
    created_at: DateTime | None
    updated_at: DateTime | None

    is_type_of = is_record(model.Department)
