"""The fields that make the API a subgraph: `_entities`, which resolves representations of records, and `_service`.

Of a router, a representation of a record is all that another subgraph knows of it: its type and one of its keys, for
example `{"__typename": "User", "source": "ACCOUNT", "sourceId": "acus_1"}`.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any, get_args

import strawberry
from strawberry.types.base import get_object_definition

from gateway.api.graphql.execution.errors import ClientName
from gateway.api.graphql.federation.subgraph import subgraph_sdl
from gateway.api.graphql.limits.directives import Cost, ListSize
from gateway.api.graphql.schema.departments import (
    DepartmentObject,
    LocationObject,
    MachineObject,
    ProductionStepObject,
    ScanningStationObject,
)
from gateway.api.graphql.schema.fields import Info, attribute
from gateway.api.graphql.schema.queries import QueryObject
from gateway.api.graphql.schema.roles import AccountObject, RoleObject
from gateway.api.graphql.schema.scalars import Representation
from gateway.api.graphql.schema.users import OrganizationObject, UserObject
from gateway.errors import BadUserInput, Rule
from gateway.users.ids import SOURCES_OF_KINDS, Kind, Ref
from gateway.users.model import UserSource
from gateway.users.service import UserService

__all__ = ["SubgraphQueryObject"]

Entity = Annotated[
    UserObject
    | OrganizationObject
    | RoleObject
    | AccountObject
    | DepartmentObject
    | LocationObject
    | MachineObject
    | ScanningStationObject
    | ProductionStepObject,
    strawberry.union("_Entity", description="A record that other subgraphs can refer to: each that `node` finds."),
]
_MAX_ENTITIES = 1_000  # 50 ms if each of them is wrong. The limits on values and costs are reached before, as a rule
_NAMES = {get_object_definition(type_, strict=True).name for type_ in get_args(get_args(Entity)[0])}
_KINDS: Mapping[str, Kind] = {kind.value: kind for kind in Kind if kind.value in _NAMES}


@strawberry.type(name="_Service", description="What this subgraph states about itself.")
class ServiceObject:
    sdl: str = attribute("The schema of the subgraph with the directives of Apollo Federation, as routers compose it.")


@strawberry.type(name="Query", description=get_object_definition(QueryObject, strict=True).description)
class SubgraphQueryObject(QueryObject):
    """The root of queries of a subgraph."""

    @strawberry.field(
        name="_entities",
        description=(
            "Resolve the records that a router requests by their keys, in the order of the representations; null for "
            "each that has no record. Records of one kind are read in batches."
        ),
        directives=[ListSize(slicing_arguments=["representations"])],
    )
    async def entities(
        self,
        info: Info,
        representations: Annotated[
            list[Representation],
            strawberry.argument(
                description="The type and a key of each record: its global id, or its id in its source.",
                directives=[Cost(weight="10")],
            ),
        ],
    ) -> list[Entity | None]:
        if len(representations) > _MAX_ENTITIES:
            message = f"must not have more than {_MAX_ENTITIES} entities"
            raise BadUserInput.at(("representations",), message, Rule.MAX_ITEMS, max=_MAX_ENTITIES)
        calls = (_record(info, index, representation) for index, representation in enumerate(representations))
        # An exception in the list becomes the error of one record only.
        found: Any = await asyncio.gather(*calls, return_exceptions=True)
        return found

    @strawberry.field(
        name="_service",
        description="Read the schema of this subgraph, to compose it with others.",
        directives=[Cost(weight="100")],
    )
    def service(self, info: Info) -> ServiceObject:  # noqa: ARG002 - compiled operations call a resolver with an `info`
        return ServiceObject(sdl=subgraph_sdl())


async def _record(info: Info, index: int, representation: object) -> Any:
    service = info.context.service
    ref = _ref(service, representation, ("representations", index))
    found = await service.get(ref, loaders=info.context.loaders)
    if info.context.stale.report.stale:
        info.context.stale.mark(ref, info.path.add_key(index, None))
    return found


def _ref(service: UserService, representation: object, path: tuple[str | int, ...]) -> Ref:
    """Return the reference in a representation. Fields that are in no key are ignored: a router may send more.

    Raises:
        BadUserInput: it is no object, has no type or another one than an entity, or no whole key.
    """
    if not isinstance(representation, Mapping):
        raise BadUserInput.at(path, "must be an object", Rule.TYPE, type="object")
    type_name = representation.get("__typename")
    kind = _KINDS.get(type_name) if isinstance(type_name, str) else None
    if kind is None:
        of_type = (*path, ClientName("__typename"))
        raise BadUserInput.at(of_type, "is not an entity of this subgraph", Rule.ENUM, values=tuple(_KINDS))
    if representation.get("id") is not None:
        return service.ref(kind, _text(representation, "id", path), path=(*path, "id"))
    source = SOURCES_OF_KINDS.get(kind)
    if source is None:
        source = UserSource.__members__.get(_text(representation, "source", path))
        if source is None:
            names = tuple(UserSource.__members__)
            raise BadUserInput.at((*path, "source"), f"must be one of {', '.join(names)}", Rule.ENUM, values=names)
    return service.ref(kind, _text(representation, "sourceId", path), source, path=(*path, "sourceId"))


def _text(representation: Mapping[str, object], name: str, path: tuple[str | int, ...]) -> str:
    value = representation.get(name)
    if isinstance(value, str):
        return value
    if value is None:
        raise BadUserInput.at((*path, name), "is required, because there is no `id`", Rule.REQUIRED)
    raise BadUserInput.at((*path, name), "must be a string", Rule.TYPE, type="string")
