"""Why a call failed, as operators see it: the URL without query and ids, the cause, and what to check."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from ports import refusing_port
from security.leaking_source import KINDS, LeakingSource

from gateway.app.sources import build
from gateway.errors import FailedCall, GatewayError
from gateway.settings import AccountSettings, Settings
from gateway.sources.http.circuit import Circuit, CircuitSettings
from gateway.sources.http.exchange import Request, pipeline
from gateway.sources.http.observing import CallEvent, PipelineEvent
from gateway.users.ids import Kind, Ref
from gateway.users.model import UserSource
from gateway.users.source import UserQuery

ADA = "acus_ada00000001"


def call(base_url: str) -> Request:
    path = "/v1/identity/account-users"
    return Request("account", "GET", f"{base_url}{path}/{ADA}?q=x", f"{path}/{{id}}", base_url=base_url)


async def failure(transport: Any, base_url: str, **options: Any) -> FailedCall:
    with pytest.raises(GatewayError) as caught:
        await transport(**options).send(call(base_url))
    failed = caught.value.failed_call
    assert failed is not None
    assert failed.method == "GET"
    assert failed.url == f"{base_url}/v1/identity/account-users/{{id}}"
    assert failed.url not in caught.value.message
    assert failed.cause not in caught.value.message
    assert caught.value.operator_message == f"{caught.value.message} ({failed})"
    return failed


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def listening() -> AsyncIterator[Callable[..., Any]]:
    """A function that starts a server on loopback, and returns its port."""
    async with AsyncExitStack() as stack:

        async def start(tls: ssl.SSLContext | None = None, reply: bytes = b"") -> int:
            async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                await reader.read(65536)
                writer.write(reply)
                writer.close()

            server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
            stack.callback(server.close)
            return server.sockets[0].getsockname()[1]

        yield start


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_refused(transport: Any, host: str) -> None:
    """A port where nothing listens is a refused connection, also where the host has several addresses."""
    with refusing_port() as port:
        failed = await failure(transport, f"http://{host}:{port}")
    assert failed.cause == "connection refused"
    assert failed.advice == "check the host and the port of GATEWAY_ACCOUNT__BASE_URL"


async def test_unknown_host(transport: Any) -> None:
    """A name that the DNS does not know, or that no DNS server can be asked for, is named as such."""
    failed = await failure(transport, "http://no-such-host.invalid")
    assert failed.cause.startswith("the host name ")


async def test_too_slow(transport: Any, raw: Any) -> None:
    """A source that does not respond is a different cause than one that cannot be reached."""
    failed = await failure(transport, (await raw(None)).url, total=0.1)
    assert failed.cause == "no complete response in time"


@pytest.mark.parametrize(
    ("certificate", "cause"),
    [
        ({"valid_for": timedelta(days=-2)}, "the certificate has expired"),
        ({"host": "other.example"}, "the certificate is for another host name"),
        ({"self_signed": True}, "the certificate is self-signed"),
    ],
)
async def test_certificates(
    transport: Any, listening: Any, authority: Authority, certificate: dict[str, Any], cause: str
) -> None:
    """A certificate that is expired, of another host or signed by itself is named as such."""
    port = await listening(authority.server(**certificate))
    trusting = ssl.create_default_context(cafile=str(authority.file))
    failed = await failure(transport, f"https://localhost:{port}", tls=trusting)
    assert failed.cause == cause
    assert failed.advice


async def test_an_unknown_authority(transport: Any, listening: Any, authority: Authority) -> None:
    """The authority of a certificate has to be trusted; the advice names the variable for that."""
    failed = await failure(transport, f"https://localhost:{await listening(authority.server())}")
    assert failed.cause == "the certificate is of an authority that is not trusted here"
    assert "SSL_CERT_FILE" in failed.advice


async def test_no_tls(transport: Any, listening: Any) -> None:
    """A port without TLS is a failed handshake."""
    failed = await failure(transport, f"https://localhost:{await listening(reply=b'HTTP/1.1 400 Bad Request')}")
    assert failed.cause.startswith("the TLS handshake failed")
    assert "speaks TLS" in failed.advice


async def test_tls_without_https(transport: Any, listening: Any, authority: Authority) -> None:
    """A port with TLS that is called without it does not respond with HTTP, or closes the connection."""
    failed = await failure(transport, f"http://localhost:{await listening(authority.server())}")
    assert failed.cause in {"the response is not valid HTTP", "the connection was lost before the response began"}


@asynccontextmanager
async def account_source(base_url: str, transport: Any, **given: Any) -> AsyncIterator[Any]:
    settings = AccountSettings.model_validate({"base_url": base_url, "token": "secret-token-1", **given})
    yield build(UserSource.ACCOUNT, Settings(account=settings), transport().send)


async def source_failure(source: Any) -> FailedCall:
    with pytest.raises(GatewayError) as caught:
        await source.page_users(UserQuery(search="ada@example.com"), None, 1, frozenset())
    assert caught.value.failed_call is not None
    return caught.value.failed_call


def response(status: int, body: bytes, **headers: str) -> bytes:
    lines = [
        f"HTTP/1.1 {status} X",
        f"Content-Length: {len(body)}",
        *(f"{key}: {value}" for key, value in headers.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


HTML = b"<!doctype html><title>Welcome to nginx</title>"
UNKNOWN_PATH = b'{"error": {"code": "resource_not_found", "message": "The requested endpoint GET /x was not found."}}'

NO_CODE = b'{"error": {"code": "no user has the name Ada", "message": "-"}}'
TOKEN_REFUSED = response(401, b"", **{"WWW-Authenticate": 'Bearer error="invalid_token"'})
NO_TEXT = b"HTTP/1.1 302 X\r\nContent-Length: 0\r\nLocation: https://\xff\xfe/\r\n\r\n"


@pytest.mark.parametrize(
    ("reply", "cause", "advice"),
    [
        (response(200, HTML), "status 200 OK with an HTML page instead of JSON", "another program"),
        (response(200, b"hello"), "status 200 OK with text instead of JSON", "another program"),
        (response(200, b""), "status 200 OK with no body instead of JSON", "another program"),
        (response(200, b'{"data": [{"id": 1.5}]}'), "with JSON of another form (Expected `str", "another API"),
        (response(200, b"[1, 2]"), "with JSON of another form (Expected `object`", "another API"),
        (response(502, HTML), "status 502 Bad Gateway with an HTML page", ""),
        (response(403, HTML), "status 403 Forbidden with an HTML page", "proxy or firewall"),
        (response(401, b""), "status 401 Unauthorized with no body", "proxy or firewall"),
        (TOKEN_REFUSED, "status 401 Unauthorized with no body", "check GATEWAY_ACCOUNT__TOKEN"),
        (response(407, b""), "status 407 Proxy Authentication Required with no body", "proxy"),
        (response(301, b"", Location="/login?next=1"), "a redirect to another path", "GATEWAY_ACCOUNT__BASE_URL"),
        (response(302, b"", Location="https://sso.example/a?t=1"), "a redirect to https://sso.example", "not followed"),
        (response(301, b"", Location="https://127.0.0.1/a"), "a redirect to https://127.0.0.1", "begin with https://"),
        (response(302, b"", Location="https://[x/a"), "status 302 Found, a redirect", "GATEWAY_ACCOUNT__BASE_URL"),
        (NO_TEXT, "status 302 Found, a redirect to another host", "not followed"),
        (response(302, b"", Location=f"https://{'a' * 5000}/"), "a redirect to another host", "not followed"),
        (response(404, UNKNOWN_PATH), "(resource_not_found)", "GATEWAY_ACCOUNT__BASE_URL"),
        (response(404, NO_CODE), "status 404 Not Found", ""),
        (response(599, b""), "status 599 with no body", ""),
    ],
)
async def test_responses(transport: Any, raw: Any, reply: bytes, cause: str, advice: str) -> None:
    """A response that is not the API's is described by its status, by what its body is, and by where it leads."""
    server = await raw(reply)
    async with account_source(server.url, transport) as source:
        failed = await source_failure(source)
    assert cause in failed.cause
    assert advice in failed.advice
    assert failed.url == f"{server.url}/v1/identity/account-users"
    assert "ada" not in str(failed).lower()
    assert str(failed).isascii()  # what is not even text would prevent that the spans are sent
    assert len(str(failed)) < 400


