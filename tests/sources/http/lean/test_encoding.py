"""A call as bytes."""

import pytest

from gateway.sources.http.exchange import Multipart, Part, Request
from gateway.sources.http.lean.encoding import BaseUrl, encoded, split

BASIC = "Basic YWRhOnA6dw=="


@pytest.mark.parametrize(
    ("url", "origin", "target"),
    [
        ("http://h", "http://h", "/"),
        ("http://h/", "http://h", "/"),
        ("https://h:8443/a%2Fb?x=1&y[]=/?", "https://h:8443", "/a%2Fb?x=1&y[]=/?"),
        ("http://h?x=/", "http://h", "/?x=/"),
        ("http://[::1]:80/a", "http://[::1]:80", "/a"),
        ("http://u:p@h/a#part", "http://u:p@h", "/a"),
        ("http://h/%2E%2E/x?eq(id,%22a%22)", "http://h", "/%2E%2E/x?eq(id,%22a%22)"),
    ],
)
def test_split(url: str, origin: str, target: str) -> None:
    """A URL's origin and target, as they are; a fragment stays here."""
    assert split(url) == (origin, target)


@pytest.mark.parametrize(
    "url",
    ["ftp://h/", "h/a", "", "http://", "http:///a", "http://h/a b", "http://h/\r\nX: 1", "http://h/\x00", "http://h/é"],
)
def test_no_url(url: str) -> None:
    """Whatever could end a request's first line, or is no address, is refused before anything is sent."""
    with pytest.raises(ValueError, match="escaped"):
        split(url)


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://h", BaseUrl("h", 80, False, "h")),
        ("http://h:80", BaseUrl("h", 80, False, "h")),
        ("https://h", BaseUrl("h", 443, True, "h")),
        ("https://h:80", BaseUrl("h", 80, True, "h:80")),
        ("http://[::1]", BaseUrl("::1", 80, False, "[::1]")),
        ("http://[::1]:8080", BaseUrl("::1", 8080, False, "[::1]:8080")),
        ("http://ada:p%3Aw@h", BaseUrl("h", 80, False, "h", BASIC)),
    ],
)
def test_origin(url: str, origin: BaseUrl) -> None:
    """Where a connection goes, what it says there, and that a usual port is not named."""
    assert BaseUrl.of(url) == origin


HERE = BaseUrl.of("http://h")
USUAL = "User-Agent: user-gateway\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate\r\n"


def whole(request: Request, origin: BaseUrl = HERE) -> bytes:
    message, rest = encoded(request, "/t", origin)
    return message + b"".join(rest or ())


def call(method: str = "GET", headers: dict[str, str] | None = None, body: bytes | Multipart | None = None) -> Request:
    return Request("account", method, "u", "/x", headers or {}, body)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (call(), f"GET /t HTTP/1.1\r\nHost: h\r\n{USUAL}\r\n"),
        (call(headers={"X-A": "ä"}), f"GET /t HTTP/1.1\r\nHost: h\r\n{USUAL}X-A: ä\r\n\r\n"),
        (call("POST", body=b"{}"), f"POST /t HTTP/1.1\r\nHost: h\r\n{USUAL}Content-Length: 2\r\n\r\n{{}}"),
        (call("PATCH", body=b""), f"PATCH /t HTTP/1.1\r\nHost: h\r\n{USUAL}Content-Length: 0\r\n\r\n"),
        (call("DELETE"), f"DELETE /t HTTP/1.1\r\nHost: h\r\n{USUAL}Content-Length: 0\r\n\r\n"),
        (
            call(headers={"accept": "a/b", "USER-AGENT": "me"}),
            "GET /t HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip, deflate\r\naccept: a/b\r\nUSER-AGENT: me\r\n\r\n",
        ),
    ],
)
def test_encoded(request_: Request, expected: str) -> None:
    """A call's bytes: its own headers win over the usual ones, and a length is told where there may be a body."""
    assert whole(request_) == expected.encode()


def test_own_credentials() -> None:
    """A password in the address gives way to a call's own credentials."""
    origin = BaseUrl.of("http://ada:p%3Aw@h")
    assert f"Authorization: {BASIC}\r\n".encode() in whole(call(), origin)
    own = whole(call(headers={"authorization": "Bearer x"}), origin)
    assert own.lower().count(b"authorization") == 1


@pytest.mark.parametrize("value", ["a\r\nX-B: 1", "a\nb", "a\rb", "\r\n", "a\r\n\r\nGET / HTTP/1.1"])
def test_line_break_in_a_header(value: str) -> None:
    """A header that would be two is refused, in its value and in its name."""
    for headers in ({"X-A": value}, {value: "a"}):
        with pytest.raises(ValueError, match="line break"):
            encoded(call(headers=headers), "/t", HERE)


def test_line_break_in_a_file_name() -> None:
    """A file name cannot add a header to its part."""
    form = Multipart((Part("icon", b"x", "image/png", 'a"\r\nX-B: 1'),))
    message = whole(call("PUT", {"content-type": "application/json"}, form))
    assert b'filename="a\\"%0D%0AX-B: 1"\r\n' in message
    assert message.lower().count(b"content-type: ") == 2
