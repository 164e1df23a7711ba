"""The four changes: every rule that the sources state, and three states a field.

A field that was not given is in no `model_fields_set` and never reaches a source; None was given as
null; all else is a value. Broken rules are reported all at once, as violations.
"""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.errors import BadUserInput, Violation
from gateway.kit.blob import Blob

__all__ = [
    "Change",
    "CreateAccountUser",
    "Icon",
    "NotificationPreference",
    "NotificationType",
    "PhoneNumberChange",
    "UpdateAccountUser",
    "UpdateResellerUser",
    "UpdateSoftwareOneUser",
    "UserSettingsChange",
]

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")  # the form only: which addresses exist is the source's affair
_USERNAME = re.compile(r"[A-Za-z0-9_-]{3,255}")
_PASSWORD_CLASSES = (r"[A-Z]", r"[a-z]", r"[0-9]", r"[^A-Za-z0-9\s]")


def _email(value: str) -> str:
    if not _EMAIL.fullmatch(value):
        raise PydanticCustomError("email", "must be an e-mail address")
    return value


def _username(value: str) -> str:
    if not _USERNAME.fullmatch(value):
        raise PydanticCustomError("username", "must be 3 to 255 letters, digits, underscores or hyphens")
    return value


def _password(value: str) -> str:
    if not all(re.search(wanted, value) for wanted in _PASSWORD_CLASSES):
        raise PydanticCustomError(
            "password", "must have an uppercase letter, a lowercase letter, a digit and a special character"
        )
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise PydanticCustomError("blank", "must not be blank")
    return value


