"""Inputs as plain values: what a client sent, by the names of the domain."""

from gateway.api.graphql.schema.connections import UserFilterInput
from gateway.api.graphql.schema.inputs import (
    NotificationPreferenceInput,
    PhoneNumberInput,
    UpdateAccountUserInput,
    UpdateSoftwareOneUserInput,
    to_plain,
)
from gateway.users.changes import NotificationType
from gateway.users.model import UserSource


def test_absent_fields() -> None:
    """A field that was left out is absent, and null stays null."""
    assert to_plain(UpdateAccountUserInput(name="Ada", role_id=None)) == {"name": "Ada", "role_id": None}
    assert to_plain(None) is None


def test_inner_values() -> None:
    """Lists, inputs in inputs and enums are converted; the values of an enum become its texts."""
    preference = NotificationPreferenceInput(notification_type=NotificationType.INVOICE, enabled=False)
    assert to_plain(UpdateAccountUserInput(preferences=[preference])) == {
        "preferences": [{"notification_type": "invoice", "enabled": False}]
    }
    phone = PhoneNumberInput(prefix="+34", number="1")
    assert to_plain(UpdateSoftwareOneUserInput(phone=phone)) == {"phone": {"prefix": "+34", "number": "1"}}
    assert to_plain(UserFilterInput(sources=[UserSource.ACCOUNT]))["sources"] == ["account"]
    assert to_plain(UserSource.ACCOUNT) == "account"
