"""One table, two surfaces: every case runs through GraphQL and through gRPC, for the same data and the same code."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import MessageToDict
from google.rpc import status_pb2

from gateway.api.grpc.usergateway.v1 import users_pb2

TYPES = users_pb2.DESCRIPTOR.message_types_by_name
SOURCES = {None: 0, "ACCOUNT": 1, "SOFTWAREONE": 2, "RESELLER": 3}
ADA, PLAIN = ("acus_adalovelace1", "ACCOUNT"), ("acus_plainperson1", "ACCOUNT")
MARKET, RESELLER = ("USR-0000-0001", "SOFTWAREONE"), ("00000000-0000-4000-8000-000000000001", "RESELLER")

OWN = [
    *(one.name for one in TYPES["User"].fields if one.message_type is None and one.name != "image_url"),
    *("phone.prefix", "phone.number", "settings.culture_code", "settings.language_code", "company"),
    *(f"accounts.nodes.{name}" for name in ("source_id", "name", "type", "status", "image_url")),
    *("current_account.source_id", "created_by.source_id", "created_by.name", "updated_by.image_url"),
    *(f"role.{name}" for name in ("id", "source", "source_id", "name", "type", "source_type", "created_at")),
    *(f"department.{name}" for name in ("id", "source_id", "name", "notes", "created_at", "updated_at")),
]
OWNERS = [
    *("role.owner.type", "role.permissions"),
    *(f"role.owner.account.{name}" for name in ("source_id", "name", "created_at", "updated_at")),
    *(f"role.owner.account.branding.{one.name}" for one in TYPES["Branding"].fields),
    *("role.owner.account.portal.source_id", "role.owner.account.portal.slug"),
    *(
        f"role.owner.account.default_{which}_address.{name}"
        for which in ("billing", "shipping")
        for name in ("source_id", "name", "phone", "email", "is_drop_ship", "geolocation.street_line1")
    ),
    *(f"role.owner.account.default_billing_address.geolocation.{one.name}" for one in TYPES["Geolocation"].fields),
]
_STATION = "department.scanning_stations.nodes"
_STEP = f"{_STATION}.production_steps.nodes"
PLACES = [
    *(f"department.location.{name}" for name in ("source_id", "name", "type", "parent.name", "children.nodes.name")),
    *("department.location.children.page_info.has_next_page", "department.machines.page_info.has_previous_page"),
    *(f"department.machines.nodes.{one.name}" for one in TYPES["Machine"].fields if one.message_type is None),
    "department.machines.nodes.department.name",
    *(f"{_STATION}.{one.name}" for one in TYPES["ScanningStation"].fields if one.message_type is None),
    *(
        f"{_STEP}.{one.name}"
        for one in TYPES["ProductionStep"].fields
        if one.message_type is None or one.message_type.name == "Value"
    ),
    *(f"{_STEP}.{name}.nodes.name" for name in ("machines", "in_steps", "out_steps")),
    *(f"{_STEP}.scanning_station.name", f"{_STEP}.department.name"),
]
COMPANY = [
    *("organization.id", "organization.address.city", "organization.address.address_line1"),
    *(f"organization.{one.name}" for one in TYPES["Organization"].fields if one.message_type is None),
]
FAULTS: list[dict[str, Any]] = [
    *({"kind": "status", "status": status} for status in (401, 402, 403, 500, 503)),
    {"kind": "status", "status": 429, "retryAfter": 90},
    *({"kind": kind} for kind in ("html", "garbage", "half-body", "hangup-before")),
]


@dataclass(frozen=True, slots=True)
class Said:
    """What a surface answered, in words that both can be brought to."""

    data: Any = None
    code: str | None = None
    facts: dict[str, str] = field(default_factory=dict)
    violations: list[tuple[str, str]] = field(default_factory=list)
    partial: dict[str, str] = field(default_factory=dict)


@pytest.mark.parametrize("who", [ADA, PLAIN, MARKET, RESELLER])
@pytest.mark.parametrize("paths", [OWN, OWNERS, PLACES, COMPANY])
async def test_a_user(world: Any, who: tuple[str, str], paths: list[str]) -> None:
    """Every field of a user, at every depth, is the same."""
    by_graphql, by_grpc = await both(world, "user", "GetUser", paths, id=who[0], source=who[1])
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
    """Every kind of id is understood, or refused, in the same way; nobody is null there and NOT_FOUND here."""
    by_graphql, by_grpc = await both(world, "user", "GetUser", ["name"], id=id_, source=source)
    assert by_graphql == by_grpc


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("who", [ADA, MARKET, RESELLER])
async def test_a_failing_source(open_world: Any, fault: dict[str, Any], who: tuple[str, str]) -> None:
    """A failing source has the same code and the same facts."""
    planned = {"source": who[1].lower(), **fault}
    by_graphql, by_grpc = await apart(open_world, planned, ["name"], id=who[0], source=who[1])
    assert by_graphql == by_grpc
    assert by_grpc.code
    assert by_grpc.facts["source"] == who[1]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
async def test_a_failing_lookup(open_world: Any, fault: dict[str, Any]) -> None:
    """A lookup that fails leaves the same data, and the same codes at the same paths."""
    planned = {"source": "account", "path": "/v1/identity/roles", **fault}
    paths = ["name", "role.name", "role.owner.type", "role.permissions", "department.location.name"]
    by_graphql, by_grpc = await apart(open_world, planned, paths, id=ADA[0], source=ADA[1])
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
    """Roles and departments by id are the same, whole."""
    paths = [path.removeprefix(kind) for path in (*OWN, *OWNERS, *PLACES) if path.startswith(kind)]
    by_graphql, by_grpc = await both(world, field_, method, paths, id=id_)
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
    """The same users in the same order, narrowed in the same way."""
    paths = ["id", "name", "email", "status", "role.name", "role.owner.type", "department.location.name"]
    chosen = filter_ or {}
    answer = await world.gateway.execute(
        f"query ($f: UserFilter) {{ users(first: {size}, filter: $f) {{ nodes {{ {graphql('User', paths)} }}"
        " unavailable { source code } pageInfo { hasNextPage } } }",
        {"f": filter_},
    )
    wanted = {snake(name): value for name, value in chosen.items()}
    wanted |= {"sources": [SOURCES[name] for name in chosen["sources"]]} if "sources" in chosen else {}
    wanted |= {"role_type": f"ROLE_TYPE_{chosen['roleType']}"} if "roleType" in chosen else {}
    mask = FieldMask(paths=paths)
    by_grpc = await said_by_grpc(world, world.start("ListUsers", page_size=size, filter=wanted, read_mask=mask))
    by_graphql = said_by_graphql(answer, "users")
    assert (by_graphql.code, by_graphql.violations) == (by_grpc.code, by_grpc.violations)
    if by_grpc.code is None:
        page = by_graphql.data
        assert page.get("nodes", []) == by_grpc.data.get("users", [])
        assert page["unavailable"] == by_grpc.data.get("unavailable", [])
        assert page["page_info"].get("has_next_page", False) == bool(by_grpc.data.get("next_page_token"))


@pytest.mark.parametrize(("field_", "method"), [("roles", "ListRoles"), ("departments", "ListDepartments")])
async def test_lists_of_reference_data(world: Any, field_: str, method: str) -> None:
    """The same roles and departments in the same order."""
    answer = await world.gateway.execute(f"{{ {field_}(first: 3) {{ nodes {{ id name createdAt }} }} }}")
    by_grpc = await world.get(method, page_size=3, read_mask=FieldMask(paths=["id", "name", "created_at"]))
    assert said_by_graphql(answer, field_).data["nodes"] == canonical(by_grpc)[field_]


@pytest.mark.parametrize("email", ["ada.lovelace@example.com", "nobody@example.com", " ", "x" * 321])
async def test_a_person(world: Any, email: str) -> None:
    """One human's records are the same."""
    paths = ["id", "source", "name", "role.owner.type", "organization.name"]
    answer = await world.gateway.execute(
        f"query ($e: String!) {{ person(email: $e) {{ email users {{ {graphql('User', paths)} }} }} }}", {"e": email}
    )
    by_grpc = await said_by_grpc(world, world.start("FindPerson", email=email, read_mask=FieldMask(paths=paths)))
    by_graphql = said_by_graphql(answer, "person")
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
    """A change sends the same to its source, is answered or refused in the same way, and told to watchers alike."""
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
        watch = await watched(world)
        answer = await world.gateway.execute(
            f"mutation ($i: {mutation}Input!) {{ {name}({target}input: $i) {{ {graphql('User', paths)} }} }}",
            {"i": given},
        )
        by_graphql, sent = said_by_graphql(answer, name), await written(world)
        event = None if by_graphql.code else told(await watch.read(), paths)
    fields: dict[str, Any] = {"user": {snake(key): _proto(value) for key, value in given.items() if value is not None}}
    fields |= {} if id_ is None else {"id": id_, "update_mask": FieldMask(paths=sorted(_mask(given)))}
    async with open_world() as world:
        watch = await watched(world)
        by_grpc = await said_by_grpc(world, world.start(mutation, **fields, read_mask=FieldMask(paths=paths)))
        assert await written(world) == sent
        assert (None if by_grpc.code else told(await watch.read(), paths)) == event
    assert by_graphql == by_grpc


