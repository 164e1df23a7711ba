"""Tests of the application on the simulated sources."""

from typing import Any

import pytest
from bff import LOGINS
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from gateway import Gateway
from gateway.testing import AccountUser, Sandbox

ADA = "ada.lovelace@example.com"
SOCKET = "wss://bff.example/users/graphql"
GRACE = "grace.hopper@example.com"
RENAME = 'mutation { updateAccountUser(id: "acus_plainperson1", input: {name: "Edsger D."}) { name } }'


def sign_in(client: TestClient, email: str) -> None:
    response = client.post("/session", json={"email": email, "password": LOGINS[email].password})
    assert response.status_code == 204


def execute(client: TestClient, query: str, **headers: str) -> Any:
    return client.post("/users/graphql", json={"query": query}, headers=headers).json()


def test_without_a_session(client: TestClient, gateway_sandbox: Sandbox) -> None:
    assert client.get("/profile").status_code == 401
    assert (
        execute(client, "{ users(first: 1) { nodes { name } } }")["errors"][0]["extensions"]["code"]
        == "UNAUTHENTICATED"
    )
    assert client.post("/session", json={"email": ADA, "password": "wrong"}).status_code == 401
    assert gateway_sandbox.calls == []


def test_profile(client: TestClient) -> None:
    sign_in(client, ADA)
    profile = client.get("/profile").json()
    assert [(record["source"], record["name"], record["role"]) for record in profile] == [
        ("account", "Ada Lovelace", "Admin"),
        ("softwareone", "Ada Lovelace", None),
        ("reseller", "Ada Lovelace", "user"),
    ]
    assert "team:update" in profile[0]["permissions"]
    assert client.delete("/session").status_code == 204
    assert client.get("/profile").status_code == 401


def test_rename(client: TestClient, gateway_sandbox: Sandbox) -> None:
    sign_in(client, ADA)
    gateway_sandbox.calls.clear()
    for _ in range(2):
        response = client.patch("/profile", json={"name": "Ada King"}, headers={"Idempotency-Key": "rename-1"})
        assert response.json()["name"] == "Ada King"
    [change] = [call for call in gateway_sandbox.calls if call.method == "PATCH"]
    assert change.json == {"name": "Ada King"}


def test_rename_refused(client: TestClient) -> None:
    sign_in(client, ADA)
    response = client.patch("/profile", json={"name": " "})
    assert response.status_code == 422
    assert response.json()["fields"].keys() == {"name"}
    sign_in(client, GRACE)
    assert client.patch("/profile", json={"name": "Grace"}).status_code == 403


def test_colleagues(client: TestClient, gateway_sandbox: Sandbox) -> None:
    gateway_sandbox.seed(AccountUser(name="Eve", role="Viewer"))
    sign_in(client, GRACE)
    first = client.get("/colleagues").json()
    assert (first["colleagues"][0]["name"], first["colleagues"][0]["role"]) == ("Eve", "Viewer")
    second = client.get("/colleagues", params={"after": first["after"]}).json()
    assert not {user["id"] for user in first["colleagues"]} & {user["id"] for user in second["colleagues"]}


def test_outage(client: TestClient, gateway_sandbox: Sandbox) -> None:
    sign_in(client, ADA)
    gateway_sandbox.fail("account", status=503, retry_after=7, times=None)
    response = client.get("/colleagues")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "7")
    gateway_sandbox.stop_failing()


def test_graphql_acts_as_the_user_of_the_session(client: TestClient) -> None:
    sign_in(client, ADA)
    assert execute(client, RENAME)["data"]["updateAccountUser"]["name"] == "Edsger D."
    sign_in(client, GRACE)
    assert execute(client, RENAME)["errors"][0]["extensions"]["code"] == "FORBIDDEN"


def test_pages_of_other_origins(client: TestClient) -> None:
    sign_in(client, ADA)
    own, foreign = {"Origin": "https://bff.example"}, {"Origin": "https://evil.example"}
    query = {"query": "{ __typename }"}
    assert client.get("/users/graphql", params=query, headers=own).status_code == 200
    assert client.get("/users/graphql", params=query, headers=foreign).status_code == 400
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(SOCKET, headers=foreign):
        pass


def test_subscription(client: TestClient) -> None:
    sign_in(client, ADA)
    headers = {"Origin": "https://bff.example"}
    with client.websocket_connect(SOCKET, subprotocols=["graphql-transport-ws"], headers=headers) as socket:
        socket.send_json({"type": "connection_init"})
        assert socket.receive_json()["type"] == "connection_ack"
        query = "subscription { userChanged { user { name } } }"
        socket.send_json({"id": "1", "type": "subscribe", "payload": {"query": query}})
        socket.send_json({"type": "ping"})
        assert socket.receive_json()["type"] == "pong"
        client.patch("/profile", json={"name": "Ada King"})
        message = socket.receive_json()
        assert message["payload"]["data"] == {"userChanged": {"user": {"name": "Ada King"}}}


async def test_the_service_by_itself(gateway: Gateway, gateway_sandbox: Sandbox) -> None:
    user_id = gateway_sandbox.seed(AccountUser(name="Eve"))
    gateway_sandbox.fail("account", status=500)
    user = await gateway.users.get_user(user_id)
    assert user is not None
    assert (user.name, [call.status for call in gateway_sandbox.calls]) == ("Eve", [500, 200])
