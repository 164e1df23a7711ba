"""Each case is executed by GraphQL, gRPC and Connect, with the same data and the same codes as results."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from google.rpc import status_pb2

from usergateway.v1 import users_pb2

TYPES = users_pb2.DESCRIPTOR.message_types_by_name
SOURCES = {None: 0, "ACCOUNT": 1, "SOFTWAREONE": 2, "RESELLER": 3}
ADA, PLAIN = ("acus_adalovelace1", "ACCOUNT"), ("acus_plainperson1", "ACCOUNT")
MARKET, RESELLER = ("USR-0000-0001", "SOFTWAREONE"), ("00000000-0000-4000-8000-000000000001", "RESELLER")

USER_FIELDS = [
    *(field.name for field in TYPES["User"].fields if field.message_type is None),
    *("phone.prefix", "phone.number", "settings.culture_code", "settings.language_code", "company"),
    *("platform_user.id", "platform_user.source_id", "platform_user.created_at", "platform_user.updated_at"),
    *(f"accounts.nodes.{name}" for name in ("id", "source_id", "name", "type", "status", "image_url")),
    *("current_account.id", "current_account.source_id", "created_by.id", "created_by.name", "updated_by.image_url"),
    *(f"role.{name}" for name in ("id", "source", "source_id", "name", "type", "source_type", "created_at")),
    *(f"department.{name}" for name in ("id", "source_id", "name", "notes", "created_at", "updated_at")),
]
ROLE_FIELDS = [
    *("role.owner.type", "role.permissions"),
    *(f"role.owner.account.{name}" for name in ("id", "source_id", "name", "created_at", "updated_at")),
    *(f"role.owner.account.branding.{field.name}" for field in TYPES["Branding"].fields),
    *("role.owner.account.portal.id", "role.owner.account.portal.source_id", "role.owner.account.portal.slug"),
    *(
        f"role.owner.account.default_{which}_address.{name}"
        for which in ("billing", "shipping")
        for name in ("id", "source_id", "name", "phone", "email", "is_drop_ship", "geolocation.street_line1")
    ),
    *(f"role.owner.account.default_billing_address.geolocation.{field.name}" for field in TYPES["Geolocation"].fields),
]
_STATION = "department.scanning_stations.nodes"
_STEP = f"{_STATION}.production_steps.nodes"
DEPARTMENT_FIELDS = [
    *(
        f"department.location.{name}"
        for name in ("id", "source_id", "name", "type", "parent.id", "children.nodes.name")
    ),
    *("department.location.parent.created_at", "department.location.children.page_info.next_cursor"),
    *("department.location.children.page_info.has_next_page", "department.machines.page_info.has_previous_page"),
    *(f"department.machines.nodes.{field.name}" for field in TYPES["Machine"].fields if field.message_type is None),
    "department.machines.nodes.department.name",
    *(f"{_STATION}.{field.name}" for field in TYPES["ScanningStation"].fields if field.message_type is None),
    *(
        f"{_STEP}.{field.name}"
        for field in TYPES["ProductionStep"].fields
        if field.message_type is None or field.message_type.name == "Value"
    ),
    *(f"{_STEP}.{name}.nodes.name" for name in ("machines", "in_steps", "out_steps")),
    *(f"{_STEP}.scanning_station.name", f"{_STEP}.department.name"),
]
ORGANIZATION_FIELDS = [
    *("organization.id", "organization.address.city", "organization.address.address_line1"),
    *(f"organization.{field.name}" for field in TYPES["Organization"].fields if field.message_type is None),
]
FAULTS: list[dict[str, Any]] = [
    *({"kind": "status", "status": status} for status in (401, 402, 403, 500, 503)),
    {"kind": "status", "status": 429, "retryAfter": 90},
    *({"kind": kind} for kind in ("html", "garbage", "half-body", "hangup-before")),
]


@dataclass(frozen=True, slots=True)
class SurfaceResult:
    """The result of a surface, in a form that both surfaces are converted into."""

    data: Any = None
    code: str | None = None
    facts: dict[str, str] = field(default_factory=dict)
    violations: list[tuple[str, str]] = field(default_factory=list)
    partial: dict[str, str] = field(default_factory=dict)


@pytest.mark.parametrize("user", [ADA, PLAIN, MARKET, RESELLER])
@pytest.mark.parametrize("paths", [USER_FIELDS, ROLE_FIELDS, DEPARTMENT_FIELDS, ORGANIZATION_FIELDS])
async def test_a_user(world: Any, user: tuple[str, str], paths: list[str]) -> None:
    """All fields of a user, at every depth, are equal."""
    by_graphql, by_grpc = await read(world, "user", "GetUser", paths, id=user[0], source=user[1])
    assert by_graphql == by_grpc
    assert by_grpc.code is None


@pytest.mark.parametrize(
    ("id_", "source"),
    [
        ("raw", None),
        ("nobody", "ACCOUNT"),
        ("USR-9999-9999", "SOFTWAREONE"),
        ("..", "RESELLER"),
        ("ZzE6Um9sZTphY2NvdW50OjpybF9hZG1pbjAwMDAwMDA", None),
        ("ZzE6VXNlcjphY2NvdW50OjphY3VzX2FkYWxvdmVsYWNlMQ", "RESELLER"),
        ("ZzE6VXNlcjphY2NvdW50OjphY3VzX2FkYWxvdmVsYWNlMQ", None),
    ],
)
async def test_ids(world: Any, id_: str, source: str | None) -> None:
    """Ids are accepted or refused equally; a missing user is null in GraphQL and NOT_FOUND in gRPC."""
    by_graphql, by_grpc = await read(world, "user", "GetUser", ["name"], id=id_, source=source)
    assert by_graphql == by_grpc


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("user", [ADA, MARKET, RESELLER])
async def test_a_failing_source(open_world: Any, fault: dict[str, Any], user: tuple[str, str]) -> None:
    """A failing source results in the same code and the same facts."""
    planned = {"source": user[1].lower(), **fault}
    by_graphql, by_grpc = await read_separately(open_world, planned, ["name"], id=user[0], source=user[1])
    assert by_graphql == by_grpc
    assert by_grpc.code
    assert by_grpc.facts["source"] == user[1]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_a_failing_lookup(open_world: Any, fault: dict[str, Any]) -> None:
    """A failed lookup results in the same data, and the same codes at the same paths."""
    planned = {"source": "account", "path": "/v1/identity/roles", **fault}
    paths = ["name", "role.name", "role.owner.type", "role.permissions", "department.location.name"]
    by_graphql, by_grpc = await read_separately(open_world, planned, paths, id=ADA[0], source=ADA[1])
    assert by_graphql == by_grpc
    assert by_grpc.partial.keys() == {"role.owner", "role.permissions"}


@pytest.mark.parametrize(
    ("field_", "method", "id_", "kind"),
    [
        ("role", "GetRole", "rl_admin0000000", "role."),
        ("role", "GetRole", "rl_nothing", "role."),
        ("department", "GetDepartment", "dp_assembly0000", "department."),
        ("department", "GetDepartment", "ZzE6Um9sZTphY2NvdW50OjpybF9hZG1pbjAwMDAwMDA", "department."),
    ],
)
async def test_reference_data(world: Any, field_: str, method: str, id_: str, kind: str) -> None:
    """Roles and departments by id are equal in all fields."""
    paths = [
        path.removeprefix(kind) for path in (*USER_FIELDS, *ROLE_FIELDS, *DEPARTMENT_FIELDS) if path.startswith(kind)
    ]
    by_graphql, by_grpc = await read(world, field_, method, paths, id=id_)
    assert by_graphql == by_grpc


@pytest.mark.parametrize(
    ("filter_", "size"),
    [
        (None, 200),
        (None, 5),
        ({"sources": ["SOFTWAREONE", "RESELLER"]}, 200),
        ({"search": "a"}, 200),
        ({"email": "ADA.lovelace@example.com"}, 200),
        ({"roleType": "ADMIN"}, 200),
        ({"includeRemoved": True}, 200),
        ({"resellerId": ".."}, 200),
        ({"search": "x" * 501}, 200),
        ({"email": "x" * 321}, 200),
        ({"resellerId": "unknown-reseller", "sources": ["RESELLER"]}, 200),
    ],
)
async def test_lists(world: Any, filter_: dict[str, Any] | None, size: int) -> None:
    """Filtered lists have the same users in the same order."""
    paths = ["id", "name", "email", "status", "role.name", "role.owner.type", "department.location.name"]
    criteria = filter_ or {}
    result = await world.gateway.execute(
        f"query ($f: UserFilter) {{ users(first: {size}, filter: $f) {{ nodes {{ {graphql('User', paths)} }}"
        " unavailable { source code } pageInfo { hasNextPage } } }",
        {"f": filter_},
    )
    grpc_filter = {snake(name): value for name, value in criteria.items()}
    grpc_filter |= {"sources": [SOURCES[name] for name in criteria["sources"]]} if "sources" in criteria else {}
    grpc_filter |= {"role_type": f"ROLE_TYPE_{criteria['roleType']}"} if "roleType" in criteria else {}
    mask = FieldMask(paths=paths)
    request = users_pb2.ListUsersRequest(page_size=size, filter=grpc_filter, read_mask=mask)
    by_grpc = await grpc_result(world, world.start("ListUsers", request))
    by_connect = await connect_result(world, "ListUsers", request)
    for surface in (by_grpc, by_connect):  # tokens differ each time
        if "next_page_token" in (surface.data or {}):
            surface.data["next_page_token"] = True
    assert by_connect == by_grpc
    by_graphql = graphql_result(result, "users")
    assert (by_graphql.code, by_graphql.violations) == (by_grpc.code, by_grpc.violations)
    if by_grpc.code is None:
        page = by_graphql.data
        assert page.get("nodes", []) == by_grpc.data.get("users", [])
        assert page["unavailable"] == by_grpc.data.get("unavailable", [])
        assert page["page_info"].get("has_next_page", False) == bool(by_grpc.data.get("next_page_token"))


@pytest.mark.parametrize(("field_", "method"), [("roles", "ListRoles"), ("departments", "ListDepartments")])
async def test_lists_of_reference_data(world: Any, field_: str, method: str) -> None:
    """Lists have the same roles and departments in the same order."""
    result = await world.gateway.execute(f"{{ {field_}(first: 3) {{ nodes {{ id name createdAt }} }} }}")
    by_grpc = await world.get(method, page_size=3, read_mask=FieldMask(paths=["id", "name", "created_at"]))
    assert graphql_result(result, field_).data["nodes"] == canonical(by_grpc)[field_]


@pytest.mark.parametrize("email", ["ada.lovelace@example.com", "nobody@example.com", " ", "x" * 321])
async def test_a_person(world: Any, email: str) -> None:
    """The users of one person are equal."""
    paths = ["id", "source", "name", "role.owner.type", "organization.name"]
    result = await world.gateway.execute(
        f"query ($e: String!) {{ person(email: $e) {{ email users {{ {graphql('User', paths)} }} }} }}", {"e": email}
    )
    request = users_pb2.FindPersonRequest(email=email, read_mask=FieldMask(paths=paths))
    by_grpc = await grpc_result(world, world.start("FindPerson", request))
    assert await connect_result(world, "FindPerson", request, as_json=True) == by_grpc
    by_graphql = graphql_result(result, "person")
    assert (by_graphql.code, by_graphql.violations) == (by_grpc.code, by_grpc.violations)
    if by_grpc.code is None:
        assert by_graphql.data == {"users": []} | by_grpc.data


@pytest.mark.parametrize(
    ("mutation", "id_", "given"),
    [
        ("CreateAccountUser", None, {"email": "new@example.com", "name": "New", "roleId": "rl_admin0000000"}),
        ("CreateAccountUser", None, {"username": "station-9", "password": "Passw0rd!"}),
        ("CreateAccountUser", None, {}),
        ("CreateAccountUser", None, {"email": "x", "username": "y", "password": "z", "roleId": ".."}),
        ("CreateAccountUser", None, {"email": "grace.hopper@example.com"}),
        ("UpdateAccountUser", ADA[0], {"name": "Ada L.", "departmentId": "dp_returns00000"}),
        ("UpdateAccountUser", ADA[0], {"departmentId": None}),
        ("UpdateAccountUser", ADA[0], {"name": None, "email": "no"}),
        ("UpdateAccountUser", ADA[0], {"roleId": "rl_nothing"}),
        ("UpdateAccountUser", ADA[0], {"preferences": [{"notificationType": "INVOICE", "enabled": True}]}),
        ("UpdateAccountUser", "acus_nobody", {"name": "Nobody"}),
        ("UpdateSoftwareOneUser", MARKET[0], {"firstName": "Augusta", "settings": {"languageCode": "en-GB"}}),
        ("UpdateSoftwareOneUser", MARKET[0], {"phone": None}),
        ("UpdateSoftwareOneUser", MARKET[0], {"firstName": "", "currentAccountId": "ACC-9999-9999"}),
        ("UpdateSoftwareOneUser", MARKET[0], {"currentAccountId": "ACC-9999-9999"}),
        ("UpdateResellerUser", RESELLER[0], {"company": "Engines", "lastName": "", "allowCustomerPortalAccess": True}),
        ("UpdateResellerUser", RESELLER[0], {"firstName": "", "email": None}),
        ("UpdateResellerUser", "00000000-0000-4000-8000-00000000ffff", {"company": "Nobody's"}),
    ],
    ids=str,
)
async def test_changes(open_world: Any, mutation: str, id_: str | None, given: dict[str, Any]) -> None:
    """A change sends the same request to its source, has the same result, and is the same event for subscribers."""
    paths = [
        "name",
        "first_name",
        "last_name",
        "email",
        "username",
        "status",
        "company",
        "role.name",
        "role.owner.type",
    ]
    paths += ["department.location.name", "settings.language_code", "phone.number"]
    name = mutation[0].lower() + mutation[1:]
    target = "" if id_ is None else f'id: "{id_}", '
    async with open_world() as world:
        stream = await start_stream(world)
        result = await world.gateway.execute(
            f"mutation ($i: {mutation}Input!) {{ {name}({target}input: $i) {{ {graphql('User', paths)} }} }}",
            {"i": given},
        )
        by_graphql, requests = graphql_result(result, name), await change_requests(world)
        event = None if by_graphql.code else event_fields(await stream.read(), paths)
    fields: dict[str, Any] = {"user": {snake(key): _proto(value) for key, value in given.items() if value is not None}}
    fields |= {} if id_ is None else {"id": id_, "update_mask": FieldMask(paths=sorted(_mask(given)))}
    for by_connect in (False, True):
        async with open_world() as world:
            stream = await start_stream(world)
            mask = FieldMask(paths=paths)
            if by_connect:
                by_grpc = await connect_result(world, mutation, **fields, read_mask=mask, as_json=True)
            else:
                by_grpc = await grpc_result(world, world.start(mutation, **fields, read_mask=mask))
            assert await change_requests(world) == requests
            assert (None if by_grpc.code else event_fields(await stream.read(), paths)) == event
        assert by_graphql == by_grpc


async def start_stream(world: Any) -> Any:
    """Start a stream of events, and return it when it has started."""
    stream = world.start("WatchUsers")
    await stream.initial_metadata()
    return stream


def event_fields(event: Any, paths: list[str]) -> dict[str, Any]:
    """Return the change of an event, and the plain fields of its user."""
    user = canonical(event.user)
    return {"change": event.change} | {path: user.get(path) for path in paths if "." not in path}


async def read(
    world: Any, field_: str, method: str, paths: list[str], *, only: int | None = None, **arguments: Any
) -> tuple[SurfaceResult, SurfaceResult]:
    """Read by GraphQL and gRPC, or only by GraphQL (0), gRPC (1) or Connect (2); both have the same by Connect."""
    message_type = users_pb2.DESCRIPTOR.services_by_name["UserService"].methods_by_name[method].output_type.name
    graphql_arguments = ", ".join(
        f"{name}: {value}" if name == "source" else f'{name}: "{value}"'
        for name, value in arguments.items()
        if value is not None
    )
    by_graphql = by_grpc = SurfaceResult()
    if only in {None, 0}:
        query = f"{{ {field_}({graphql_arguments}) {{ {graphql(message_type, paths)} }} }}"
        by_graphql = graphql_result(await world.gateway.execute(query), field_)
    if only != 0:
        if "source" in arguments:
            arguments["source"] = SOURCES[arguments["source"]]
        arguments["read_mask"] = FieldMask(paths=paths)
        if only != 2:
            by_grpc = await grpc_result(world, world.start(method, **arguments))
        if only is None:
            assert await connect_result(world, method, **arguments) == by_grpc
            assert await connect_result(world, method, **arguments, as_json=True) == by_grpc
        elif only == 2:
            by_grpc = await connect_result(world, method, **arguments)
    return by_graphql, by_grpc


async def read_separately(
    open_world: Any, fault: dict[str, Any], paths: list[str], **arguments: Any
) -> tuple[SurfaceResult, SurfaceResult]:
    """Read by each surface in a separate world, since a failure affects later calls of the same gateway."""
    results = []
    for surface in (0, 1, 2):
        async with open_world() as world:
            await world.fault(times=100, **fault)
            by_graphql, by_other = await read(world, "user", "GetUser", paths, only=surface, **arguments)
            results.append(by_other if surface else by_graphql)
    assert results[1] == results[2]
    return results[0], results[1]


def graphql_result(result: Any, field_: str) -> SurfaceResult:
    """Convert a result of `Gateway.execute`."""
    errors = result.errors or []
    data = (result.data or {}).get(field_)
    if data is None:
        if not errors:
            return SurfaceResult(code="NOT_FOUND")
        [error] = errors
        extensions = dict(error.extensions)
        violations = [
            (_grpc_field(violation["field"]), violation["message"]) for violation in extensions.pop("violations", [])
        ]
        return SurfaceResult(None, extensions.pop("code"), _facts(extensions), violations)
    partial = {".".join(snake(name) for name in error.path[1:]): error.extensions["code"] for error in errors}
    return SurfaceResult(_snaked(data), partial=partial)


async def grpc_result(world: Any, call: Any) -> SurfaceResult:
    """Convert the response or the failure of a call by gRPC."""
    try:
        message = await call
    except grpc.aio.AioRpcError as error:
        trailers = dict(error.trailing_metadata() or ())
        return _failed(world, status_pb2.Status.FromString(trailers["grpc-status-details-bin"]))
    return _succeeded(world, message, dict(await call.trailing_metadata()))


async def connect_result(world: Any, method: str, request: Any = None, **fields: Any) -> SurfaceResult:
    """Make a call by Connect, and convert its response or its failure."""
    result = await world.by_connect(method, request, **fields)
    assert result.trailers["x-request-id"] == result.headers["X-Request-ID"]
    if result.failure is not None:
        return _failed(world, result.failure)
    return _succeeded(world, result.message, result.trailers)


def _failed(world: Any, status: status_pb2.Status) -> SurfaceResult:
    failure = world.parse_status(status)
    is_missing = failure.reason == "NOT_FOUND" and not failure.metadata.get("source")
    return SurfaceResult(None, failure.reason, {} if is_missing else _facts(failure.metadata), failure.violations)


def _succeeded(world: Any, message: Any, trailers: Any) -> SurfaceResult:
    errors = users_pb2.PartialErrors.FromString(trailers.get("usergateway-partial-errors-bin", b"")).errors
    partial = {path: world.parse_status(error.status).reason for error in errors for path in error.paths}
    return SurfaceResult(canonical(message), partial=partial)


def _facts(metadata: Any) -> dict[str, str]:
    # Request ids differ in each call.
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in metadata.items()
        if name not in {"requestId", "sourceRequestId"}
    }


async def change_requests(world: Any) -> list[Any]:
    """Return the requests of changes to the sources."""
    calls = [call for call in await world.calls() if call["method"] != "GET"]
    return [(call["source"], call["method"], call["path"], _parts(call["body"])) for call in calls]


def _parts(body: Any) -> Any:
    return body if isinstance(body, str) else [(part["name"], part.get("text")) for part in body]


def graphql(message_type: str, paths: Iterable[str]) -> str:
    """Return the GraphQL selection for the paths of a mask."""
    subpaths_by_name: dict[str, list[str]] = {}
    for path in paths:
        name, _, rest = path.partition(".")
        subpaths_by_name.setdefault(name, []).append(rest)
    selections: list[str] = []
    for name, subpaths in subpaths_by_name.items():
        inner = TYPES[message_type].fields_by_name[name].message_type
        if inner is None or inner.name in {"Value", "PermissionList"}:
            selections.append(camel(name))
        elif inner.name.endswith("List"):
            item = inner.fields_by_name["nodes"].message_type.name
            selection = graphql(item, [path.removeprefix("nodes.") for path in subpaths])
            selections.append(f"{camel(name)} {{ {selection} }}")
        else:
            selections.append(f"{camel(name)} {{ {graphql(inner.name, subpaths)} }}")
    return " ".join(selections)


def canonical(message: Any) -> Any:
    """Convert a message into the shape of GraphQL: without wrappers, with short enum values, without unset fields."""
    fields: dict[str, Any] = {}
    for descriptor, value in message.ListFields():
        name, enum_type = descriptor.name, descriptor.enum_type
        if descriptor.message_type is None:
            prefix = enum_type and enum_type.values[0].name.removesuffix("UNSPECIFIED")
            if descriptor.is_repeated:
                fields[name] = list(value)
            else:
                fields[name] = enum_type.values_by_number[value].name.removeprefix(prefix) if prefix else value
        elif descriptor.message_type.name == "Value":
            fields[name] = MessageToDict(value)
        elif descriptor.is_repeated:
            fields[name] = [canonical(item) for item in value]
        elif descriptor.message_type.name.endswith("List"):
            fields[name] = [item if isinstance(item, str) else canonical(item) for item in value.nodes]
        else:
            fields[name] = canonical(value)
    return fields


def _snaked(value: Any) -> Any:
    """Return GraphQL data by the names of the .proto, without null, and without values that are unset in messages."""
    if isinstance(value, list):
        return [_snaked(item) for item in value]
    if not isinstance(value, dict):
        return value
    fields = {
        snake(name): item if _is_json(name) else _snaked(item) for name, item in value.items() if item is not None
    }
    # Fields without presence in the .proto are not sent if they have their default.
    without_presence = {"omitted_fields", "nodes", "has_next_page", "has_previous_page"}
    return {name: item for name, item in fields.items() if item or name not in without_presence}


def _is_json(name: str) -> bool:
    return name in {"laborRate", "laborTime", "overheadRate", "production", "consumptions"}


def _proto(value: Any) -> Any:
    if isinstance(value, dict):
        return {snake(name): _proto(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_proto(item) for item in value]
    return f"NOTIFICATION_TYPE_{value}" if value == "INVOICE" else value


def _mask(given: dict[str, Any], parent: str = "") -> Iterable[str]:
    for name, value in given.items():
        if isinstance(value, dict):
            yield from _mask(value, f"{parent}{snake(name)}.")
        else:
            yield f"{parent}{snake(name)}"


def snake(name: Any) -> str:
    """Convert `addressLine1` into `address_line1`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", str(name)).lower()


def camel(name: str) -> str:
    """Convert `address_line1` into `addressLine1`."""
    return re.sub(r"_([a-z0-9])", lambda match: match[1].upper(), name)


def _grpc_field(name: str) -> str:
    return re.sub(r"\.(\d+)", r"[\1]", snake(name)).replace("input", "user", 1)
