"""Trusted documents and automatic persisted queries, from outside."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from security.manifests import DOCUMENTS, FORMS, sha256, written
from security.outside import Caller, Recorded, Serve, until

NODE = Path(__file__).parent / "node"
OTHER = "{ __typename }"
ADA = DOCUMENTS["Ada"]


def _settings(trust: str, *manifests: Path) -> dict[str, str]:
    return {"GATEWAY_DOCUMENTS__TRUST": trust, "GATEWAY_DOCUMENTS__MANIFESTS": " ".join(map(str, manifests))}


@pytest.mark.parametrize("form", FORMS)
async def test_forms(serve: Serve, at: Callable[..., Caller], tmp_path: Path, form: str) -> None:
    """With `enforce` a manifest's documents are executed by name in every client's words, or by text; no others are."""
    name = FORMS[form][1](ADA)
    with serve(**_settings("enforce", written(form, tmp_path))) as running:
        caller = at(running)
        for asked in ({"documentId": name}, {"doc_id": name}, {"documentId": f"sha256:{name}"}, {"query": ADA}):
            status, said, _ = await caller.send(asked)
            assert (status, said["data"]["user"]["name"]) == (200, "Ada Lovelace"), asked
        if form != "relay":  # whose MD5 is no SHA-256
            asked = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": name}}}
            assert (await caller.send(asked))[1]["data"]["user"]["name"] == "Ada Lovelace"
        status, said, _ = await caller.send({"query": OTHER})
        assert (status, said["errors"][0]["extensions"]["code"]) == (403, "FORBIDDEN")
        _, said, _ = await caller.send({"documentId": "0" * 64})
        assert said["errors"][0]["message"] == "PersistedQueryNotFound"
        _, said, _ = await caller.send({"documentId": name, "query": OTHER})
        assert "user" in said["data"]  # the name decides, not the text beside it


async def test_enforced_everywhere(serve: Serve, tmp_path: Path, session: ClientSession) -> None:
    """GET, Server-Sent Events and a WebSocket execute no other documents either."""
    with serve(**_settings("enforce", written("apollo", tmp_path))) as running:
        url = running.address("GraphQL")
        own = {"GraphQL-Require-Preflight": "1"}
        async with session.get(url, params={"query": OTHER}, headers=own) as answer:
            assert answer.status == 403
        async with session.get(url, params={"documentId": sha256(ADA)}, headers=own) as answer:
            assert (await answer.json())["data"]["user"]["name"] == "Ada Lovelace"
        events = {"Accept": "text/event-stream"}
        async with session.post(url, json={"query": OTHER}, headers=events) as answer:
            assert "FORBIDDEN" in await answer.text()
        async with session.post(url, json={"documentId": sha256(ADA)}, headers=events) as answer:
            assert "Ada Lovelace" in await answer.text()
        async with session.ws_connect(url, protocols=["graphql-transport-ws"]) as socket:
            await socket.send_json({"type": "connection_init"})
            assert await _heard(socket) == {"type": "connection_ack"}
            await socket.send_json({"type": "subscribe", "id": "1", "payload": {"query": OTHER}})
            refused = await _heard(socket)
            assert (refused["type"], refused["payload"][0]["extensions"]["code"]) == ("error", "FORBIDDEN")
            await socket.send_json({"type": "subscribe", "id": "2", "payload": {"documentId": sha256(ADA)}})
            assert (await _heard(socket))["payload"]["data"]["user"]["name"] == "Ada Lovelace"


async def test_logged(serve: Serve, at: Callable[..., Caller], tmp_path: Path) -> None:
    """With `log` other documents are executed too, and the log has their hashes, never their text."""
    with serve(**_settings("log", written("codegen", tmp_path))) as running:
        assert (await at(running).ask(OTHER))["data"] == {"__typename": "Query"}
        assert (await at(running).ask(ADA))["data"]["user"]["name"] == "Ada Lovelace"
        assert f"sha256 {sha256(OTHER)}" in running.said
        assert sha256(ADA) not in running.said
        assert OTHER not in running.said


async def test_off(development: Recorded, at: Callable[..., Caller]) -> None:
    """Without a manifest no document has a name, and clients are told to stop naming them."""
    _, said, _ = await at(development).send({"documentId": "x"})
    assert said["errors"][0]["message"] == "PersistedQueryNotSupported"


async def test_a_manifest_that_changes(serve: Serve, at: Callable[..., Caller], tmp_path: Path) -> None:
    """A new manifest counts without a restart; a broken one changes nothing."""
    file = written("codegen", tmp_path)
    with serve(**_settings("enforce", file), GATEWAY_DOCUMENTS__RELOAD="0.1") as running:
        assert (await at(running).send({"query": OTHER}))[0] == 403
        file.write_text(json.dumps({"mine": OTHER}))

        async def mine() -> bool:
            return "data" in (await at(running).send({"documentId": "mine"}))[1]

        async def told() -> bool:
            return "were not replaced" in running.said

        await until(mine)
        assert (await at(running).send({"query": ADA}))[0] == 403
        file.write_text("{")
        await until(told)
        assert (await at(running).send({"documentId": "mine"}))[1] == {"data": {"__typename": "Query"}}


async def test_automatic(serve: Serve, at: Callable[..., Caller]) -> None:
    """A document is asked for by its hash, sent once with it, and known from then on; a wrong hash keeps nothing."""
    named = {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(ADA)}}}
    with serve(GATEWAY_DOCUMENTS__AUTOMATIC="true") as running:
        caller = at(running)
        status, said, headers = await caller.send(named)
        assert (status, said["errors"][0]["message"]) == (200, "PersistedQueryNotFound")
        assert headers["Cache-Control"] == "no-store"
        status, said, _ = await caller.send({"query": OTHER} | named)
        assert (status, said["errors"][0]["extensions"]["code"]) == (400, "BAD_USER_INPUT")
        assert (await caller.send(named))[1]["errors"][0]["message"] == "PersistedQueryNotFound"
        assert (await caller.send({"query": ADA} | named))[1]["data"]["user"]["name"] == "Ada Lovelace"
        assert (await caller.send(named))[1]["data"]["user"]["name"] == "Ada Lovelace"


async def test_reading_is_paid_for(serve: Serve, at: Callable[..., Caller]) -> None:
    """A document that is sent to be kept costs its reading like any other."""
    own = {"GATEWAY_RATE_LIMIT__COST": "1000", "GATEWAY_RATE_LIMIT__WINDOW": "600"}
    with serve(GATEWAY_DOCUMENTS__AUTOMATIC="true", **own) as running:
        left = []
        for number, named in enumerate(({}, {"persistedQuery": {"version": 1}})):
            text = f"query Q{number} {OTHER}"
            if named:
                named["persistedQuery"]["sha256Hash"] = sha256(text)
            _, said, _ = await at(running).send({"query": text, "extensions": {"cost": True} | named})
            left.append(said["extensions"]["cost"]["remaining"])
        assert left == [1000 - 20, 1000 - 40]


@pytest.mark.parametrize("client", ["apollo", "urql"])
def test_clients_by_hash(serve: Serve, node_in: Callable[[Path], Path], client: str) -> None:
    """Apollo Client and urql send a document once, and from then on its hash alone."""
    with serve(GATEWAY_DOCUMENTS__AUTOMATIC="true") as running:
        first, second = _node(node_in, client, "automatic", running)
    assert first["data"]["user"]["name"] == second["data"]["user"]["name"] == "Ada Lovelace"
    assert [sent["query"] for sent in first["sent"]] == [False, True]
    assert [sent["query"] for sent in second["sent"]] == [False]


@pytest.mark.parametrize("client", ["apollo", "urql"])
def test_clients_by_manifest(serve: Serve, node_in: Callable[[Path], Path], tmp_path: Path, client: str) -> None:
    """Apollo Client and urql name a manifest's document where only those are executed, and never send its text."""
    manifest = written("apollo", tmp_path)
    with serve(**_settings("enforce", manifest)) as running:
        for answer in _node(node_in, client, "manifest", running, str(manifest)):
            assert answer["data"]["user"]["name"] == "Ada Lovelace"
            assert [sent["query"] for sent in answer["sent"]] == [False]


@pytest.mark.parametrize("client", ["apollo", "urql"])
def test_clients_without_either(development: Recorded, node_in: Callable[[Path], Path], client: str) -> None:
    """Where no document has a name both clients stop naming them, and are answered."""
    first, second = _node(node_in, client, "automatic", development)
    assert first["data"]["user"]["name"] == second["data"]["user"]["name"] == "Ada Lovelace"
    assert second["sent"][-1]["query"] is True


def _node(node_in: Callable[[Path], Path], client: str, mode: str, running: Recorded, *rest: str) -> Any:
    """What a client got, and what it sent for it, the first time and the second."""
    command = [str(node_in(NODE)), "client.mjs", client, mode, running.address("GraphQL"), *rest]
    done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


async def _heard(socket: Any) -> Any:
    while (message := await socket.receive_json(timeout=5))["type"] in {"ping", "complete"}:
        pass
    return message
