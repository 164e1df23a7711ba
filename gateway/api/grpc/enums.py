"""Converts the enums of the domain into those of the .proto, and back."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any, Generic, TypeVar

from gateway.errors import BadUserInput, Rule
from gateway.users import changes, model
from usergateway.v1 import users_pb2

__all__ = ["NUMBERS", "ROLE_TYPES", "SOURCES", "enum_value", "sources_of"]

Value = TypeVar("Value", bound=StrEnum)

_MAX_SOURCES = 100  # there are three, and each number of a request takes time


class EnumMapping(Generic[Value]):
    """Maps one enum of the domain to its numbers in the .proto, and back.

    In buf's style the name of the enum precedes each value, and 0 stands for no value.
    """

    def __init__(self, domain: type[Value], descriptor: Any) -> None:
        self.prefix = descriptor.values_by_number[0].name.removesuffix("UNSPECIFIED")
        self.numbers: dict[Value, int] = {
            value: descriptor.values_by_name[self.prefix + value.name].number for value in domain
        }
        self._values = {number: value for value, number in self.numbers.items()}

    def value(self, number: int, path: tuple[str | int, ...]) -> Value | None:
        """Return the value of the domain for a number of a client; None for 0.

        Raises:
            BadUserInput: this version has no value with that number.
        """
        if number and number not in self._values:
            values = [self.prefix + value.name for value in self.numbers]
            raise BadUserInput.at(path, f"must be one of {', '.join(values)}", Rule.ENUM, values=values)
        return self._values.get(number)


_ENUMS = users_pb2.DESCRIPTOR.enum_types_by_name
SOURCES = EnumMapping(model.UserSource, _ENUMS["UserSource"])
ROLE_TYPES = EnumMapping(model.RoleType, _ENUMS["RoleType"])
NUMBERS: dict[str, dict[Any, int]] = {
    "UserSource": dict(SOURCES.numbers),
    "RoleType": dict(ROLE_TYPES.numbers),
    "UserStatus": dict(EnumMapping(model.UserStatus, _ENUMS["UserStatus"]).numbers),
    "OwnerType": dict(EnumMapping(model.OwnerType, _ENUMS["OwnerType"]).numbers),
    "UserChange": dict(EnumMapping(model.UserChange, _ENUMS["UserChange"]).numbers),
}
"""For the name of each enum of records: the number of each value of the domain."""

_NOTIFICATION_TYPES = EnumMapping(changes.NotificationType, _ENUMS["NotificationType"])


def sources_of(numbers: Collection[int], path: tuple[str, ...]) -> list[model.UserSource]:
    """Return the sources for the numbers of a client.

    Raises:
        BadUserInput: there are too many, or one is not the number of a source.
    """
    if len(numbers) > _MAX_SOURCES:
        raise BadUserInput.at(path, f"may name {_MAX_SOURCES} sources at most", Rule.MAX_ITEMS, max=_MAX_SOURCES)
    found = []
    for index, number in enumerate(numbers):
        source = SOURCES.value(number, (*path, index))
        if source is None:
            raise BadUserInput.at((*path, index), "must not be unspecified", Rule.REQUIRED)
        found.append(source)
    return found


def enum_value(enum: str, number: int) -> str:
    """Return the domain's value for a number in a change.

    A number without a value is returned as text, so that it is refused together with the other broken rules.
    """
    known = {
        number: str(value)
        for value, number in (_NOTIFICATION_TYPES.numbers if enum == "NotificationType" else {}).items()
    }
    return known.get(number, str(number))
