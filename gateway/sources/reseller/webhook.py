"""Parses the bodies of the webhooks of the reseller source (docs/upstreams/reseller.md, "Webhooks")."""

from typing import Any

from gateway.sources.http.json import CamelWire, JsonDecoder
from gateway.sources.reseller.wire import ResellerWireUser
from gateway.users import model
from gateway.users.model import UserChange

__all__ = ["read_webhook"]

_CHANGES = {
    "reseller.user.created": UserChange.CREATED,
    "reseller.user.updated": UserChange.UPDATED,
    "reseller.user.deleted": UserChange.DELETED,
}


class _Webhook(CamelWire, frozen=True):
    event: str
    data: Any = None


_WEBHOOK = JsonDecoder(_Webhook)
_USER = JsonDecoder(ResellerWireUser)


def read_webhook(body: bytes, tenant: str) -> tuple[UserChange, model.User] | None:
    """Return the change and the user; None for an event that is not about a user.

    `tenant` is the reseller, which the body does not contain.

    Raises:
        ValueError: the body does not have the documented form.
    """
    webhook = _WEBHOOK.decode(body)
    change = _CHANGES.get(webhook.event)
    return None if change is None else (change, _USER.convert(webhook.data).record(tenant))
