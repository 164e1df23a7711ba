"""The reseller API's webhooks: which events there are of users, and what their bodies mean (reseller.md, 4)."""

from typing import Any

from gateway.sources.http.json import CamelWire, Shape
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


_WEBHOOK = Shape(_Webhook)
_USER = Shape(ResellerWireUser)


def read_webhook(body: bytes, tenant: str) -> tuple[UserChange, model.User] | None:
    """What happened to which user of that reseller, whom the body does not name; None where it is no user's event.

    Raises:
        ValueError: it is not what the source documents.
    """
    webhook = _WEBHOOK.read(body)
    change = _CHANGES.get(webhook.event)
    return None if change is None else (change, _USER.of(webhook.data).record(tenant))
