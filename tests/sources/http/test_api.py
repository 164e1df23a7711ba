from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Internal, NotFound
from gateway.sources.http.api import Api
from gateway.sources.http.exchange import Request, Response
from gateway.users.model import UserSource

SENT: list[Request] = []


async def record(request: Request) -> Response:
    SENT.append(request)
    return Response(200, {}, b"{}")


def to_error(request: Request, response: Response) -> Internal | NotFound:
    return NotFound("gone") if response.status == 404 else Internal(f"status {response.status}")


@pytest.fixture
def api(fake: Any) -> Api:
    """An API whose base URL has a path, over a transport in memory."""
    return Api("account", fake.send, "https://proxy.test/base/", {"Authorization": "Bearer x", "A": "1"}, to_error)


@pytest.mark.parametrize(
    ("template", "path_params", "query", "raw_query", "url"),
    [
        ("/v1/users", {}, (), "", "/v1/users"),
        ("/v1/users/{id}", {"id": "a/b?c#d"}, (), "", "/v1/users/a%2Fb%3Fc%23d"),
        ("/v1/users/{id}", {"id": "100% ä+&;="}, (), "", "/v1/users/100%25%20%C3%A4%2B%26%3B%3D"),
        ("/r/{t}/u/{id}", {"t": "{id}", "id": "%2e%2e"}, (), "", "/r/%7Bid%7D/u/%252e%252e"),
        (
            "/v1/users",
            {},
            [("include[]", "user"), ("include[]", "role")],
            "",
            "/v1/users?include[]=user&include[]=role",
        ),
        ("/v1/users", {}, [("q", "a&b=c+d e%")], "", "/v1/users?q=a%26b%3Dc%2Bd%20e%25"),
        ("/users", {}, [("limit", "2")], "eq(id,%22a%22)", "/users?limit=2&eq(id,%22a%22)"),
        ("/users", {}, (), "eq(id,%22a%22)", "/users?eq(id,%22a%22)"),
    ],
)
async def test_url(
    api: Api, fake: Any, *, template: str, path_params: Any, query: Any, raw_query: str, url: str
) -> None:
    """A URL is the base URL, the template with encoded parameters, and the query with bare brackets in names."""
    fake.respond()
    await api.call("GET", template, path_params, query=query, raw_query=raw_query)
    [request] = fake.requests
    assert request.url == f"https://proxy.test/base{url}"
    assert request.template == template


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, texts)
async def test_any_value(segment_value: str, value: str) -> None:
    """Any path parameter remains one segment, and any query value one value."""
    await Api("account", record, "https://x.test", {}, to_error).call(
        "GET", "/a/{p}/z", {"p": segment_value}, query=[("q", value)]
    )
    url = urlsplit(SENT.pop().url)
    assert [unquote(segment) for segment in url.path.split("/")] == ["", "a", segment_value, "z"]
    assert parse_qsl(url.query, keep_blank_values=True) == [("q", value)]
    assert url.fragment == ""


async def test_the_source_is_a_plain_text(fake: Any) -> None:
    """A call has the name of its source as a plain text, so that the access log can have it as a key in its JSON."""
    fake.respond()
    await Api(UserSource.RESELLER, fake.send, "https://x.test", {}, to_error).call("GET", "/x")
    [request] = fake.requests
    assert orjson.dumps({request.source: 1}) == b'{"reseller":1}'


async def test_headers(api: Api, fake: Any) -> None:
    """A call has the headers of the API, those of its body and its key, and nothing of the call before it."""
    bodies: tuple[bytes | None, ...] = (b"{}", b"{}", None)
    for body, key in zip(bodies, ("k1", None, None), strict=True):
        fake.respond()
        await api.call("POST", "/x", key=key, body=body)
    first, second, third = fake.requests
    assert (first.method, first.source, first.body) == ("POST", "account", b"{}")
    constant = {"Authorization": "Bearer x", "A": "1"}
    assert third.headers == constant
    assert second.headers == constant | {"Content-Type": "application/json"}
    assert first.headers == second.headers | {"Idempotency-Key": "k1"}


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_success(api: Api, fake: Any, status: int) -> None:
    """Every 2xx status is a success."""
    fake.respond(b"x", status)
    assert (await api.call("GET", "/x"))[1].status == status


@pytest.mark.parametrize("status", [101, 302, 307, 400, 500])
async def test_failure(api: Api, fake: Any, status: int) -> None:
    """Every other status, including redirects, raises what `to_error` returns."""
    fake.respond(b"x", status)
    with pytest.raises(Internal, match=f"status {status}"):
        await api.find("/x", {})


async def test_find(api: Api, fake: Any) -> None:
    """A 404 is None for `find`, and an exception for `call`."""
    fake.respond(b"", 404)
    assert await api.find("/x", {}) is None
    with pytest.raises(NotFound):
        await api.call("PATCH", "/x")
