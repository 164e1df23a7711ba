"""The four changes, with all rules that the sources state for their fields.

A field has three states: absent (not in `model_fields_set`, and not sent to the source), null (None) or a value. All
broken rules are reported at once, as violations.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails

from gateway.errors import BadUserInput, Rule, Violation
from gateway.users.icons import Icon
from gateway.users.rules import (
    Checked,
    as_details,
    at_fields,
    broken,
    check_email,
    check_not_blank,
    check_password,
    check_username,
    violation_of,
)

__all__ = [
    "Change",
    "CreateAccountUser",
    "NotificationPreference",
    "NotificationType",
    "PhoneNumberChange",
    "UpdateAccountUser",
    "UpdateResellerUser",
    "UpdateSoftwareOneUser",
    "UserSettingsChange",
    "read_change",
]

AnyChange = TypeVar("AnyChange", bound="Change")

Name = Annotated[str, StringConstraints(max_length=255), AfterValidator(check_not_blank)]
Email = Annotated[str, StringConstraints(max_length=255), AfterValidator(check_email)]
Username = Annotated[str, AfterValidator(check_username)]
Password = Annotated[str, StringConstraints(min_length=8, max_length=72), AfterValidator(check_password)]
Id = Annotated[str, StringConstraints(min_length=1, max_length=256)]


class Change(Checked, frozen=True):
    """The alteration of a user that a caller requests. Where a rule is broken, its class raises BadUserInput."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    @classmethod
    def parse(cls, fields: "Mapping[str, Any] | Self") -> Self:
        """Return the change with these fields; an absent key is an absent field.

        Raises:
            BadUserInput: with one violation for every broken rule.
        """
        try:
            return read_change(cls, fields)
        except BadUserInput as error:
            raise BadUserInput.of(at_fields(error.violations)) from None

    def given(self) -> dict[str, Any]:
        """Return the fields that the caller gave, also those that are None."""
        values, names = self.__dict__, self.__pydantic_fields_set__
        if len(names) == 1:
            [name] = names
            return {name: values[name]}
        return {name: value for name, value in values.items() if name in names}  # in the order of the model


def read_change(kind: type[AnyChange], fields: AnyChange | Mapping[str, Any]) -> AnyChange:
    """Return the change with these fields, which are the argument `change` of a method.

    Raises:
        BadUserInput: with one violation for every broken rule, its path starting with `change`.
    """
    if fields.__class__ is not dict:
        if isinstance(fields, kind):
            return fields
        fields = dict(fields) if isinstance(fields, Mapping) else fields
    try:
        # By the validator itself: `model_validate` reads a dozen options first that nobody has passed.
        change: AnyChange = kind.__pydantic_validator__.validate_python(fields)
    except ValidationError as error:
        raise BadUserInput.of([violation_of(details) for details in error.errors(include_url=False)]) from None
    return change


class NotificationType(StrEnum):
    """The notifications that a user of an external account can get."""

    INVOICE = "invoice"
    ORDER_ACKNOWLEDGEMENT = "order_acknowledgement"
    PURCHASE_ORDER_SUBMISSION = "purchase_order_submission"


class NotificationPreference(Change, frozen=True):
    """Enables or disables one kind of notification."""

    notification_type: Annotated[NotificationType, Field(strict=False)]
    enabled: bool


class CreateAccountUser(Change, frozen=True):
    """Creates a user in the account source. A username without an e-mail address makes a scanning-station user."""

    name: Annotated[str, StringConstraints(max_length=255)] = ""
    email: Email = ""
    username: Username = ""
    password: Password = Field(default="", repr=False)
    role_id: Id = ""
    department_id: Id = ""
    preferences: list[NotificationPreference] = Field(default_factory=list)

    @model_validator(mode="wrap")
    @classmethod
    def _check(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Check the rules between fields in addition to those of the fields, and report all of them at once."""
        found: list[InitErrorDetails] = []
        change: Self | None = None
        try:
            change = handler(data)
        except ValidationError as error:
            found += [as_details(violation_of(details)) for details in error.errors(include_url=False)]
        if isinstance(data, Mapping):
            reported = {str(details["loc"][0]) for details in found if details["loc"]}
            between = map(as_details, cls._check_between(data))
            found += [details for details in between if details["loc"][0] not in reported]
        if found or change is None:
            raise ValidationError.from_exception_data(cls.__name__, found)
        return change

    @staticmethod
    def _check_between(data: Mapping[str, Any]) -> list[Violation]:
        """Check `email`, `username` and `password` (docs/upstreams/account.md, "Create")."""
        has_email, has_username, has_password = (
            data.get(name) is not None for name in ("email", "username", "password")
        )
        if not has_email and not has_username:
            return [Violation(("change", "email"), "is required unless username is given", Rule.REQUIRED)]
        if not has_email and not has_password:
            message = "is required for a scanning-station user (username without email)"
            return [Violation(("change", "password"), message, Rule.REQUIRED)]
        if has_email and has_password:
            message = "is only for scanning-station users (username without email)"
            return [Violation(("change", "password"), message, Rule.NOT_ALLOWED)]
        return []


class UpdateAccountUser(Change, frozen=True):
    """Updates a user of the account source. Null clears the role and the department and is an error elsewhere."""

    name: Name = ""
    email: Email = ""
    username: Username = ""
    role_id: Id | None = None
    department_id: Id | None = None
    preferences: list[NotificationPreference] = Field(default_factory=list)


class PhoneNumberChange(Change, frozen=True):
    """The phone number of a user of SoftwareOne; it is replaced as a whole.

    The lengths here and of the settings are those of docs/upstreams/softwareone.md, "Fields".
    """

    prefix: Annotated[str, StringConstraints(max_length=10)]
    number: Annotated[str, StringConstraints(max_length=15)]


class UserSettingsChange(Change, frozen=True):
    """The settings of a user of SoftwareOne; an absent one stays unchanged."""

    culture_code: Annotated[str, StringConstraints(max_length=5)] | None = None
    language_code: Annotated[str, StringConstraints(max_length=5)] | None = None


NonEmpty = Annotated[str, StringConstraints(min_length=1)]


class UpdateSoftwareOneUser(Change, frozen=True):
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
            raise broken(Rule.NOT_NULL, "must not be null: SoftwareOne documents no way to remove an icon")
        return value


class UpdateResellerUser(Change, frozen=True):
    """Updates a user of a reseller. No field is known to accept null; some accept an empty string.

    The lengths are those of docs/upstreams/reseller.md, "Fields".
    """

    first_name: Annotated[str, StringConstraints(min_length=1, max_length=256)] = ""
    last_name: Annotated[str, StringConstraints(max_length=256)] = ""
    email: Annotated[str, AfterValidator(check_email)] = ""
    role: Annotated[str, StringConstraints(min_length=1, max_length=256)] = ""
    company: Annotated[str, StringConstraints(max_length=256)] = ""
    organization_id: Annotated[str, StringConstraints(max_length=256)] = ""
    allow_customer_portal_access: bool = False
