"""Selection → plan: what every call to a source is asked to bring along. Pure: no I/O, no clock.

One plan serves a whole operation, so that one record is fetched once whatever its aliases ask for,
and all lookups of a kind fit into one batch.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gateway.users.ids import Kind

__all__ = ["DETAILS", "EVERYTHING", "Plan", "Selection", "merged", "plan"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Field names in the domain's spelling, each with what is asked of it.

    `fields` holds under one name what all its aliases ask for; `on` holds what is asked only of
    records of that type (a GraphQL fragment with a type condition).
    """

    fields: "Mapping[str, Selection]" = field(default_factory=dict)
    on: "Mapping[str, Selection]" = field(default_factory=dict)

    @classmethod
    def of(cls, *paths: str) -> "Selection":
        """A selection from dotted paths, e.g. `Selection.of("role.name", "department.location.name")`."""
        return merged(
            cls({head: cls.of(*([rest] if rest else []))}) for head, _, rest in (p.partition(".") for p in paths)
        )


def merged(selections: Iterable[Selection]) -> Selection:
    """One selection that asks for everything that any of the given ones asks for."""
    fields: dict[str, list[Selection]] = {}
    on: dict[str, list[Selection]] = {}
    for selection in selections:
        for name, below in selection.fields.items():
            fields.setdefault(name, []).append(below)
        for name, below in selection.on.items():
            on.setdefault(name, []).append(below)
    return Selection(
        {name: merged(below) if len(below) > 1 else below[0] for name, below in fields.items()},
        {name: merged(below) if len(below) > 1 else below[0] for name, below in on.items()},
    )


DETAILS = "details"  # more than the identity that a bare reference has


@dataclass(frozen=True, slots=True)
class Plan:
    """What each kind of record has to bring along, in the domain's words.

    Users: `profile`, `role`, `department`, `audit`, `accounts`. Roles: `owner`, `owner.account`,
    `permissions`. Departments: `location`, `scanning_stations`, `machines`. All but users: `details`.
    `alone`: the operation is about one user, so there is nothing to make a batch of.
    """

    needs: Mapping[Kind, frozenset[str]] = field(default_factory=dict)
    alone: bool = False

    def of(self, kind: Kind) -> frozenset[str]:
        """The needs of one kind of record."""
        return self.needs.get(kind, frozenset())

    def below(self, kind: Kind, name: str) -> frozenset[str]:
        """The needs that a field of a record answers: its own and those of what lies below it."""
        return frozenset(need for need in self.of(kind) if need == name or need.startswith(f"{name}."))


# What a caller gets who selects nothing: all that costs no call of its own.
EVERYTHING = Plan(
    {
        Kind.USER: frozenset({"profile", "role", "department", "audit", "accounts"}),
        Kind.ROLE: frozenset({DETAILS, "owner", "owner.account", "permissions"}),
        Kind.DEPARTMENT: frozenset({DETAILS, "location", "scanning_stations", "machines"}),
        Kind.ORGANIZATION: frozenset({DETAILS}),
    }
)


@dataclass(frozen=True, slots=True)
class _Field:
    """A field that matters to planning: the type behind it, and the need that it puts on a kind of record."""

    type: str | None = None
    kind: Kind | None = None
    need: str = ""


def _needs(kind: Kind, need: str, *names: str, type: str | None = None) -> dict[str, _Field]:
    return {name: _Field(type, kind, need) for name in names}


def _leads(type: str, *names: str) -> dict[str, _Field]:
    return {name: _Field(type) for name in names}


