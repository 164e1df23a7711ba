"""Planning: computes from a selection what each call to a source has to include. Pure: no I/O, no clock.

An operation has one plan, so that a record is fetched once whatever its aliases select, and all lookups of a kind can
be one batch.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from gateway.users.ids import Kind

__all__ = ["DETAILS", "EVERYTHING", "EXPANSIONS", "REFERENCES", "Plan", "Selection", "merged", "plan"]


@dataclass(frozen=True, slots=True)
class Selection:
    """The requested fields of a record as a tree, by their names in `gateway.users.model`.

    `fields` has one entry for all aliases of a field. `on` has the fields that are requested only of records of that
    type: a GraphQL fragment with a type condition.
    """

    fields: "Mapping[str, Selection]" = field(default_factory=dict)
    on: "Mapping[str, Selection]" = field(default_factory=dict)

    @classmethod
    def of(cls, *paths: str) -> "Selection":
        """Return a selection made of dotted paths, e.g. `Selection.of("role.name", "department.location.name")`."""
        return merged(
            cls({head: cls.of(*([rest] if rest else []))}) for head, _, rest in (path.partition(".") for path in paths)
        )


def merged(selections: Iterable[Selection]) -> Selection:
    """Return one selection of all fields that any of the given ones has."""
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


DETAILS = "details"
"""The need of a record for more fields than a bare reference has."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The needs of an operation for each kind of record.

    Users: `profile`, `role`, `department`, `audit`, `accounts`, `phone`, `settings`, `current_account`. Roles: `owner`,
    `owner.account`, `permissions`, and `details`, as departments and organizations. Departments and the records inside
    them, and the account that owns a role: the names of the fields that may have to be looked up, e.g. `location`.
    `single_user`: the operation fetches one user only, so there is no batch to wait for.
    """

    needs: Mapping[Kind, frozenset[str]] = field(default_factory=dict)
    single_user: bool = False

    def of(self, kind: Kind) -> frozenset[str]:
        """Return the needs of one kind of record."""
        return self.needs.get(kind, frozenset())

    def of_calls(self, kind: Kind) -> frozenset[str]:
        """Return the needs of one kind of record that make a difference for a call: every answer has the details."""
        return self.of(kind) - _DETAIL_FIELDS.get(kind, frozenset())

    def below(self, kind: Kind, name: str) -> frozenset[str]:
        """Return the needs of a field of a record and of the fields below it, e.g. `owner` and `owner.account`."""
        return frozenset(need for need in self.of(kind) if need == name or need.startswith(f"{name}."))


EVERYTHING = Plan(
    {
        Kind.USER: frozenset(
            {"profile", "role", "department", "audit", "accounts", "phone", "settings", "current_account"}
        ),
        Kind.ROLE: frozenset({DETAILS, "owner", "owner.account", "permissions"}),
        Kind.DEPARTMENT: frozenset({DETAILS, "location", "scanning_stations", "machines"}),
        Kind.ORGANIZATION: frozenset({DETAILS}),
    }
)
"""All needs: the plan of a caller that gives no selection. None of them takes a separate call to read a record."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A field that planning has to know: the type of its value, and the need that it adds to a kind of record.

    `is_expansion`: the record has the field only if a call included it. `is_reference`: its value may be a bare
    reference. `is_detail`: it needs no include, and only short forms of the record lack it.
    """

    type: str | None = None
    kind: Kind | None = None
    need: str = ""
    is_expansion: bool = False
    is_reference: bool = False
    is_detail: bool = False


def _details(kind: Kind, *names: str) -> dict[str, _Field]:
    return {name: _Field(None, kind, name, is_expansion=True, is_detail=True) for name in names}


def _expansions(kind: Kind, *names: str) -> dict[str, _Field]:
    return {name: _Field(None, kind, name, is_expansion=True) for name in names}


def _needs(kind: Kind, need: str, *names: str, type: str | None = None) -> dict[str, _Field]:
    return {name: _Field(type, kind, need) for name in names}


def _expansion(kind: Kind, name: str, type: str | None = None) -> dict[str, _Field]:
    return {name: _Field(type, kind, name, is_expansion=True)}


def _typed(type: str, *names: str) -> dict[str, _Field]:
    return {name: _Field(type) for name in names}


def _expanded_reference(kind: Kind, name: str, type: str) -> dict[str, _Field]:
    return {name: _Field(type, kind, name, is_expansion=True, is_reference=True)}


def _reference(type: str, name: str) -> dict[str, _Field]:
    return {name: _Field(type, is_reference=True)}


# The types of the API as far as planning has to know them. A field that is not here adds no need.
_TYPES: Mapping[str, Mapping[str, _Field]] = {
    "Query": {
        **_typed("Node", "node", "nodes", "_entities"),
        **_typed("User", "user"),
        **_typed("Role", "role"),
        **_typed("Department", "department"),
        **_typed("UserConnection", "users"),
        **_typed("Person", "person"),
        **_typed("RoleConnection", "roles"),
        **_typed("DepartmentConnection", "departments"),
    },
    "UserConnection": {**_typed("User", "nodes"), **_typed("UserEdge", "edges")},
    "UserEdge": _typed("User", "node"),
    "RoleConnection": {**_typed("Role", "nodes"), **_typed("RoleEdge", "edges")},
    "RoleEdge": _typed("Role", "node"),
    "DepartmentConnection": {**_typed("Department", "nodes"), **_typed("DepartmentEdge", "edges")},
    "DepartmentEdge": _typed("Department", "node"),
    "Person": _typed("User", "users"),
    "Mutation": _typed(
        "User",
        "create_account_user",
        "update_account_user",
        "update_software_one_user",
        "update_reseller_user",
    ),
    "Subscription": _typed("UserEvent", "user_changed"),
    "UserEvent": _typed("User", "user"),
    "Node": {},
    "User": {
        **_needs(Kind.USER, "profile", "name", "email", "username", "email_verified_at", "image_url", "platform_user"),
        **_needs(Kind.USER, "audit", "created_at", "updated_at", "created_by", "updated_by"),
        **_needs(Kind.USER, "audit", "invitation_accepted_at"),
        **_needs(Kind.USER, "accounts", "accounts"),
        **_needs(Kind.USER, "phone", "phone"),
        **_needs(Kind.USER, "settings", "settings"),
        **_needs(Kind.USER, "current_account", "current_account"),
        **_needs(Kind.USER, "role", "role", type="Role"),
        **_needs(Kind.USER, "department", "department", type="Department"),
        **_reference("Organization", "organization"),
    },
    "Role": {
        **_expansion(Kind.ROLE, "owner", "RoleOwner"),
        **_expansion(Kind.ROLE, "permissions"),
    },
    "RoleOwner": _needs(Kind.ROLE, "owner.account", "account", type="Account"),
    "Account": _expansions(Kind.ACCOUNT, "default_billing_address", "default_shipping_address", "branding", "portal"),
    "Department": {
        **_details(Kind.DEPARTMENT, "notes", "created_at", "updated_at"),
        **_expansion(Kind.DEPARTMENT, "location", "Location"),
        **_expansion(Kind.DEPARTMENT, "scanning_stations", "ScanningStationList"),
        **_expansion(Kind.DEPARTMENT, "machines", "MachineList"),
    },
    "Location": {
        **_details(Kind.LOCATION, "created_at", "updated_at"),
        **_expansion(Kind.LOCATION, "parent", "Location"),
        **_expansion(Kind.LOCATION, "children", "LocationList"),
    },
    "LocationList": _typed("Location", "nodes"),
    "ScanningStationList": _typed("ScanningStation", "nodes"),
    "ScanningStation": {
        **_details(Kind.SCANNING_STATION, "notes", "type", "label_size", "label_type", "material_check_required"),
        **_details(Kind.SCANNING_STATION, "created_at", "updated_at"),
        **_expanded_reference(Kind.SCANNING_STATION, "department", "Department"),
        **_expansion(Kind.SCANNING_STATION, "production_steps", "ProductionStepList"),
    },
    "MachineList": _typed("Machine", "nodes"),
    "Machine": {
        **_details(Kind.MACHINE, "serial_number", "notes", "created_at", "updated_at"),
        **_expanded_reference(Kind.MACHINE, "department", "Department"),
    },
    "ProductionStepList": _typed("ProductionStep", "nodes"),
    "ProductionStep": {
        **_details(Kind.PRODUCTION_STEP, "notes", "leveling_factor", "allowances", "labor_rate", "labor_time"),
        **_details(Kind.PRODUCTION_STEP, "overhead_rate", "created_at", "updated_at"),
        **_expansions(Kind.PRODUCTION_STEP, "production", "consumptions"),
        **_expanded_reference(Kind.PRODUCTION_STEP, "department", "Department"),
        **_expansion(Kind.PRODUCTION_STEP, "machines", "Machine"),
        **_expansion(Kind.PRODUCTION_STEP, "scanning_station", "ScanningStation"),
        **_expansion(Kind.PRODUCTION_STEP, "in_steps", "ProductionStep"),
        **_expansion(Kind.PRODUCTION_STEP, "out_steps", "ProductionStep"),
    },
    "Organization": {},
}


def _names_where(has_property: Callable[[_Field], bool]) -> dict[str, frozenset[str]]:
    names = {
        type_name: frozenset(name for name, field in fields.items() if has_property(field))
        for type_name, fields in _TYPES.items()
    }
    return {type_name: found for type_name, found in names.items() if found}


EXPANSIONS: Mapping[str, frozenset[str]] = _names_where(lambda field: field.is_expansion)
"""By type: the fields that a record has only if a call included them; otherwise they are looked up."""

REFERENCES: Mapping[str, frozenset[str]] = _names_where(lambda field: field.is_reference)
"""By type: the fields whose value may be a bare reference, which is looked up if more than its id is requested."""

_IDENTITY = frozenset({"id", "source", "source_id", "__typename"})
_DETAIL_FIELDS: Mapping[Kind, frozenset[str]] = {
    kind: frozenset(name for name, field in fields.items() if field.kind is kind and field.is_detail)
    for kind in Kind
    if (fields := _TYPES.get(kind.value))
}
_LOOKED_UP = {"Role": Kind.ROLE, "Department": Kind.DEPARTMENT, "Organization": Kind.ORGANIZATION}


def plan(selection: Selection, on: str = "Query") -> Plan:
    """Return the plan for a selection on a type of the API, by default on the root of a query."""
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
        # A condition on the interface or on the current type selects all records. Below the interface, a condition on
        # an implementation is planned as that type.
        if type_name == "Node" or condition in {type_name, "Node"}:
            _visit(type_name if condition == "Node" else condition, below, needs)