def refusal(status: int, code: str, message: str) -> bytes:
    return response(status, f'{{"error": {{"code": "{code}", "message": "{message}"}}}}'.encode())


@pytest.mark.parametrize(
    ("reply", "advice"),
    [
        (refusal(400, "api_version_required", "The header is required."), "GATEWAY_ACCOUNT__HEADER_PREFIX"),
        (
            refusal(400, "api_version_invalid", "Supported versions: 1.0.forge-preview.1, 1.0.forge-preview.2"),
            "set GATEWAY_ACCOUNT__API_VERSION to a supported version: 1.0.forge-preview.1, 1.0.forge-preview.2",
        ),
        (
            refusal(401, "invalid_credentials", "The Augno-Account-ID header is required."),
            "GATEWAY_ACCOUNT__ACCOUNT_ID",
        ),
        (refusal(401, "invalid_credentials", "Invalid API Key"), "check GATEWAY_ACCOUNT__TOKEN"),
        (refusal(400, "parameter_unknown", "Unknown query parameter 'q'."), "check GATEWAY_ACCOUNT__API_VERSION"),
        (refusal(401, "api_key_revoked", "API key has been revoked."), "create a new API key"),
        (refusal(402, "payment_required", "Your subscription is past_due."), "check the subscription"),
        (
            refusal(403, "insufficient_permissions", "This API Key does not have permission to team:read"),
            "give the API key the permission team:read",
        ),
        (refusal(403, "insufficient_permissions", "No access to account ac_2"), "it is of GATEWAY_ACCOUNT__ACCOUNT_ID"),
    ],
)
async def test_refusals(transport: Any, raw: Any, reply: bytes, advice: str) -> None:
    """A refusal of the account API names its code, and the setting or the permission that has to be corrected."""
    server = await raw(reply)
    async with account_source(server.url, transport) as source:
        failed = await source_failure(source)
    assert advice in failed.advice
    assert "(" in failed.cause


