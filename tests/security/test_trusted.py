"""Trusted documents and automatic persisted queries, with the console script and with client libraries."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from security.manifests import DOCUMENTS, FORMS, sha256, write_manifest
from security.outside import Caller, Keys, RecordedProcess, Serve, wait_until

NODE = Path(__file__).parent / "node"
OTHER = "{ __typename }"
ADA = DOCUMENTS["Ada"]


def _settings(trust: str, *manifests: Path) -> dict[str, str]:
    return {"GATEWAY_DOCUMENTS__TRUST": trust, "GATEWAY_DOCUMENTS__MANIFESTS": " ".join(map(str, manifests))}


@pytest.mark.parametrize("form", FORMS)
async def test_forms(serve: Serve, caller_of: Callable[..., Caller], tmp_path: Path, form: str) -> None:
    """With `enforce` only documents of the manifest are executed, by name in the format of each client, or by text."""
    name = FORMS[form][1](ADA)
    with serve(**_settings("enforce", write_manifest(form, tmp_path))) as running:
        caller = caller_of(running)
        for payload in ({"documentId": name}, {"doc_id": name}, {"documentId": f"sha256:{name}"}, {"query": ADA}):
            status, body, _ = await caller.send(payload)
            assert (status, body["data"]["user"]["name"]) == (200, "Ada Lovelace"), payload
        if form != "relay":  # Relay names by MD5, not SHA-256
            payload = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}}}
            assert (await caller.send(payload))[1]["data"]["user"]["name"] == "Ada Lovelace"
        status, body, _ = await caller.send({"query": OTHER})
        assert (status, body["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")
        _, body, _ = await caller.send({"documentId": "0" * 64})
        assert body["errors"][0]["message"] == "PersistedQueryNotFound"
        _, body, _ = await caller.send({"documentId": name, "query": OTHER})
        assert "user" in body["data"]  # the name takes precedence over the text


async def test_enforced_everywhere(serve: Serve, tmp_path: Path, session: ClientSession) -> None:
    """GET, Server-Sent Events and WebSockets also execute only documents of the manifest."""
    with serve(**_settings("enforce", write_manifest("apollo", tmp_path))) as running:
        url = running.address("GraphQL")
        headers = {"GraphQL-Require-Preflight": "1"}
        async with session.get(url, params={"query": OTHER}, headers=headers) as response:
            assert response.status == 403
        async with session.get(url, params={"documentId": sha256(ADA)}, headers=headers) as response:
            assert (await response.json())["data"]["user"]["name"] == "Ada Lovelace"
        events = {"Accept": "text/event-stream"}
        async with session.post(url, json={"query": OTHER}, headers=events) as response:
            assert "FORBIDDEN" in await response.text()
        async with session.post(url, json={"documentId": sha256(ADA)}, headers=events) as response:
            assert "Ada Lovelace" in await response.text()
        async with session.ws_connect(url, protocols=["graphql-transport-ws"]) as socket:
            await socket.send_json({"type": "connection_init"})
            assert await _receive(socket) == {"type": "connection_ack"}
            await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": OTHER}})
            error_message = await _receive(socket)
            assert (error_message["type"], error_message["payload"][0]["extensions"]["code"]) == ("error", "FORBIDDEN")
            await socket.send_json({"type": "subscribe", "id": "2", "payload": {"documentId": sha256(ADA)}})
            assert (await _receive(socket))["payload"]["data"]["user"]["name"] == "Ada Lovelace"


async def test_logged(serve: Serve, caller_of: Callable[..., Caller], tmp_path: Path) -> None:
    """With `log` other documents are executed too; the log has their hashes and never their text."""
    with serve(**_settings("log", write_manifest("codegen", tmp_path))) as running:
        assert (await caller_of(running).execute(OTHER))["data"] == {"__typename": "Query"}
        assert (await caller_of(running).execute(ADA))["data"]["user"]["name"] == "Ada Lovelace"
        await running.has_printed(f"sha256 {sha256(OTHER)}")
        assert sha256(ADA) not in running.output
        assert OTHER not in running.output


async def test_off(development: RecordedProcess, caller_of: Callable[..., Caller]) -> None:
    """Without a manifest, a request by name gets PersistedQueryNotSupported."""
    _, body, _ = await caller_of(development).send({"documentId": "x"})
    assert body["errors"][0]["message"] == "PersistedQueryNotSupported"


async def test_a_manifest_that_changes(serve: Serve, caller_of: Callable[..., Caller], tmp_path: Path) -> None:
    """A new manifest is applied without a restart; an invalid one changes nothing."""
    file = write_manifest("codegen", tmp_path)
    with serve(**_settings("enforce", file), GATEWAY_DOCUMENTS__RELOAD="0.1") as running:
        assert (await caller_of(running).send({"query": OTHER}))[0] == 403
        file.write_text(json.dumps({"mine": OTHER}))

        async def is_loaded() -> bool:
            return "data" in (await caller_of(running).send({"documentId": "mine"}))[1]

        await wait_until(is_loaded)
        assert (await caller_of(running).send({"query": ADA}))[0] == 403
        file.write_text("{")
        await running.has_printed("were not replaced")
        assert (await caller_of(running).send({"documentId": "mine"}))[1] == {"data": {"__typename": "Query"}}


async def test_automatic(serve: Serve, caller_of: Callable[..., Caller]) -> None:
    """A document that was sent once with its hash can be requested by the hash; a wrong hash stores nothing."""
    named = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(ADA)}}}
    with serve(GATEWAY_DOCUMENTS__AUTOMATIC="true") as running:
        caller = caller_of(running)
        status, body, headers = await caller.send(named)
        assert (status, body["errors"][0]["message"]) == (200, "PersistedQueryNotFound")
        assert headers["Cache-Control"] == "private, no-store"
        status, body, _ = await caller.send({"query": OTHER} | named)
        assert (status, body["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
        assert (await caller.send(named))[1]["errors"][0]["message"] == "PersistedQueryNotFound"
        assert (await caller.send({"query": ADA} | named))[1]["data"]["user"]["name"] == "Ada Lovelace"
        assert (await caller.send(named))[1]["data"]["user"]["name"] == "Ada Lovelace"


async def test_reading_is_paid_for(serve: Serve, caller_of: Callable[..., Caller]) -> None:
    """The parsing of a document that is sent with its hash is charged as for any other document."""
    rate_limit = {"GATEWAY_RATE_LIMIT__COST": "1000", "GATEWAY_RATE_LIMIT__WINDOW": "86400"}
    with serve(GATEWAY_DOCUMENTS__AUTOMATIC="true", **rate_limit) as running:
        remaining = []
        for number, named in enumerate(({}, {"persistedQuery": {"version": 1}})):
            text = f"query Q{number} {OTHER}"
            if named:
                named["persistedQuery"]["sha256Hash"] = sha256(text)
            _, body, _ = await caller_of(running).send({"query": text, "extensions": {"cost": True} | named})
            remaining.append(body["extensions"]["cost"]["remaining"])
        assert remaining == [1000 - 20, 1000 - 40]


@pytest.mark.parametrize("client", ["apollo", "urql"])
def test_clients_by_hash(serve: Serve, keys: Keys, node_in: Callable[[Path], Path], client: str) -> None:
    """Apollo Client and urql send a document once, and only its hash afterwards."""
    with serve(GATEWAY_DOCUMENTS__AUTOMATIC="true", **_authentication(keys)) as running:
        first, second = _node(node_in, client, "automatic", running, keys)
    assert first["data"]["user"]["name"] == second["data"]["user"]["name"] == "Ada Lovelace"
    assert [sent["query"] for sent in first["sent"]] == [False, True]
    assert [sent["query"] for sent in second["sent"]] == [False]


@pytest.mark.parametrize("client", ["apollo", "urql"])
def test_clients_by_manifest(
    serve: Serve, keys: Keys, node_in: Callable[[Path], Path], tmp_path: Path, client: str
) -> None:
    """Apollo Client and urql name a document of an enforced manifest and never send its text."""
    manifest = write_manifest("apollo", tmp_path)
    with serve(**_settings("enforce", manifest), **_authentication(keys)) as running:
        for response in _node(node_in, client, "manifest", running, keys, str(manifest)):
            assert response["data"]["user"]["name"] == "Ada Lovelace"
            assert [sent["query"] for sent in response["sent"]] == [False]


@pytest.mark.parametrize("client", ["apollo", "urql"])
def test_clients_without_either(
    production: RecordedProcess, keys: Keys, node_in: Callable[[Path], Path], client: str
) -> None:
    """Where hashes are not supported, both clients send the text and get a response."""
    first, second = _node(node_in, client, "automatic", production, keys)
    assert first["data"]["user"]["name"] == second["data"]["user"]["name"] == "Ada Lovelace"
    assert second["sent"][-1]["query"] is True


def _authentication(keys: Keys) -> dict[str, str]:
    return {"GATEWAY_AUTH__MODE": "api_key", "GATEWAY_AUTH__KEYS_FILE": str(keys.file)}


def _node(
    node_in: Callable[[Path], Path], client: str, mode: str, running: RecordedProcess, keys: Keys, *rest: str
) -> Any:
    """Run a client with a key; return the data it got and the requests it sent, for the first and the second query."""
    arguments = [client, mode, running.address("GraphQL"), keys.by_name["reader"], *rest]
    command = [str(node_in(NODE)), "client.mjs", *arguments]
    result = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


async def _receive(socket: Any) -> Any:
    while (message := await socket.receive_json(timeout=20))["type"] in {"ping", "complete"}:
        pass
    return message