# The API's types as far as planning has to know them. A field that is not here costs nothing.
_TYPES: Mapping[str, Mapping[str, _Field]] = {
    "Query": {
        **_leads("Node", "node", "nodes"),
        **_leads("User", "user"),
        **_leads("Role", "role"),
        **_leads("Department", "department"),
        **_leads("UserConnection", "users"),
        **_leads("Person", "person"),
        **_leads("RoleConnection", "roles"),
        **_leads("DepartmentConnection", "departments"),
    },
    "UserConnection": {**_leads("User", "nodes"), **_leads("UserEdge", "edges")},
    "UserEdge": _leads("User", "node"),
    "RoleConnection": {**_leads("Role", "nodes"), **_leads("RoleEdge", "edges")},
    "RoleEdge": _leads("Role", "node"),
    "DepartmentConnection": {**_leads("Department", "nodes"), **_leads("DepartmentEdge", "edges")},
    "DepartmentEdge": _leads("Department", "node"),
    "Person": _leads("User", "users"),
    "Mutation": _leads(
        "User",
        "create_account_user",
        "update_account_user",
        "update_software_one_user",
        "update_reseller_user",
    ),
    "Subscription": _leads("UserEvent", "user_changed"),
    "UserEvent": _leads("User", "user"),
    "Node": {},
    "User": {
        **_needs(Kind.USER, "profile", "name", "email", "username", "email_verified_at", "image_url"),
        **_needs(Kind.USER, "audit", "created_at", "updated_at", "created_by", "updated_by"),
        **_needs(Kind.USER, "audit", "invitation_accepted_at"),
        **_needs(Kind.USER, "accounts", "accounts"),
        **_needs(Kind.USER, "role", "role", type="Role"),
        **_needs(Kind.USER, "department", "department", type="Department"),
        **_leads("Organization", "organization"),
    },
    "Role": {
        **_needs(Kind.ROLE, "owner", "owner", type="RoleOwner"),
        **_needs(Kind.ROLE, "permissions", "permissions"),
    },
    "RoleOwner": _needs(Kind.ROLE, "owner.account", "account"),
    "Department": {
        **_needs(Kind.DEPARTMENT, "location", "location"),
        **_needs(Kind.DEPARTMENT, "scanning_stations", "scanning_stations", type="ScanningStationConnection"),
        **_needs(Kind.DEPARTMENT, "machines", "machines", type="MachineConnection"),
    },
    "ScanningStationConnection": _leads("ScanningStation", "nodes"),
    "ScanningStation": {
        **_leads("Department", "department"),
        **_leads("ProductionStepConnection", "production_steps"),
    },
    "MachineConnection": _leads("Machine", "nodes"),
    "Machine": _leads("Department", "department"),
    "ProductionStepConnection": _leads("ProductionStep", "nodes"),
    "ProductionStep": {
        **_leads("Department", "department"),
        **_leads("Machine", "machines"),
        **_leads("ScanningStation", "scanning_station"),
        **_leads("ProductionStep", "in_steps", "out_steps"),
    },
    "Organization": {},
}
_IDENTITY = frozenset({"id", "source", "source_id", "__typename"})
_LOOKED_UP = {"Role": Kind.ROLE, "Department": Kind.DEPARTMENT, "Organization": Kind.ORGANIZATION}


def plan(selection: Selection, on: str = "Query") -> Plan:
    """The plan for a selection on a type of the API, by default on the root of a query."""
    needs: dict[Kind, set[str]] = {}
    _visit(on, selection, needs)
    return Plan({kind: frozenset(names) for kind, names in needs.items()})


def _visit(type_name: str, selection: Selection, needs: dict[Kind, set[str]]) -> None:
    fields = _TYPES.get(type_name, {})
    for name, below in selection.fields.items():
        known = fields.get(name)
        if known is not None and known.kind is not None:
            needs.setdefault(known.kind, set()).add(known.need)
        if known is not None and known.type is not None:
            _visit(known.type, below, needs)
    kind = _LOOKED_UP.get(type_name)
    if kind is not None and not selection.fields.keys() <= _IDENTITY:
        needs.setdefault(kind, set()).add(DETAILS)
    for condition, below in selection.on.items():
        # A condition on the interface or on the type in hand narrows nothing; on the interface's
        # implementations each is planned as itself.
        if type_name == "Node" or condition in {type_name, "Node"}:
            _visit(type_name if condition == "Node" else condition, below, needs)