@pytest.mark.parametrize(
    ("token", "advice"), [('"abc"', "has quotes around it: remove them"), ("abc", "wrong, expired")]
)
async def test_tokens(transport: Any, raw: Any, token: str, advice: str) -> None:
    """A token that was refused is checked for quotes around it; it is not shown."""
    server = await raw(refusal(401, "invalid_credentials", "Invalid API Key provided."))
    async with account_source(server.url, transport, token=token) as source:
        failed = await source_failure(source)
    assert advice in failed.advice
    assert "abc" not in str(failed)


@pytest.mark.parametrize("path", ["/v1", "/v1/identity"])
async def test_a_doubled_path(transport: Any, raw: Any, path: str) -> None:
    """A base URL that contains the beginning of the API's paths is named."""
    server = await raw(response(404, UNKNOWN_PATH))
    async with account_source(server.url + path, transport) as source:
        failed = await source_failure(source)
    assert failed.advice == f"GATEWAY_ACCOUNT__BASE_URL ends with {path}, which is added to it: remove it there"


@pytest.mark.parametrize("kind", KINDS)
async def test_no_secrets(transport: Any, kind: str) -> None:
    """No cause contains a credential, an id or a value, whatever the source sends back."""
    async with LeakingSource(kind=kind).serve() as leaking, account_source(leaking.url, transport) as source:
        failures = await asyncio.gather(
            source.page_users(UserQuery(search="value-4711"), None, 1, frozenset()),
            source.fetch_user(Ref(Kind.USER, UserSource.ACCOUNT, "id-4711"), frozenset()),
            return_exceptions=True,
        )
    # Without the address, whose port may contain the digits of the id.
    causes = [str(error.failed_call).replace(leaking.url, "") for error in failures if isinstance(error, GatewayError)]
    assert causes
    assert all("secret-token-1" not in cause and "4711" not in cause for cause in causes), causes


async def test_the_circuit(transport: Any, raw: Any) -> None:
    """The event of an opened circuit has the call that failed last, and so has each refusal while it is open."""
    server, events = await raw(response(503, HTML)), list[CallEvent]()
    circuit = Circuit(CircuitSettings(min_calls=1), observe=events.append)
    send = pipeline(transport(), [circuit])
    await send(call(server.url))
    [opened] = events
    assert opened.event is PipelineEvent.OPENED
    assert opened.failed_call is not None
    assert opened.failed_call.cause == "status 503 Service Unavailable with an HTML page"
    with pytest.raises(GatewayError) as caught:
        await send(call(server.url))
    assert caught.value.failed_call is not None
    assert str(opened.failed_call) in caught.value.failed_call.cause
