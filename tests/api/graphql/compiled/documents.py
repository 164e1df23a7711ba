"""Generates random valid documents, with every construct that an operation may have."""

import json
from dataclasses import dataclass
from random import Random
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLSchema,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_required_argument,
)

from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import UserSource

__all__ = ["GeneratedDocument", "generate"]

_IDS = ("a", "b", "c", "gone")
_KINDS = {"role": Kind.ROLE, "department": Kind.DEPARTMENT}
_MAX_DEPTH = 7
_LOOKED_UP = ("role", "department", "organization", "owner", "permissions", "location", "machines", "scanningStations")
_FIELD_WEIGHTS = dict.fromkeys(("users", "node", "edges", *_LOOKED_UP), 4) | {"nodes": 10, "name": 3}  # others: 1


@dataclass(frozen=True, slots=True)
class GeneratedDocument:
    """A document and the sets of variables to execute it with.

    If variables are used by `@skip` and `@include`, a second set has the opposite values of these.
    """

    text: str
    variables: tuple[dict[str, Any], ...]


def generate(schema: GraphQLSchema, seed: int) -> GeneratedDocument:
    """Return the document of that seed; nearly all are valid."""
    return _Generator(schema, Random(seed)).document()  # noqa: S311 - no secret


class _Generator:
    def __init__(self, schema: GraphQLSchema, random: Random) -> None:
        self._schema = schema
        self._random = random
        self._definitions: list[str] = []
        self._variables: dict[str, Any] = {}
        self._fragments: dict[tuple[str, str], list[str]] = {}
        self._fragment_definitions: list[str] = []
        self._last_number = 0
        self._budget = random.choice((8, 20, 40))  # approximate number of fields

    def document(self) -> GeneratedDocument:
        mutation = self._chance(0.2)
        root = self._schema.mutation_type if mutation else self._schema.query_type
        assert root is not None
        body = self._fields(root, self._random.choice((1, 1, 2, 3)), 0, "")
        head = f"({', '.join(self._definitions)})" if self._definitions else ""
        text = f"{'mutation' if mutation else 'query'} Q{head} {body}\n" + "\n".join(self._fragment_definitions)
        opposite = {name: not value for name, value in self._variables.items() if name.startswith("s")}
        return GeneratedDocument(
            text, (self._variables, self._variables | opposite) if opposite else (self._variables,)
        )

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _number(self) -> int:
        self._last_number += 1
        return self._last_number

    def _selection(self, type_: Any, depth: int, scope: str = "") -> str:
        """Return the selection of a composite type. `scope` is the type of a fragment beside those of other types."""
        if is_abstract_type(type_):
            parts = ["__typename"] if self._chance(0.4) else []
            if self._chance(0.6):
                parts.append("id")
            possible = self._schema.get_possible_types(type_)
            types = self._random.sample(possible, self._random.randint(1, len(possible)))
            parts += [f"... on {t.name}{self._directives()} {self._selection(t, depth, t.name)}" for t in types]
            if self._chance(0.2):
                parts.append(f"... on {type_.name} {{ id }}")
            return f"{{ {' '.join(parts)} }}"
        return self._fields(type_, self._random.randint(1, 6), depth, scope)

    def _fields(self, type_: Any, number: int, depth: int, scope: str) -> str:
        parts = []
        names = list(type_.fields)
        composite = [name for name in names if not is_leaf_type(get_named_type(type_.fields[name].type))]
        for _ in range(number):
            if self._chance(0.1):
                parts.append(self._aliased("__typename", scope) + self._directives())
                continue
            deep = composite and depth < _MAX_DEPTH and self._budget > 0 and self._chance(0.5)
            candidates = composite if deep else names
            name = self._random.choices(candidates, [_FIELD_WEIGHTS.get(candidate, 1) for candidate in candidates])[0]
            parts += self._field(name, type_.fields[name], depth, scope)
        if depth and self._chance(0.25):
            parts.insert(self._random.randint(0, len(parts)), self._fragment(type_, depth, scope))
        return f"{{ {' '.join(parts)} }}"

    def _field(self, name: str, field: GraphQLField, depth: int, scope: str) -> list[str]:
        self._budget -= 1
        head = self._aliased(name, scope)
        if field.args:
            head = f"n{self._number()}: {name}{self._arguments(name, field)}"
        inner = get_named_type(field.type)
        if is_leaf_type(inner):
            return [head + self._directives()]
        if depth >= _MAX_DEPTH or self._budget <= 0:
            return [f"{head}{self._directives()} {{ __typename }}"]
        times = 2 if self._chance(0.15) else 1  # the selections are merged
        return [f"{head}{self._directives()} {self._selection(inner, depth + 1)}" for _ in range(times)]

    def _aliased(self, name: str, scope: str) -> str:
        if scope:
            return f"{name.strip('_')}In{scope}: {name}"
        return f"{self._random.choice('xyz')}_{name.strip('_')}: {name}" if self._chance(0.2) else name

    def _fragment(self, type_: Any, depth: int, scope: str) -> str:
        kind = self._random.choice(("inline", "bare", "named", "again"))
        if kind == "inline":
            return f"... on {type_.name}{self._directives()} {self._fields(type_, 2, depth + 1, scope)}"
        if kind == "bare":
            return f"...{self._directives()} {self._fields(type_, 2, depth + 1, scope)}"
        known = self._fragments.setdefault((type_.name, scope), [])
        if kind == "named" or not known:
            name = f"F{self._number()}"
            self._fragment_definitions.append(
                f"fragment {name} on {type_.name} {self._fields(type_, 3, depth + 1, scope)}"
            )
            known.append(name)  # not before its definition, so that it does not spread itself
        return f"...{self._random.choice(known)}{self._directives()}"

    def _directives(self) -> str:
        text = ""
        for name in ("skip", "include"):
            if self._chance(0.06):
                literal = self._random.choice(("true", "false"))
                text += f" @{name}(if: {literal if self._chance(0.3) else self._condition()})"
        return text

    def _condition(self) -> str:
        known = [name for name in self._variables if name.startswith("s")]
        if known and self._chance(0.5):
            return f"${self._random.choice(known)}"
        name = f"s{self._number()}"
        if self._chance(0.3):
            self._definitions.append(f"${name}: Boolean = {self._random.choice(('true', 'false'))}")
            self._variables[name] = self._random.choice((True, False, None)) if self._chance(0.5) else True
            if self._chance(0.3):
                self._variables[name] = None
        else:
            self._definitions.append(f"${name}: Boolean!")
            self._variables[name] = self._chance(0.5)
        return f"${name}"

    def _arguments(self, field_name: str, field: GraphQLField) -> str:
        arguments = []
        for name, argument in field.args.items():
            if not is_required_argument(argument) and self._chance(0.6):
                continue
            value = self._value(argument.type, f"{field_name}.{name}")
            text = self._variable(argument.type, value) if self._chance(0.5) else self._literal(argument.type, value)
            arguments.append(f"{name}: {text}")
        return f"({', '.join(arguments)})" if arguments else ""

    def _variable(self, type_: Any, value: Any) -> str:
        name = f"v{self._number()}"
        declared = str(type_)
        if self._chance(0.2):
            declared = f"{str(type_).rstrip('!')} = {self._literal(type_, self._value(type_, name))}"
        self._definitions.append(f"${name}: {declared}")
        draw = self._random.random()
        if draw < 0.85:
            self._variables[name] = value
        elif draw < 0.9:
            self._variables[name] = None
        elif draw < 0.95:
            self._variables[name] = self._random.choice((7, "text", [], {}, True, [None]))
        return f"${name}"

    def _value(self, type_: Any, position: str) -> Any:
        """Return a value in its JSON form. `position` is the field and argument, or the input field, that it is for."""
        random = self._random
        if isinstance(type_, GraphQLNonNull):
            return self._value(type_.of_type, position)
        if isinstance(type_, GraphQLList):
            return [
                self._value(GraphQLNonNull(get_named_type(type_)), position)
                for _ in range(random.choice((0, 1, 2, 4, 8)))
            ]
        if isinstance(type_, GraphQLEnumType):
            return random.choice(list(type_.values))
        if isinstance(type_, GraphQLInputObjectType):
            names = [name for name, field in type_.fields.items() if get_named_type(field.type).name != "Upload"]
            chosen = [name for name in names if str(type_.fields[name].type).endswith("!") or self._chance(0.35)]
            return {name: self._value(type_.fields[name].type, name) for name in chosen}
        return {
            "ID": lambda: self._id(position),
            "String": lambda: None if position.endswith("after") else random.choice(("", "x@y.z", "text", "Ä b")),
            "Int": lambda: random.choice((0, 1, 3, 50, 50, 50, 201)),
            "Float": lambda: random.choice((0, 1.5)),
            "Boolean": lambda: self._chance(0.5),
        }.get(type_.name, lambda: "text")()

    def _id(self, position: str) -> str:
        random = self._random
        if self._chance(0.1):
            return random.choice(_IDS)
        field = position.partition(".")[0]
        kind = _KINDS.get(field, Kind.USER)
        if field in {"node", "nodes"} or self._chance(0.05):
            kind = random.choice(list(Kind))
        sources = {Kind.USER: list(UserSource), Kind.ORGANIZATION: [UserSource.RESELLER]}
        source = random.choice(sources.get(kind, [UserSource.ACCOUNT]))
        for candidate in UserSource:
            if candidate.value in field.lower():
                source = candidate
        tenanted = source is UserSource.RESELLER and kind in {Kind.USER, Kind.ORGANIZATION}
        return encode(Ref(kind, source, random.choice(_IDS), "t" if tenanted else ""))

    def _literal(self, type_: Any, value: Any) -> str:
        if isinstance(type_, GraphQLNonNull):
            return self._literal(type_.of_type, value)
        if value is None:
            return "null"
        if isinstance(type_, GraphQLList):
            return f"[{', '.join(self._literal(type_.of_type, item) for item in value)}]"
        if isinstance(type_, GraphQLEnumType):
            return str(value)
        if isinstance(type_, GraphQLInputObjectType):
            inner = (
                f"{name}: {self._literal(type_.fields[name].type, field_value)}" for name, field_value in value.items()
            )
            return f"{{{', '.join(inner)}}}"
        return json.dumps(value, ensure_ascii=False)