Name = Annotated[str, StringConstraints(max_length=255), AfterValidator(_not_blank)]
Email = Annotated[str, StringConstraints(max_length=255), AfterValidator(_email)]
Username = Annotated[str, AfterValidator(_username)]
Password = Annotated[str, StringConstraints(min_length=8, max_length=72), AfterValidator(_password)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Change(BaseModel):
    """What a caller asks to alter. Build it with `parse`, which speaks our errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def parse(cls, given: "Mapping[str, Any] | Self") -> Self:
        """The change that these fields describe; an absent key is an absent field.

        Raises:
            BadUserInput: with one violation for every broken rule, its path starting with `change`.
        """
        if isinstance(given, cls):
            return given
        try:
            return cls.model_validate(dict(given) if isinstance(given, Mapping) else given)
        except ValidationError as error:
            violations = [
                Violation(("change", *broken["loc"]), _sentence(broken["type"], broken["msg"], broken.get("input")))
                for broken in error.errors(include_url=False)
            ]
            raise BadUserInput.of(violations) from None

    def given(self) -> dict[str, Any]:
        """The fields that the caller gave, None among them, and no others."""
        names = self.model_fields_set
        return {name: value for name, value in self.__dict__.items() if name in names}  # in the fields' order


_SENTENCES: Mapping[str, str] = {
    "extra_forbidden": "is not a field of this change",
    "missing": "is required",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
}


def _sentence(kind: str, message: str, value: object) -> str:
    if value is None and kind.endswith(("_type", "_attributes_type")):
        return "must not be null"
    if kind in _SENTENCES:
        return _SENTENCES[kind]
    for pydantics in ("String should ", "Input should ", "Value should "):
        message = message.replace(pydantics, "must ")
    return message


class NotificationType(StrEnum):
    """What an external account's user may be notified of."""

    INVOICE = "invoice"
    ORDER_ACKNOWLEDGEMENT = "order_acknowledgement"
    PURCHASE_ORDER_SUBMISSION = "purchase_order_submission"


class NotificationPreference(Change):
    """Whether one kind of notification is wanted."""

    notification_type: Annotated[NotificationType, Field(strict=False)]
    enabled: bool


class CreateAccountUser(Change):
    """account: create. A username without an e-mail makes a scanning-station user."""

    name: Annotated[str, StringConstraints(max_length=255)] = ""
    email: Email = ""
    username: Username = ""
    password: Password = Field("", repr=False)
    role_id: Id = ""
    department_id: Id = ""
    preferences: list[NotificationPreference] = Field(default_factory=list)

    @model_validator(mode="wrap")
    @classmethod
    def _whole(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """The rules between fields, reported together with those of the fields."""
        broken: list[InitErrorDetails] = []
        change: Self | None = None
        try:
            change = handler(data)
        except ValidationError as error:
            broken += [_again(one) for one in error.errors(include_url=False)]
        if isinstance(data, Mapping):
            named = {str(one["loc"][0]) for one in broken if one["loc"]}
            broken += [one for one in cls._between(data) if one["loc"][0] not in named]
        if broken or change is None:
            raise ValidationError.from_exception_data(cls.__name__, broken)
        return change

    @staticmethod
    def _between(data: Mapping[str, Any]) -> list[InitErrorDetails]:
        """account: create, `email`, `username`, `password`."""
        email, username, password = (data.get(name) is not None for name in ("email", "username", "password"))
        if not email and not username:
            return [_rule("email", "either email or username is required", data)]
        if not email and not password:
            return [_rule("password", "is required for a scanning-station user (username without email)", data)]
        if email and password:
            return [_rule("password", "is only for scanning-station users (username without email)", data)]
        return []


def _rule(name: str, message: str, data: Mapping[str, Any]) -> InitErrorDetails:
    return {"type": PydanticCustomError("rule", message), "loc": (name,), "input": data.get(name, "")}


def _again(error: Any) -> InitErrorDetails:
    """An error of a field, to be raised once more beside others."""
    message = _sentence(error["type"], error["msg"], error["input"])
    return {
        "type": PydanticCustomError("field", "{message}", {"message": message}),
        "loc": error["loc"],
        "input": "",
    }


class UpdateAccountUser(Change):
    """account: update. Null clears the role and the department and is an error elsewhere."""

    name: Name = ""
    email: Email = ""
    username: Username = ""
    role_id: Id | None = None
    department_id: Id | None = None
    preferences: list[NotificationPreference] = Field(default_factory=list)


class PhoneNumberChange(Change):
    """softwareone: a whole phone number."""

    prefix: str
    number: str


class UserSettingsChange(Change):
    """softwareone: the settings to alter; an absent one is left as it is."""

    culture_code: str | None = None
    language_code: str | None = None


def _file_name(value: str) -> str:
    """A name that is safe in a header: its last part, printable, not too long."""
    last = re.split(r"[/\\]", value)[-1]
    return "".join(c for c in last if c.isprintable() and c != '"')[-255:] or "icon"


def _blob(content: object) -> object:
    return Blob.of(content) if isinstance(content, bytes) else content


class Icon(BaseModel):
    """softwareone: a picture, as the caller sent it."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    content: Annotated[Blob, BeforeValidator(_blob)] = Field(repr=False)
    filename: Annotated[str, AfterValidator(_file_name)] = "icon"
    content_type: Annotated[str, StringConstraints(pattern=r"^[\w.+-]+/[\w.+-]+$")] = "application/octet-stream"


Given = Annotated[str, StringConstraints(min_length=1)]


class UpdateSoftwareOneUser(Change):
    """softwareone: update. A delta: absent is left unchanged, null is sent as null."""

    first_name: Given | None = None
    last_name: Given | None = None
    email: Email | None = None
    phone: PhoneNumberChange | None = None
    settings: UserSettingsChange | None = None
    current_account_id: Id | None = None
    icon: Icon | None = None


class UpdateResellerUser(Change):
    """reseller: update. Nothing is known to be cleared by null; an empty string is allowed where the source says so."""

    first_name: Annotated[str, StringConstraints(min_length=1, max_length=256)] = ""
    last_name: Annotated[str, StringConstraints(max_length=256)] = ""
    email: Annotated[str, AfterValidator(_email)] = ""
    role: Annotated[str, StringConstraints(min_length=1, max_length=256)] = ""
    company: Annotated[str, StringConstraints(max_length=256)] = ""
    organization_id: Annotated[str, StringConstraints(max_length=256)] = ""
    allow_customer_portal_access: bool = False
