"""Parses the bodies of the webhooks of the reseller source (docs/upstreams/reseller.md, "Webhooks")."""

from typing import Any

from gateway.sources.http.json import CamelWire, JsonDecoder
from gateway.sources.reseller.wire import ResellerWireUser
from gateway.users.ids import can_exist
from gateway.users.model import Timestamp, UserChange
from gateway.users.source_changes import ReportedChange

__all__ = ["read_webhook"]

_CHANGES = {
    "reseller.user.created": UserChange.CREATED,
    "reseller.user.updated": UserChange.UPDATED,
    "reseller.user.deleted": UserChange.DELETED,
}
# The fields of a user and the keys of `data` with their values: a field is absent if none of its keys is there.
_KEYS = {
    "name": ("name",),
    "first_name": ("firstName",),
    "last_name": ("lastName",),
    "email": ("email",),
    "role": ("role",),
    "organization": ("organization", "organizationId"),
    "company": ("company",),
    "two_factor_enabled": ("twoFactorEnabled",),
    "google_sso_enabled": ("googleSsoEnabled",),
    "last_active_at": ("lastLoginAt",),
    "created_at": ("createdAt",),
    "updated_at": ("updatedAt",),
}


class _Webhook(CamelWire, frozen=True):
    event: str
    data: Any = None
    triggered_at: Any = None


class _Sending(CamelWire, frozen=True):
    triggered_at: Timestamp | None = None


class _Reseller(CamelWire, frozen=True):
    """The part of `data` that names the reseller. It is not documented for webhooks, but for other reads of users."""

    reseller_id: str | None = None


_WEBHOOK = JsonDecoder(_Webhook)
_USER = JsonDecoder(ResellerWireUser)
_RESELLER = JsonDecoder(_Reseller)
_SENDING = JsonDecoder(_Sending)


def read_webhook(body: bytes, tenant: str) -> ReportedChange | None:
    """Return the reported change; None for an event that is not about a user.

    `tenant` is the reseller of the user if the body does not name one, which the documented body does not.

    Raises:
        ValueError: the body does not have the documented form.
    """
    webhook = _WEBHOOK.decode(body)
    change = _CHANGES.get(webhook.event)
    if change is None:
        return None
    user = _USER.convert(webhook.data).record(_RESELLER.convert(webhook.data).reseller_id or tenant)
    if not can_exist(user.source_id):  # it becomes a part of the path of a URL
        raise ValueError("not an id")
    absent = frozenset(name for name, keys in _KEYS.items() if not any(key in webhook.data for key in keys))
    return ReportedChange(change, user, _sent_at(webhook.triggered_at), absent)


def _sent_at(text: Any) -> Timestamp | None:
    """Return the time of sending, None if it is not readable: only its type is documented, which is a string.

    The vendor turns a webhook off whose deliveries are refused, so an unknown format must not be a reason for that.
    """
    try:
        return _SENDING.convert({"triggeredAt": text}).triggered_at
    except ValueError:
        return None
