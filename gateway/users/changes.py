"""The four changes, with all rules that the sources state for their fields.

A field has three states: absent (not in `model_fields_set`, and not sent to the source), null (None) or a value. All
broken rules are reported at once, as violations.
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
    field_validator,
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

_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)*")  # the form only: the source checks the rest
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
    if not all(re.search(characters, value) for characters in _PASSWORD_CLASSES):
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
    """The alteration of a user that a caller requests. Create it with `parse`, which raises `BadUserInput`."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    @classmethod
    def parse(cls, fields: "Mapping[str, Any] | Self") -> Self:
        """Return the change with these fields; an absent key is an absent field.

        Raises:
            BadUserInput: with one violation for every broken rule, its path starting with `change`.
        """
        if isinstance(fields, cls):
            return fields
        try:
            return cls.model_validate(dict(fields) if isinstance(fields, Mapping) else fields)
        except ValidationError as error:
            violations = [
                Violation(("change", *details["loc"]), _message(details["type"], details["msg"], details.get("input")))
                for details in error.errors(include_url=False)
            ]
            raise BadUserInput.of(violations) from None

    def given(self) -> dict[str, Any]:
        """Return the fields that the caller gave, also those that are None."""
        names = self.model_fields_set
        return {name: value for name, value in self.__dict__.items() if name in names}  # in the order of the model


_MESSAGES: Mapping[str, str] = {
    "extra_forbidden": "is not a field of this change",
    "missing": "is required",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
}


def _message(kind: str, message: str, value: object) -> str:
    """Return the message of a violation for a pydantic error of that kind."""
    if value is None and kind.endswith(("_type", "_attributes_type")):
        return "must not be null"
    if kind in _MESSAGES:
        return _MESSAGES[kind]
    for beginning in ("String should ", "Input should ", "Value should "):
        message = message.replace(beginning, "must ")
    return message


class NotificationType(StrEnum):
    """The notifications that a user of an external account can get."""

    INVOICE = "invoice"
    ORDER_ACKNOWLEDGEMENT = "order_acknowledgement"
    PURCHASE_ORDER_SUBMISSION = "purchase_order_submission"


class NotificationPreference(Change):
    """Enables or disables one kind of notification."""

    notification_type: Annotated[NotificationType, Field(strict=False)]
    enabled: bool


class CreateAccountUser(Change):
    """Creates a user in the account source. A username without an e-mail address makes a scanning-station user."""

    name: Annotated[str, StringConstraints(max_length=255)] = ""
    email: Email = ""
    username: Username = ""
    password: Password = Field("", repr=False)
    role_id: Id = ""
    department_id: Id = ""
    preferences: list[NotificationPreference] = Field(default_factory=list)

    @model_validator(mode="wrap")
    @classmethod
    def _check(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Check the rules between fields in addition to those of the fields, and report all of them at once."""
        broken: list[InitErrorDetails] = []
        change: Self | None = None
        try:
            change = handler(data)
        except ValidationError as error:
            broken += [_init_details(details) for details in error.errors(include_url=False)]
        if isinstance(data, Mapping):
            reported = {str(details["loc"][0]) for details in broken if details["loc"]}
            broken += [details for details in cls._check_between(data) if details["loc"][0] not in reported]
        if broken or change is None:
            raise ValidationError.from_exception_data(cls.__name__, broken)
        return change

    @staticmethod
    def _check_between(data: Mapping[str, Any]) -> list[InitErrorDetails]:
        """Check `email`, `username` and `password` (docs/upstreams/account.md, "Create")."""
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


def _init_details(error: Any) -> InitErrorDetails:
    """Return a reported error of a field in the form in which it can be raised with others."""
    message = _message(error["type"], error["msg"], error["input"])
    return {
        "type": PydanticCustomError("field", "{message}", {"message": message}),
        "loc": error["loc"],
        "input": "",
    }


class UpdateAccountUser(Change):
    """Updates a user of the account source. Null clears the role and the department and is an error elsewhere."""

    name: Name = ""
    email: Email = ""
    username: Username = ""
    role_id: Id | None = None
    department_id: Id | None = None
    preferences: list[NotificationPreference] = Field(default_factory=list)


class PhoneNumberChange(Change):
    """The phone number of a user of SoftwareOne; it is replaced as a whole.

    The lengths here and of the settings are those of docs/upstreams/softwareone.md, "Fields".
    """

    prefix: Annotated[str, StringConstraints(max_length=10)]
    number: Annotated[str, StringConstraints(max_length=15)]


class UserSettingsChange(Change):
    """The settings of a user of SoftwareOne; an absent one stays unchanged."""

    culture_code: Annotated[str, StringConstraints(max_length=5)] | None = None
    language_code: Annotated[str, StringConstraints(max_length=5)] | None = None


def _file_name(value: str) -> str:
    """Return a file name that is safe in a header: the last part of the path, printable, at most 255 characters."""
    name = re.split(r"[/\\]", value)[-1]
    return "".join(c for c in name if c.isprintable() and c != '"')[-255:] or "icon"


def _blob(content: object) -> object:
    return Blob.of(content) if isinstance(content, bytes) else content


class Icon(BaseModel):
    """The picture of a user of SoftwareOne, as the caller sent it."""

    model_config = ConfigDict(frozen=True, arbitrary_types_allowed=True)

    content: Annotated[Blob, BeforeValidator(_blob)] = Field(repr=False)
    filename: Annotated[str, AfterValidator(_file_name)] = "icon"
    content_type: Annotated[str, StringConstraints(pattern=r"^[\w.+-]+/[\w.+-]+$")] = "application/octet-stream"


NonEmpty = Annotated[str, StringConstraints(min_length=1)]


class UpdateSoftwareOneUser(Change):
    """Updates a user of SoftwareOne. An absent field stays unchanged, null is sent as null, except for the icon."""

    first_name: NonEmpty | None = None
    last_name: NonEmpty | None = None
    email: Email | None = None
    phone: PhoneNumberChange | None = None
    settings: UserSettingsChange | None = None
    current_account_id: Id | None = None
    icon: Icon | None = None

    @field_validator("icon", mode="before")
    @classmethod
    def _check_icon(cls, value: object) -> object:
        """Refuse null: whether SoftwareOne would remove the icon, or ignore it, is not documented."""
        if value is None:
            raise PydanticCustomError("icon", "must not be null: SoftwareOne documents no way to remove an icon")
        return value


class UpdateResellerUser(Change):
    """Updates a user of a reseller. No field is known to accept null; some accept an empty string.

    The lengths are those of docs/upstreams/reseller.md, "Fields".
    """

    first_name: Annotated[str, StringConstraints(min_length=1, max_length=256)] = ""
    last_name: Annotated[str, StringConstraints(max_length=256)] = ""
    email: Annotated[str, AfterValidator(_email)] = ""
    role: Annotated[str, StringConstraints(min_length=1, max_length=256)] = ""
    company: Annotated[str, StringConstraints(max_length=256)] = ""
    organization_id: Annotated[str, StringConstraints(max_length=256)] = ""
    allow_customer_portal_access: bool = False
