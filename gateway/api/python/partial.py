"""Partial records: some of their fields were not loaded, and reading one of these raises an error, never None.

Only records that a program gets from the typed service become partial, and only if they lack something. They are of a
subclass of their class, in which a field that was not loaded holds `msgspec.UNSET`: msgspec leaves such a field out of
JSON and builtins, and `repr` shows it as `UNSET`.
"""

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import Any, TypeVar, cast

import msgspec
from msgspec import UNSET
from msgspec.structs import astuple, replace

from gateway.errors import FieldNotLoaded, GatewayError
from gateway.kit.source_titles import titled
from gateway.users.model import OwnerType, Record, Role, User
from gateway.users.paths import DOMAIN_TYPES
from gateway.users.planning import EXPANSIONS, REFERENCES, Selection
from gateway.users.read_plan import ReadPlan

__all__ = ["all_as_loaded", "as_loaded"]

R = TypeVar("R", bound=Record)

# What identifies a record, and what describes the others of its fields.
_ALWAYS_LOADED = frozenset({"source", "source_id", "tenant", "loaded", "omitted_fields", "image_version"})
_ALWAYS_LOADED_IN_LISTS = frozenset({"has_next_page", "has_previous_page", "next_cursor", "previous_cursor"})
# What a source can leave out of a user, as `omitted_fields` has it, where the names of the fields are other ones.
_OMITTED_FIELDS: Mapping[str, tuple[str, ...]] = {
    "audit": ("created_at", "updated_at", "created_by", "updated_by", "invitation_accepted_at"),
    "currentAccount": ("current_account",),
    "firstName": ("first_name",),
    "icon": ("image_url",),
    "lastLoginAt": ("last_active_at",),
    "lastName": ("last_name",),
}
_SHARED = frozenset({"role", "department", "organization"})  # of a user: many users have the same one
_WITH_FULL_VIEW = re.compile(r"[^.]+|(role|department|organization)\.[^.]+|role\.owner\.account")
_WITH_EVERY_FIELD = Selection()
_ORIGIN = "_origin"


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a partial record was read: the type at the root, the path from there, and the lookups that failed.

    The path has the indices of lists, which no path of a request has.
    """

    root: str
    path: str
    failures: Mapping[str, GatewayError] = field(default_factory=dict)

    def error(self, name: str, field_name: str) -> GatewayError:
        """Return the error for reading a field of the type of that name."""
        failure = self.failures.get(field_name)
        if failure is not None:
            return copy.copy(failure)  # each raise adds to the traceback of an exception
        at = re.sub(r"\[\d+\]", "", self.path)
        path = f"{at}.{field_name}" if at else field_name
        full = "view=View.FULL or " if self.root == "User" and _WITH_FULL_VIEW.fullmatch(path) else ""
        how = f'read the {self.root.lower()} with {full}fields=("{path}",)'
        return FieldNotLoaded(f"{name}.{field_name} was not loaded: {how}.", record=name, field=field_name)


def as_loaded(record: R, read_plan: ReadPlan, failures: Mapping[str, GatewayError]) -> R:
    """Return the record as far as it was loaded for a plan; reading any other field of it raises.

    `failures` are the errors of the lookups, by the paths of their fields: reading such a field raises its error. The
    same record is returned if nothing is missing.
    """
    loaded: R = _Loaded(read_plan.type_name, failures).record(record, read_plan.only, read_plan.lookups, "")
    return loaded


def all_as_loaded(records: Sequence[R], read_plan: ReadPlan) -> tuple[R, ...]:
    """Do the same for the records of a page, if no lookup of them failed.

    What is equal in several of them is converted once, since most users have one of a few roles and departments.
    """
    loaded = _Loaded(read_plan.type_name, {}, {})
    return tuple([loaded.record(record, read_plan.only, read_plan.lookups, "") for record in records])


@dataclass(frozen=True, slots=True)
class _Loaded:
    """Converts the records of one tree, of that type at its root. Paths have indices of lists, as in `failures`.

    `known` has converted records by the name of their field and by themselves, where several trees are converted.
    """

    root: str
    failures: Mapping[str, GatewayError]
    known: dict[tuple[str, Record], Any] | None = None

    def record(self, record: Any, only: Selection | None, lookups: Selection, path: str) -> Any:
        kind: type[Record] = type(record)
        name = kind.__name__
        if only is None and not self.failures and not _may_lack(kind):
            return record
        missing = self._missing(record, name, only)
        below_path = f"{path}." if path else ""
        failed: dict[str, GatewayError] = {}
        if isinstance(record, User) and record.omitted_fields:
            failed = {each: error for each, error in _left_out(record).items() if each not in missing}
        if self.failures:
            paths = {each: f"{below_path}{each}" for each in kind.__struct_fields__}
            failed |= {each: self.failures[at] for each, at in paths.items() if at in self.failures}
        changed: dict[str, Any] = dict.fromkeys((*missing, *failed), UNSET)
        for field_name in _inner_fields(kind):
            value = getattr(record, field_name)
            if value is None or field_name in changed:
                continue
            below = only.fields[field_name] if only is not None and only.fields else None
            at = f"{below_path}{field_name}"
            convert = self._inner if path or field_name not in _SHARED else self._shared
            loaded = convert(name, field_name, value, only=below, lookups=lookups, path=at)
            if field_name == "owner" and isinstance(record, Role):
                loaded = self._owner(record, loaded, at)
            if loaded is not value:
                changed[field_name] = loaded
        if not changed:
            return record
        if not missing and not failed:
            return replace(record, **changed)
        return self._partial(record, changed, path, failed)

    def _shared(
        self, name: str, field_name: str, value: Record, *, only: Selection | None, lookups: Selection, path: str
    ) -> Any:
        key = (field_name, value)
        try:
            loaded = None if self.known is None else self.known.get(key)
        except TypeError:  # JSON in it, as the source sent it, has no hash
            return self._inner(name, field_name, value, only=only, lookups=lookups, path=path)
        if loaded is None:
            loaded = self._inner(name, field_name, value, only=only, lookups=lookups, path=path)
            if self.known is not None:
                self.known[key] = loaded
        return loaded

    def _inner(
        self, name: str, field_name: str, value: Any, *, only: Selection | None, lookups: Selection, path: str
    ) -> Any:
        """Return the value of a field of the type of that name."""
        if field_name not in lookups.fields and field_name in REFERENCES.get(name, ()) and value.name is None:
            return self._bare(value, path)
        return self._value(value, only, lookups.fields.get(field_name, _WITH_EVERY_FIELD), path)

    def _value(self, value: Any, only: Selection | None, lookups: Selection, path: str) -> Any:
        if not isinstance(value, tuple):
            return self.record(value, only, lookups, path)
        items = tuple([self.record(item, only, lookups, f"{path}[{n}]") for n, item in enumerate(value)])
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items

    def _missing(self, record: Any, name: str, only: Selection | None) -> list[str]:
        expansions = EXPANSIONS.get(name, frozenset())
        missing = [field_name for field_name in expansions if field_name not in record.loaded]
        if only is not None and only.fields:
            always = _ALWAYS_LOADED_IN_LISTS if name == "Listed" else _ALWAYS_LOADED
            requested = only.fields
            missing += [each for each in record.__struct_fields__ if each not in requested and each not in always]
        return missing

    def _bare(self, record: Any, path: str) -> Any:
        """Return a bare reference, of which only what identifies it is known."""
        missing = [each for each in record.__struct_fields__ if each not in _ALWAYS_LOADED]
        return self._partial(record, dict.fromkeys(missing, UNSET), path, {})

    def _owner(self, role: Role, owner: Any, path: str) -> Any:
        """Return the owner of a role; whether its account was included is known of the role."""
        if "owner.account" in role.loaded or role.owner is None or role.owner.account is not None:
            return owner
        if role.owner.type is not OwnerType.ACCOUNT:
            return owner
        return self._partial(owner, {"account": UNSET}, path, {})

    def _partial(self, record: Any, changed: dict[str, Any], path: str, failed: Mapping[str, GatewayError]) -> Any:
        if failed:  # without tracebacks: their frames would keep the whole operation
            origin = _Origin(self.root, path, {name: copy.copy(error) for name, error in failed.items()})
        else:
            origin = _origin(self.root, path)
        names = record.__struct_fields__
        values = [changed.get(name, value) for name, value in zip(names, astuple(record), strict=True)]
        return _partial_record(_class_of(record), values, origin)


_origin = lru_cache(1024)(_Origin)  # the same for all records at one place of a page


@cache
def _inner_fields(kind: type[Record]) -> tuple[str, ...]:
    """Return the fields of a type that hold records."""
    if kind.__name__ == "Listed":
        return ("nodes",)
    fields = DOMAIN_TYPES[kind.__name__].fields
    return tuple(name for name in kind.__struct_fields__ if name in fields and fields[name].type is not None)


@cache
def _may_lack(kind: type[Record]) -> bool:
    """Return whether records of a type may lack something although all their fields are requested."""
    return bool(EXPANSIONS.get(kind.__name__) or _inner_fields(kind))


def _left_out(user: User) -> dict[str, GatewayError]:
    """Return the errors for reading the fields that the source left out of a user."""
    errors: dict[str, GatewayError] = {}
    for omitted in user.omitted_fields:
        for name in _OMITTED_FIELDS.get(omitted, (omitted,)):
            if name in user.__struct_fields__ and getattr(user, name) is None:
                left_out = f"the {titled(user.source)} source left it out. Read the user again"
                errors[name] = FieldNotLoaded(f"User.{name} was not loaded: {left_out}.", record="User", field=name)
    return errors


def _class_of(record: Record) -> type[Record]:
    kind = type(record)
    return kind.__mro__[1] if hasattr(kind, _ORIGIN) else kind


@cache
def _partial_class(kind: type[Record]) -> type[Record]:
    """Return the subclass for the partial records of a class. It has the same name."""
    namespace = {
        "__doc__": kind.__doc__,
        "__getattribute__": _get,
        "__eq__": _equals,
        "__hash__": _hash,
        "__reduce__": _reduce,
        "__copy__": _copy,
        _ORIGIN: None,
    }
    # With a `__dict__`, for the origin, which is no field.
    defined = msgspec.defstruct(
        kind.__name__, [], bases=(kind,), module=kind.__module__, namespace=namespace, frozen=True, dict=True, gc=True
    )
    return cast(type[Record], defined)


def _partial_record(kind: type[Record], values: Iterable[Any], origin: _Origin | None) -> Record:
    record = _partial_class(kind)(*values)
    object.__getattribute__(record, "__dict__")[_ORIGIN] = origin
    return record


def _get(self: Record, name: str) -> Any:
    """Return an attribute.

    Raises:
        FieldNotLoaded: it is a field that was not loaded.
    """
    value = object.__getattribute__(self, name)
    if value is UNSET:
        kind = _class_of(self).__name__
        origin = object.__getattribute__(self, _ORIGIN)
        if origin is None:  # a copy with other fields, by `msgspec.structs.replace`
            raise FieldNotLoaded(f"{kind}.{name} was not loaded.", record=kind, field=name)
        raise origin.error(kind, name)
    if name == "__dict__":  # as a record that lacks nothing: `vars` does not show what is no field
        raise AttributeError(name)
    return value


def _equals(self: Record, other: object) -> Any:
    """Compare by the class and the fields. A field that was not loaded equals only one that was not loaded either."""
    kind = _class_of(self)
    return astuple(self) == astuple(other) if isinstance(other, kind) else NotImplemented


def _hash(self: Record) -> int:
    return hash(_class_of(self)(*astuple(self)))  # as an equal record that is not partial


def _reduce(self: Record) -> tuple[Any, ...]:
    return _partial_record, (_class_of(self), astuple(self), object.__getattribute__(self, _ORIGIN))


def _copy(self: Record) -> Record:
    return _partial_record(_class_of(self), astuple(self), object.__getattribute__(self, _ORIGIN))
