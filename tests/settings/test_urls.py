"""The settings that are URLs: they are validated, and are texts."""

from typing import Any

import pytest
from pydantic import ValidationError

from gateway.settings import AccountSettings, AuthSettings, Settings


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://api.example", "https://api.example"),
        ("https://api.example/", "https://api.example/"),
        ("https://api.example/reseller", "https://api.example/reseller"),
        ("http://127.0.0.1:8100", "http://127.0.0.1:8100"),
        ("https://API.example:443/Users", "https://api.example/Users"),
        ("https://exämple.test", "https://xn--exmple-cua.test"),
    ],
)
def test_a_url_is_a_text(given: str, url: str) -> None:
    """A URL is normalised, and gets no slash at its end that was not given."""
    assert AccountSettings(base_url=given).base_url == url
    assert Settings(public_url=given).public_url == url


@pytest.mark.parametrize("given", ["ftp://api.example", "api.example", "http://", "", "http://a b/"])
def test_other_texts_are_refused(given: str) -> None:
    """What is no HTTP URL is no valid setting."""
    with pytest.raises(ValidationError, match="URL"):
        AccountSettings(base_url=given)


@pytest.mark.parametrize("given", ["https://api.example?", "https://api.example/#a", "https://api.example/a?b=c"])
def test_a_base_url_has_neither_query_nor_fragment(given: str) -> None:
    """Paths are appended to a base URL, so that nothing may be after its path."""
    with pytest.raises(ValidationError, match="must not have a query or a fragment"):
        AccountSettings(base_url=given)


def test_a_base_url_has_no_credentials() -> None:
    """A user name or a password in a base URL would be in logs; the message does not contain it."""
    with pytest.raises(ValidationError, match="set the token instead") as caught:
        AccountSettings(base_url="https://ada:s3cret@api.example")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "is_accepted"),
    [
        ("https://login.example/keys", True),
        ("http://[::1]:8/keys", True),
        ("http://LOCALHOST/keys", True),
        ("http://login.example/keys", False),
        ("http://localhost@login.example/keys", False),
        ("http://127.0.0.1.login.example/keys", False),
    ],
)
def test_keys_are_fetched_securely(*, url: str, is_accepted: bool) -> None:
    """A key set is fetched by https, or by http from this machine."""
    given: dict[str, Any] = {"mode": "jwt", "issuer": "a", "audience": "b", "jwks_url": url}
    if is_accepted:
        assert AuthSettings(**given).jwks_url == url.lower()
    else:
        with pytest.raises(ValidationError, match="must be https"):
            AuthSettings(**given)