async def watched(world: Any) -> Any:
    """A watch that has begun."""
    watch = world.start("WatchUsers")
    await watch.initial_metadata()
    return watch


def told(event: Any, paths: list[str]) -> dict[str, Any]:
    """What a watcher is told: what happened, and of the paths what stands in the user itself."""
    user = canonical(event.user)
    return {"change": event.change} | {path: user.get(path) for path in paths if "." not in path}


async def both(
    world: Any, field_: str, method: str, paths: list[str], *, only: int | None = None, **arguments: Any
) -> tuple[Said, Said]:
    """A read by both surfaces, or by the first or second of them."""
    kind = users_pb2.DESCRIPTOR.services_by_name["UserService"].methods_by_name[method].output_type.name
    said = ", ".join(
        f"{name}: {value}" if name == "source" else f'{name}: "{value}"'
        for name, value in arguments.items()
        if value is not None
    )
    by_graphql = by_grpc = Said()
    if only != 1:
        answer = await world.gateway.execute(f"{{ {field_}({said}) {{ {graphql(kind, paths)} }} }}")
        by_graphql = said_by_graphql(answer, field_)
    if only != 0:
        if "source" in arguments:
            arguments["source"] = SOURCES[arguments["source"]]
        call = world.start(method, **arguments, read_mask=FieldMask(paths=paths))
        by_grpc = await said_by_grpc(world, call)
    return by_graphql, by_grpc


