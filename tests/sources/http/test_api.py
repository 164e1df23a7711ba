from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Internal, NotFound
from gateway.sources.http.api import Api
from gateway.sources.http.exchange import Request, Response

SEEN: list[Request] = []


async def remember(request: Request) -> Response:
    SEEN.append(request)
    return Response(200, {}, b"{}")


def refuse(request: Request, response: Response) -> Internal | NotFound:
    return NotFound("gone") if response.status == 404 else Internal(f"refused {response.status}")


@pytest.fixture
def api(wire: Any) -> Api:
    """An API below a path of its own, on the wire in memory."""
    return Api("account", wire.send, "https://proxy.test/own/", {"Authorization": "Bearer x", "A": "1"}, refuse)


@pytest.mark.parametrize(
    ("template", "parts", "query", "raw_query", "url"),
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
async def test_url(api: Api, wire: Any, *, template: str, parts: Any, query: Any, raw_query: str, url: str) -> None:
    """A URL is the base, the template with its parts percent-encoded, and the query, brackets bare in its names."""
    wire.answer()
    await api.call("GET", template, parts, query=query, raw_query=raw_query)
    [request] = wire.requests
    assert request.url == f"https://proxy.test/own{url}"
    assert request.template == template


texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(texts, texts)
async def test_any_part(part: str, value: str) -> None:
    """Whatever a part or a value holds, it stays one part and one value."""
    await Api("account", remember, "https://x.test", {}, refuse).call(
        "GET", "/a/{p}/z", {"p": part}, query=[("q", value)]
    )
    url = urlsplit(SEEN.pop().url)
    assert [unquote(segment) for segment in url.path.split("/")] == ["", "a", part, "z"]
    assert parse_qsl(url.query, keep_blank_values=True) == [("q", value)]
    assert url.fragment == ""


async def test_headers(api: Api, wire: Any) -> None:
    """A call carries the API's own headers and those of the call, which win."""
    wire.answer()
    await api.call("POST", "/x", headers={"A": "2", "B": "3"}, body=b"{}")
    [request] = wire.requests
    assert (request.method, request.source, request.body) == ("POST", "account", b"{}")
    assert request.headers == {"Authorization": "Bearer x", "A": "2", "B": "3"}


@pytest.mark.parametrize("status", [200, 201, 204, 299])
async def test_success(api: Api, wire: Any, status: int) -> None:
    """Every status of the class of success is one."""
    wire.answer(b"x", status)
    assert (await api.call("GET", "/x"))[1].status == status


@pytest.mark.parametrize("status", [101, 302, 307, 400, 500])
async def test_no_success(api: Api, wire: Any, status: int) -> None:
    """Every other one is what the source's table says, a redirect too."""
    wire.answer(b"x", status)
    with pytest.raises(Internal, match=f"refused {status}"):
        await api.find("/x", {})


async def test_find(api: Api, wire: Any) -> None:
    """No such record is None to a read, and an error to all else."""
    wire.answer(b"", 404)
    assert await api.find("/x", {}) is None
    with pytest.raises(NotFound):
        await api.call("PATCH", "/x")
