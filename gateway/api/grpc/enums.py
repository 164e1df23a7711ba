"""The domain's enums as the .proto's, and back."""

from collections.abc import Collection
from enum import StrEnum
from typing import Any, Generic, TypeVar

from gateway.api.grpc.usergateway.v1 import users_pb2
from gateway.errors import BadUserInput
from gateway.users import changes, model

__all__ = ["NUMBERS", "SOURCES", "TYPES", "sources_of", "word"]

Word = TypeVar("Word", bound=StrEnum)

_MOST_SOURCES = 100  # there are three, and each one named is looked at


class Words(Generic[Word]):
    """One enum: buf's style puts its name before each value, and leaves 0 for none."""

    def __init__(self, domain: type[Word], descriptor: Any) -> None:
        self.prefix = descriptor.values_by_number[0].name.removesuffix("UNSPECIFIED")
        self.numbers: dict[Word, int] = {
            word: descriptor.values_by_name[self.prefix + word.name].number for word in domain
        }
        self._words = {number: word for word, number in self.numbers.items()}

    def word(self, number: int, path: tuple[str | int, ...]) -> Word | None:
        """What a client means by a number, None for none.

        Raises:
            BadUserInput: a number that this version has no word for.
        """
        if number and number not in self._words:
            message = f"must be one of {', '.join(self.prefix + word.name for word in self.numbers)}"
            raise BadUserInput.at(path, message)
        return self._words.get(number)


_ENUMS = users_pb2.DESCRIPTOR.enum_types_by_name
SOURCES = Words(model.UserSource, _ENUMS["UserSource"])
TYPES = Words(model.RoleType, _ENUMS["RoleType"])
NUMBERS: dict[str, dict[Any, int]] = {
    "UserSource": dict(SOURCES.numbers),
    "RoleType": dict(TYPES.numbers),
    "UserStatus": dict(Words(model.UserStatus, _ENUMS["UserStatus"]).numbers),
    "OwnerType": dict(Words(model.OwnerType, _ENUMS["OwnerType"]).numbers),
    "UserChange": dict(Words(model.UserChange, _ENUMS["UserChange"]).numbers),
}
"""By the enum's name: the number of each of the domain's words."""

_NOTIFICATIONS = Words(changes.NotificationType, _ENUMS["NotificationType"])


def sources_of(numbers: Collection[int], path: tuple[str, ...]) -> list[model.UserSource]:
    """The systems that a client names.

    Raises:
        BadUserInput: too many, or a number that is no system's.
    """
    if len(numbers) > _MOST_SOURCES:
        raise BadUserInput.at(path, f"may name {_MOST_SOURCES} systems at most")
    found = []
    for place, number in enumerate(numbers):
        source = SOURCES.word(number, (*path, place))
        if source is None:
            raise BadUserInput.at((*path, place), "is unspecified")
        found.append(source)
    return found


def word(enum: str, number: int) -> str:
    """The domain's word for a value in a change; a number without one as it is, to be refused with the other rules."""
    known = {
        number: str(word) for word, number in (_NOTIFICATIONS.numbers if enum == "NotificationType" else {}).items()
    }
    return known.get(number, str(number))