async def apart(open_world: Any, fault: dict[str, Any], paths: list[str], **arguments: Any) -> tuple[Said, Said]:
    """A read by each surface in a world of its own: a gateway remembers the trouble that a source had."""
    found = []
    for surface in (0, 1):
        async with open_world() as world:
            await world.fault(times=100, **fault)
            found.append((await both(world, "user", "GetUser", paths, only=surface, **arguments))[surface])
    return found[0], found[1]


def said_by_graphql(answer: Any, field_: str) -> Said:
    """A result of `Gateway.execute`."""
    errors = answer.errors or []
    data = (answer.data or {}).get(field_)
    if data is None:
        if not errors:
            return Said(code="NOT_FOUND")
        [error] = errors
        told = dict(error.extensions)
        violations = [(_spelled(one["field"]), one["message"]) for one in told.pop("violations", [])]
        return Said(None, told.pop("code"), _facts(told), violations)
    partial = {".".join(snake(name) for name in error.path[1:]): error.extensions["code"] for error in errors}
    return Said(_snaked(data), partial=partial)


async def said_by_grpc(world: Any, call: Any) -> Said:
    """A call's answer or failure."""
    try:
        data = canonical(await call)
    except grpc.aio.AioRpcError as error:
        trailers = dict(error.trailing_metadata() or ())
        told = world.taken_apart(status_pb2.Status.FromString(trailers["grpc-status-details-bin"]))
        facts = {} if told.reason == "NOT_FOUND" and not told.metadata.get("source") else _facts(told.metadata)
        return Said(None, told.reason, facts, told.violations)
    trailer = dict(await call.trailing_metadata()).get("usergateway-partial-errors-bin", b"")
    errors = users_pb2.PartialErrors.FromString(trailer).errors
    return Said(data, partial={path: world.taken_apart(one.status).reason for one in errors for path in one.paths})


