"""What was sent to a source is removed from the texts of its errors."""

import json
from typing import Any

import pytest

from gateway.sources.http.exchange import Multipart, Part, Request
from gateway.sources.http.redaction import redaction_for

TEMPLATE = "/v1/identity/account-users/{id}"
URL = "https://host.test/account/v1/identity/account-users"


def request(url: str = URL, template: str = TEMPLATE, body: Any = None) -> Request:
    return Request("account", "PATCH", url, template, {"Authorization": "Bearer s-token"}, body)


@pytest.mark.parametrize(
    ("sent", "text", "shown"),
    [
        (request(), "The token s-token is wrong, see https://docs.test/x", "The token … is wrong, see …"),
        (request(f"{URL}/acus%201"), "No account user acus 1.", "No account user …."),
        (request(body=b'{"name": "Ada Lovelace"}'), "'Ada Lovelace' and ADA LOVELACE", "'…' and …"),
        (request(body=b'{"password": "P$w+d(1"}'), "P$w+d(1 is weak", "… is weak"),
        (
            request(body=b'{"password": "a\\"b\\\\c\\n1"}'),
            r'unknown: {"password":"a\"b\\c\n1"}',
            'unknown: {"password":"…"}',
        ),
        (
            request(body='{"name": "Zoë É"}'.encode()),
            r"'Zo\u00eb \u00c9', q=Zo%C3%AB+%C3%89, /Zo%C3%AB%20%C3%89",
            "'…', q=…, /…",
        ),
        (request(body=b'{"a": {"b": [1, null, {"c": "deep"}]}}'), "deep, but not deeper", "…, but not deeper"),
        (request(body=b'{"a": "long", "b": "long value"}'), "long value", "…"),
        (request(body=b'{"a": "in"}'), "Not in the account.", "Not in the account."),
        (request(body=b'{"role": "user"}'), "A user with this email exists.", "A user with this email exists."),
        (request(body=b"\xff"), "As it is.", "As it is."),
        (request(f"{URL}?q=Ada%20L&include[]=role", TEMPLATE[:-5]), "No role for Ada L.", "No role for …."),
        (request(f"{URL}?and(ilike(name,'*Ada%20L*'))", TEMPLATE[:-5]), "Not: Ada L", "Not: …"),
        (request(body=b""), None, None),
    ],
)
def test_texts(sent: Request, text: str | None, shown: str | None) -> None:
    """Values of the body, the path and the query, the credential and addresses are removed, and nothing else is."""
    assert redaction_for(sent)(text) == shown


def test_forms() -> None:
    """The values in the parts of a form are removed too, and so is the name of a file."""
    parts = (
        Part("icon", b"GIF89a", "image/gif", "ada.gif"),
        Part("user", json.dumps({"firstName": "Augusta"}).encode(), "application/json"),
    )
    assert redaction_for(request(body=Multipart(parts)))("Augusta, ada.gif") == "…, …"
