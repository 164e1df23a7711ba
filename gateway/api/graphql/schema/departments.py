"""Departments, and the locations, scanning stations, machines and production steps of a department."""

from typing import Annotated

import strawberry

from gateway.api.graphql.schema.fields import (
    CREATED,
    UPDATED,
    attribute,
    detail,
    expanded_reference,
    expansion,
    is_record,
    source_id,
)
from gateway.api.graphql.schema.nodes import NodeInterface, PageInfoObject, nested_page_info
from gateway.api.graphql.schema.scalars import JSON, DateTime
from gateway.users import model

__all__ = ["DepartmentObject"]

_Lazy = strawberry.lazy("gateway.api.graphql.schema.departments")


@strawberry.type(name="Location", description="A building or a part of one, down to a single shelf or bin.")
class LocationObject(NodeInterface):
    source_id: str = source_id()
    name: str = attribute("The name of the location.")
    type: str = attribute(
        "The kind of location, for example `building`, `section`, `aisle`, `rack`, `shelf` or `bin`; the source may "
        "add values."
    )
    parent: Annotated["LocationObject", _Lazy] | None = expansion(
        "parent", "The location that this one is a part of; null if there is none. Looked up in batches."
    )
    children: Annotated["LocationListObject", _Lazy] | None = expansion(
        "children", "The parts of this location. Looked up in batches."
    )
    created_at: DateTime | None = detail("created_at", CREATED, usually_sent=False)
    updated_at: DateTime | None = detail("updated_at", UPDATED, usually_sent=False)

    is_type_of = is_record(model.Location)


@strawberry.type(
    name="LocationList", description="A list of locations inside another record: the ones that its source sent along."
)
class LocationListObject:
    nodes: list[LocationObject] = attribute("The locations, in the order of the source.")
    page_info: PageInfoObject = nested_page_info()


@strawberry.type(name="Machine", description="A machine that stands in a department.")
class MachineObject(NodeInterface):
    source_id: str = source_id()
    name: str = attribute("The name of the machine.")
    serial_number: str | None = detail("serial_number", "The serial number that the manufacturer gave to the machine.")
    notes: str | None = detail("notes", "What was noted about the machine, as free text.")
    department: Annotated["DepartmentObject", _Lazy] | None = expanded_reference(
        "department", "The department in which the machine is. Looked up in batches."
    )
    created_at: DateTime | None = detail("created_at", CREATED)
    updated_at: DateTime | None = detail("updated_at", UPDATED)

    is_type_of = is_record(model.Machine)


@strawberry.type(
    name="MachineList", description="A list of machines inside another record: the ones that its source sent along."
)
class MachineListObject:
    nodes: list[MachineObject] = attribute("The machines, in the order of the source.")
    page_info: PageInfoObject = nested_page_info()


@strawberry.type(
    name="ProductionStep",
    description=(
        "A step of production that is done at a scanning station. A station sends little more than the name of a step: "
        "the other fields are looked up in batches."
    ),
)
class ProductionStepObject(NodeInterface):
    source_id: str = source_id()
    name: str = attribute("The name of the production step.")
    notes: str | None = detail("notes", "What was noted about the step, as free text.", usually_sent=False)
    leveling_factor: str | None = detail(
        "leveling_factor",
        "The leveling factor of the work: a decimal number, exactly as the source wrote it.",
        usually_sent=False,
    )
    allowances: str | None = detail(
        "allowances",
        "The allowances that are added to the time: a decimal number, exactly as the source wrote it.",
        usually_sent=False,
    )
    labor_rate: JSON | None = detail(
        "labor_rate", "The labor rate of the step, as the source sent it.", usually_sent=False
    )
    labor_time: JSON | None = detail(
        "labor_time", "The labor time of the step, as the source sent it.", usually_sent=False
    )
    overhead_rate: JSON | None = detail(
        "overhead_rate", "The overhead rate of the step, as the source sent it.", usually_sent=False
    )
    production: JSON | None = detail("production", "What the step produces, as the source sent it.", usually_sent=False)
    consumptions: JSON | None = detail(
        "consumptions", "What the step consumes, as the source sent it.", usually_sent=False
    )
    machines: list[MachineObject] | None = expansion("machines", "The machines that the step needs.")
    scanning_station: Annotated["ScanningStationObject", _Lazy] | None = expansion(
        "scanning_station", "The station at which the step is done."
    )
    in_steps: list[Annotated["ProductionStepObject", _Lazy]] | None = expansion(
        "in_steps", "The steps before this one."
    )
    out_steps: list[Annotated["ProductionStepObject", _Lazy]] | None = expansion(
        "out_steps", "The steps after this one."
    )
    department: Annotated["DepartmentObject", _Lazy] | None = expanded_reference(
        "department", "The department in which the step is done."
    )
    created_at: DateTime | None = detail("created_at", CREATED, usually_sent=False)
    updated_at: DateTime | None = detail("updated_at", UPDATED, usually_sent=False)

    is_type_of = is_record(model.ProductionStep)


@strawberry.type(
    name="ProductionStepList",
    description="A list of production steps inside another record: the ones that its source sent along.",
)
class ProductionStepListObject:
    nodes: list[ProductionStepObject] = attribute("The steps, in the order of the source.")
    page_info: PageInfoObject = nested_page_info()


@strawberry.type(name="ScanningStation", description="A station at which batches are scanned during production.")
class ScanningStationObject(NodeInterface):
    source_id: str = source_id()
    name: str = attribute("The name of the scanning station.")
    notes: str | None = detail("notes", "What was noted about the station, as free text.")
    type: str = detail(
        "type",
        "What is done at the station, for example `init_batch`, `merge_batch`, `move_batch` or `split_batch`; the "
        "source may add values. Empty if the source no longer has the station.",
        if_gone="",
    )
    label_size: str | None = detail("label_size", "The size of the labels of the station, for example `1x3`.")
    label_type: str | None = detail(
        "label_type", "The kind of the labels of the station, for example `tag` or `traveler`."
    )
    material_check_required: bool | None = detail(
        "material_check_required", "Whether the operator has to check the material before a scan."
    )
    department: Annotated["DepartmentObject", _Lazy] | None = expanded_reference(
        "department", "The department in which the station is. Looked up in batches."
    )
    production_steps: ProductionStepListObject | None = expansion(
        "production_steps", "The production steps that are done at the station. Looked up in batches."
    )
    created_at: DateTime | None = detail("created_at", CREATED)
    updated_at: DateTime | None = detail("updated_at", UPDATED)

    is_type_of = is_record(model.ScanningStation)


@strawberry.type(
    name="ScanningStationList",
    description="A list of scanning stations inside another record: the ones that its source sent along.",
)
class ScanningStationListObject:
    nodes: list[ScanningStationObject] = attribute("The stations, in the order of the source.")
    page_info: PageInfoObject = nested_page_info()


@strawberry.type(
    name="Department", description="A department of an account of OpenMRP, in which users of the `ACCOUNT` source work."
)
class DepartmentObject(NodeInterface):
    source_id: str = source_id()
    name: str = attribute("The name of the department.")
    notes: str | None = detail("notes", "What was noted about the department, as free text.")
    location: LocationObject | None = expansion("location", "The location of the department. Looked up in batches.")
    scanning_stations: ScanningStationListObject | None = expansion(
        "scanning_stations", "The scanning stations of the department. Looked up in batches."
    )
    machines: MachineListObject | None = expansion("machines", "The machines of the department. Looked up in batches.")
    created_at: DateTime | None = detail("created_at", CREATED)
    updated_at: DateTime | None = detail("updated_at", UPDATED)

    is_type_of = is_record(model.Department)
