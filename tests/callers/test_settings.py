import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import GATEWAY
from pydantic import ValidationError

from gateway import Settings
from gateway.settings import AuthMode

FILE = Path(__file__)
JWT = {"mode": "jwt", "jwks_file": FILE, "issuer": "i", "audience": "a"}


def gateway(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_")}
    return subprocess.run(
        [GATEWAY, *arguments], env=clean | environment, capture_output=True, text=True, timeout=30, check=False
    )


def test_production_requires_a_mode() -> None:
    """In production without authentication the gateway exits with 2 and names the setting."""
    completed = gateway("serve", GATEWAY_ENVIRONMENT="production")
    assert completed.returncode == 2
    assert "GATEWAY_AUTH__MODE" in completed.stderr


def test_production_with_a_mode(tmp_path: Path) -> None:
    """Production with a mode, and development without one, are valid."""
    (tmp_path / "keys.toml").write_text("")
    keys = {"GATEWAY_AUTH__MODE": "api_key", "GATEWAY_AUTH__KEYS_FILE": str(tmp_path / "keys.toml")}
    assert gateway("config", GATEWAY_ENVIRONMENT="production", **keys).returncode == 0
    assert gateway("config").returncode == 0


@pytest.mark.parametrize(
    ("mode", "headers"),
    [
        ("none", ()),
        ("api_key", ("X-API-Key",)),
        ("jwt", ("Authorization",)),
        ("jwt api_key", ("X-API-Key", "Authorization")),
    ],
)
def test_headers_for_credentials(mode: str, headers: tuple[str, ...]) -> None:
    """Each accepted kind of credential has its header."""
    settings = Settings.model_validate({"auth": JWT | {"mode": mode, "keys_file": FILE}})
    assert settings.auth.headers == headers


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"mode": "api_key"}, "GATEWAY_AUTH__KEYS_FILE"),
        ({"mode": "api_key", "keys_file": "/nowhere"}, "keys_file"),
        ({"mode": "jwt"}, "GATEWAY_AUTH__JWKS_FILE"),
        (JWT | {"jwks_url": "https://issuer.example/"}, "one key set"),
        (JWT | {"issuer": ""}, "GATEWAY_AUTH__ISSUER"),
        (JWT | {"audience": ""}, "GATEWAY_AUTH__ISSUER"),
        (JWT | {"algorithms": ""}, "GATEWAY_AUTH__ISSUER"),
        (JWT | {"algorithms": "RS256 none"}, "unsupported signing algorithm: none"),
        (JWT | {"algorithms": "HS256", "jwks_file": None, "jwks_url": "https://issuer.example/"}, "secret key"),
        ({"jwks_url": "http://issuer.example/"}, "https"),
        ({"jwks_url": "http://127.0.0.1.evil.example/"}, "https"),
        ({"mode": "oauth"}, "mode"),
    ],
    ids=str,
)
def test_incomplete_modes_are_refused(given: dict[str, Any], message: str) -> None:
    """A mode with missing or insecure settings is refused; the message names the setting."""
    with pytest.raises(ValidationError, match=message):
        Settings(auth=given)


@pytest.mark.parametrize("text", ["api_key jwt", "jwt api_key", "jwt,api_key", " jwt , api_key "])
def test_both(text: str) -> None:
    """Both modes can be given in any order, separated by blanks or commas."""
    assert Settings(auth=JWT | {"mode": text, "keys_file": FILE}).auth.mode is AuthMode.BOTH


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/jwks", "http://[::1]:1/jwks", "http://localhost/jwks"])
def test_key_sets_over_http_on_loopback(url: str) -> None:
    """Without TLS a key set is accepted from loopback addresses only."""
    assert Settings(auth={"jwks_url": url}).auth.jwks_url is not None


@pytest.mark.parametrize(
    ("headers", "forwards"),
    [
        ("authorization", {"authorization": "authorization"}),
        (
            "X-Account-Authorization=Authorization X-Trace",
            {"x-account-authorization": "authorization", "x-trace": "x-trace"},
        ),
    ],
)
def test_forwarded(headers: str, forwards: dict[str, str]) -> None:
    """Forwarded headers are listed, with another name where the source requires it; by default there are none."""
    assert Settings(account={"forward_headers": headers}).account.forwards == {}
    assert Settings(account={"forward_headers": headers, "credentials": "forward"}).account.forwards == forwards


@pytest.mark.parametrize(
    "headers",
    [
        "",
        "host",
        "X-API-Key",
        "content-type",
        "Transfer-Encoding",
        "a:b",
        "x=ü",
        "x=content-length",
        "x=idempotency-key",
    ],
)
def test_never_forwarded(headers: str) -> None:
    """Headers of the connection, of the body and of the gateway cannot be forwarded."""
    with pytest.raises(ValidationError):
        Settings(account={"forward_headers": headers})
