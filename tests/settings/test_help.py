"""The help of the commands."""

import pytest
from settings.conftest import Run

from gateway import Settings
from gateway.settings.names import leaves


@pytest.mark.parametrize("command", ["serve", "demo", "check", "config"])
def test_short(run: Run, command: str) -> None:
    """The help of a command fits about one screen."""
    printed = run(command, "--help").stdout
    assert len(printed.splitlines()) <= 65
    assert "--config" in printed
    assert "--help-all" in printed


def test_secrets(run: Run) -> None:
    """The help of `serve` names the variables of the secrets, and that each can be in a file."""
    printed = run("serve", "--help").stdout
    for name in ("ACCOUNT__TOKEN", "SOFTWAREONE__TOKEN", "RESELLER__TOKEN", "RESELLER__WEBHOOK_TOKEN", "REDIS_URL"):
        assert f"  GATEWAY_{name} " in printed
    assert "GATEWAY_ACCOUNT__TOKEN_FILE" in printed


def test_everything(run: Run) -> None:
    """`--help-all` has every setting: an option with its variable, or the variable alone of a secret."""
    printed = run("serve", "--help-all").stdout
    text = " ".join(printed.split())
    for leaf in leaves(Settings):
        if leaf.is_secret:
            assert f"{leaf.variable} " in text
            assert f"{leaf.option} " not in text
        else:
            assert f"{leaf.option} VALUE" in text
            assert f"[{leaf.variable}" in text