def _facts(told: Any) -> dict[str, str]:
    # Each call has request ids of its own.
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in told.items()
        if name not in {"requestId", "sourceRequestId"}
    }


async def written(world: Any) -> list[Any]:
    """What the changes sent to the systems."""
    calls = [call for call in await world.calls() if call["method"] != "GET"]
    return [(call["source"], call["method"], call["path"], _parts(call["body"])) for call in calls]


def _parts(body: Any) -> Any:
    return body if isinstance(body, str) else [(part["name"], part.get("text")) for part in body]


def graphql(kind: str, paths: Iterable[str]) -> str:
    """The selection that a mask's paths are in GraphQL."""
    below: dict[str, list[str]] = {}
    for path in paths:
        head, _, rest = path.partition(".")
        below.setdefault(head, []).append(rest)
    written_: list[str] = []
    for name, rests in below.items():
        inner = TYPES[kind].fields_by_name[name].message_type
        if inner is None or inner.name in {"Value", "PermissionList"}:
            written_.append(camel(name))
        elif inner.name.endswith("List"):
            item = inner.fields_by_name["nodes"].message_type.name
            written_.append(f"{camel(name)} {{ {graphql(item, [one.removeprefix('nodes.') for one in rests])} }}")
        else:
            written_.append(f"{camel(name)} {{ {graphql(inner.name, rests)} }}")
    return " ".join(written_)


def canonical(message: Any) -> Any:
    """A message in GraphQL's shape: no wrappers, short enums, nothing that is unset."""
    found: dict[str, Any] = {}
    for one, value in message.ListFields():
        if one.message_type is None:
            prefix = one.enum_type and one.enum_type.values[0].name.removesuffix("UNSPECIFIED")
            if one.is_repeated:
                found[one.name] = list(value)
            else:
                found[one.name] = one.enum_type.values_by_number[value].name.removeprefix(prefix) if prefix else value
        elif one.message_type.name == "Value":
            found[one.name] = MessageToDict(value)
        elif one.is_repeated:
            found[one.name] = [canonical(item) for item in value]
        elif one.message_type.name.endswith("List"):
            found[one.name] = [item if isinstance(item, str) else canonical(item) for item in value.nodes]
        else:
            found[one.name] = canonical(value)
    return found


def _snaked(value: Any) -> Any:
    """GraphQL's data without what is null, or empty in a list that has no presence here, or the default there."""
    if isinstance(value, list):
        return [_snaked(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {snake(name): one if _is_json(name) else _snaked(one) for name, one in value.items() if one is not None}
    # What has no presence in the .proto is left out there where it is its default.
    return {
        name: one
        for name, one in found.items()
        if not (name in {"omitted_fields", "nodes"} and not one)
        and not (name in {"has_next_page", "has_previous_page"} and not one)
    }


def _is_json(name: str) -> bool:
    return name in {"laborRate", "laborTime", "overheadRate", "production", "consumptions"}


def _proto(value: Any) -> Any:
    if isinstance(value, dict):
        return {snake(name): _proto(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_proto(one) for one in value]
    return f"NOTIFICATION_TYPE_{value}" if value == "INVOICE" else value


def _mask(given: dict[str, Any], above: str = "") -> Iterable[str]:
    for name, value in given.items():
        if isinstance(value, dict):
            yield from _mask(value, f"{above}{snake(name)}.")
        else:
            yield f"{above}{snake(name)}"


def snake(name: Any) -> str:
    """`addressLine1` → `address_line1`."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", str(name)).lower()


def camel(name: str) -> str:
    """`address_line1` → `addressLine1`."""
    return re.sub(r"_([a-z0-9])", lambda hump: hump[1].upper(), name)


def _spelled(name: str) -> str:
    return re.sub(r"\.(\d+)", r"[\1]", snake(name)).replace("input", "user", 1)
