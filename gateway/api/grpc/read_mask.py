"""What a caller wants to read: a view or a read mask → what is asked of the sources, looked up and answered."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from gateway.api.grpc.usergateway.v1 import users_pb2
from gateway.errors import BadUserInput, Violation
from gateway.users.planning import EXPANSIONS, REFERENCES, Plan, Selection, plan

__all__ = ["ReadPlan", "read_plan_of_department", "read_plan_of_role", "read_plan_of_user"]

_MOST_PATHS = 200
_LONGEST_PATH = 16  # names: types contain one another, and each turn may cost a lookup
_VIEWS = frozenset(users_pb2.View.values())
_TYPES = users_pb2.DESCRIPTOR.message_types_by_name
_OF_A_USER = frozenset({"Role", "Department", "Organization"})


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """One way to read a record.

    `plan` says what the sources are asked for, `lookups` which fields have to be looked up (both in the domain's
    words), `only` which fields of the message are answered: all that is in hand where it is None.
    """

    plan: Plan
    lookups: Selection
    only: Selection | None = None


@dataclass(slots=True)
class _Wish:
    """What is wanted of a message: some fields, or all that is in hand and some fields that have to be looked up."""

    all: bool = False
    fields: "dict[str, _Wish]" = field(default_factory=dict)


def read_plan_of_user(view: int, mask: Iterable[str]) -> ReadPlan:
    """How to read users.

    Raises:
        BadUserInput: a path that leads to no field, a view that there is not, or both a view and a mask.
    """
    paths = tuple(mask)
    if view not in _VIEWS:
        raise BadUserInput.at(("view",), "must be VIEW_BASIC or VIEW_FULL")
    if paths and view:
        raise BadUserInput.at(("view",), "must not be given together with read_mask")
    return _masked("User", paths) if paths else _viewed("User", full=view == users_pb2.VIEW_FULL)


def read_plan_of_role(mask: Iterable[str]) -> ReadPlan:
    """How to read roles; without a mask all of it, which one call brings. Raises as `read_plan_of_user` does."""
    paths = tuple(mask)
    return _masked("Role", paths) if paths else _viewed("Role", full=True)


def read_plan_of_department(mask: Iterable[str]) -> ReadPlan:
    """How to read departments; without a mask all of it, which one call brings. Raises as `read_plan_of_user` does."""
    paths = tuple(mask)
    return _masked("Department", paths) if paths else _viewed("Department", full=True)


@lru_cache(16)
def _viewed(name: str, *, full: bool) -> ReadPlan:
    wish = _Wish()
    for path in ["*"] if full else _TYPES[name].fields_by_name:
        _enter(_TYPES[name], path, wish)
    asked = _asked(_TYPES[name], wish)
    return ReadPlan(plan(asked, name), _lookups(_TYPES[name], asked))


@lru_cache(256)
def _masked(name: str, paths: tuple[str, ...]) -> ReadPlan:
    if len(paths) > _MOST_PATHS:
        raise BadUserInput.at(("read_mask",), f"may have {_MOST_PATHS} paths at most")
    wish = _Wish()
    unknown = [path for path in paths if not _enter(_TYPES[name], path, wish)]
    if unknown:
        raise BadUserInput.of(
            [Violation(("read_mask",), f"names {path!r}, which is not a field of {name}") for path in unknown]
        )
    asked = _asked(_TYPES[name], wish)
    return ReadPlan(plan(asked, name), _lookups(_TYPES[name], asked), _answered(wish))


def _enter(kind: Any, path: str, wish: _Wish) -> bool:
    """Add a path to a wish; whether there is such a field.

    A `*` may stand for the items of a list (AIP-161): `accounts.nodes.*.name` is `accounts.nodes.name`.
    """
    names = path.split(".")
    if len(names) > _LONGEST_PATH:
        return False
    while names:
        name = names.pop(0)
        if name == "*" and not names and kind is not None:
            _enter_all(kind, wish)
            return True
        of = kind.fields_by_name.get(name) if kind is not None else None
        if of is None:
            return False
        kind = _own(of.message_type)
        if of.is_repeated and names[:1] == ["*"]:
            names.pop(0)
        wish = wish.fields.setdefault(name, _Wish())
    wish.all = True
    if kind is not None and kind.name == "RoleOwner":
        _enter_all(kind, wish)  # its account is a need of its own
    return True


def _enter_all(kind: Any, wish: _Wish) -> None:
    """Every field of a type, and every field of a user's role, department and organization."""
    for of in kind.fields:
        deep = kind.name == "User" and of.message_type and of.message_type.name in _OF_A_USER
        _enter(kind, f"{of.name}.*" if deep else of.name, wish)


def _own(kind: Any) -> Any:
    """The type where it is one of this API, else None: others are opaque."""
    return kind if kind is not None and kind.name in _TYPES and kind.file.name == users_pb2.DESCRIPTOR.name else None


def _answered(wish: _Wish) -> Selection:
    return Selection({name: Selection() if below.all else _answered(below) for name, below in wish.fields.items()})


def _asked(kind: Any, wish: _Wish) -> Selection:
    """The wish in the domain's shape, where a list that may be unknown has no message around it."""
    fields: dict[str, Selection] = {}
    for name, below in wish.fields.items():
        inner = _own(kind.fields_by_name[name].message_type)
        if inner is None:
            fields[name] = Selection()
        elif inner.name.endswith("List"):
            fields[name] = _asked(inner, below).fields.get("nodes", Selection())
        else:
            fields[name] = _asked(inner, below)
    return Selection(fields)


def _lookups(kind: Any, asked: Selection) -> Selection:
    """The part of a selection that leads to lookups."""
    fields: dict[str, Selection] = {}
    for name, below in asked.fields.items():
        inner = _own(kind.fields_by_name[name].message_type)
        if inner is not None and inner.name.endswith("List"):
            inner = _own(inner.fields_by_name["nodes"].message_type)
        deeper = _lookups(inner, below) if inner is not None else Selection()
        referred = name in REFERENCES.get(kind.name, ()) and below.fields
        if deeper.fields or referred or name in EXPANSIONS.get(kind.name, ()):
            fields[name] = deeper
    return Selection(fields)
