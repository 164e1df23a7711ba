"""What `gateway serve` imports: start and memory are the sum of it, so that nothing is imported that is not used."""

import re

import pytest
from conftest import command

ACCOUNT = {
    "GATEWAY_ACCOUNT__BASE_URL": "http://127.0.0.1:9",
    "GATEWAY_ACCOUNT__TOKEN": "token",
    "GATEWAY_ACCOUNT__ACCOUNT_ID": "ac_1",
    "GATEWAY_HTTP_PORT": "0",
    "GATEWAY_ADMIN_PORT": "0",
}
UNUSED = {
    "aiohttp",
    "fastapi",
    "gateway.sandbox",
    "gateway.testing",
    "joserfc",
    "multiprocessing",
    "opentelemetry.exporter",
    "opentelemetry.sdk",
    "redis",
    "sqlite3",
    "strawberry.aiohttp",
    "unittest",
    "uvloop",
    "yarl",
}
"""Without authentication by tokens, Redis and traces, and with lean HTTP."""
OF_GRPC = {"google.protobuf", "grpc", "usergateway"}


@pytest.mark.parametrize(("grpc_port", "unused"), [("off", UNUSED | OF_GRPC), ("0", UNUSED)])
def test_what_is_not_imported(grpc_port: str, unused: set[str]) -> None:
    """`gateway serve` with lean HTTP imports neither aiohttp nor what its settings have turned off."""
    settings = ACCOUNT | {"GATEWAY_HTTP": "lean", "GATEWAY_GRPC_PORT": grpc_port}
    with command("serve", last="/metrics", PYTHONPROFILEIMPORTTIME="1", **settings) as running:
        imported = set(re.findall(r"^import time:.*\| +([\w.]+)$", running.printed, re.MULTILINE))
    assert "gateway.app.serving" in imported
    assert ("grpc" in imported) == (grpc_port != "off")
    assert not imported & unused
