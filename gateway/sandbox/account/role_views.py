"""Renders roles, with their owner and account, as JSON."""

from collections.abc import Collection
from typing import Any

import orjson

from gateway.sandbox.clock import go_time
from gateway.sandbox.credentials import ACCOUNT_ID
from gateway.sandbox.store import Row

__all__ = ["ACCOUNT_INCLUDES", "ROLE_INCLUDES", "account_view", "role_view"]

ROLE_INCLUDES = ("owner", "owner.account", "permissions")
"""The values of `include` that the role endpoints allow."""

ACCOUNT_INCLUDES = ("branding", "portal", "default_billing_address", "default_shipping_address")
"""The values of `include` that the endpoint of an account allows."""

_TIMES = {"created_at": "2023-11-02T08:00:00Z", "updated_at": "2024-05-02T08:00:00Z"}


def role_view(row: Row, included: Collection[str], *, april: bool) -> dict[str, Any]:
    """Return the JSON of a role. What is inside its account is null, except in the form of April.

    Without permissions the field is null even when permissions are included (docs/upstreams/account.md, "Roles").
    """
    owner = None
    if "owner" in included:
        includes_account = row["owner"] == "account" and "owner.account" in included
        owner = {
            "object": "owner",
            "type": row["owner"],
            "account": account_view(ACCOUNT_INCLUDES if april else (), april=april) if includes_account else None,
        }
    return {
        "id": row["id"],
        "object": "role",
        "name": row["name"],
        "type": row["type"],
        "owner": owner,
        "permissions": (orjson.loads(row["permissions"]) or None) if "permissions" in included else None,
        "created_at": go_time(row["created_at"]),
        "updated_at": go_time(row["updated_at"]),
    }


def account_view(included: Collection[str], *, april: bool = False) -> dict[str, Any]:
    """Return the JSON of the account of the sandbox."""
    branding = {
        "id": "br_sandbox00001",
        "object": "account_branding",
        "support_email": "help@example.com",
        "phone_number": "+31 10 555 0100",
        "logo_url": "logos/lovelace-looms.png",
        "facebook_handle": None,
        "instagram_handle": "lovelacelooms",
        "linkedin_handle": "lovelace-looms",
        "twitter_handle": None,
        "website_url": "https://looms.example.com",
    }
    includable: dict[str, Any] = {
        "default_billing_address": _address("billing", "Accounts payable", "Keizersgracht 1", april=april),
        "default_shipping_address": _address("shipping", "Goods in", "Waalhaven 12", april=april),
        "branding": branding | _TIMES,
        "portal": {"id": "po_sandbox00001", "object": "account_portal", "slug": "lovelace-looms"} | _TIMES,
    }
    return (
        {"id": ACCOUNT_ID, "object": "account", "name": "Lovelace Looms B.V."}
        | {name: value if name in included else None for name, value in includable.items()}
        | _TIMES
    )


def _address(kind: str, name: str, street: str, *, april: bool) -> dict[str, Any]:
    geolocation = {
        "id": f"ge_{kind:0<12}",
        "object": "geolocation",
        "street_line_1": street,
        "street_line_2": None,
        "locality": "Rotterdam",
        "state": None,
        "postal_code": "3011 AA",
        "country": "NL",
    }
    version_field: dict[str, Any] = {"is_drop_ship": False} if april else {"type": "standard"}
    return (
        {
            "id": f"ad_{kind:0<12}",
            "object": "address",
            "name": name,
            "phone": "+31 10 555 0101",
            "email": f"{kind}@example.com",
            "geolocation": geolocation | _TIMES,
        }
        | version_field
        | _TIMES
    )
