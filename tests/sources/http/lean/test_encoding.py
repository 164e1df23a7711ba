"""The bytes of a request."""

import pytest

from gateway.sources.http.exchange import Multipart, Part, Request
from gateway.sources.http.lean.encoding import BaseUrl, encode_request, split_url

BASIC = "Basic YWRhOnA6dw=="


@pytest.mark.parametrize(
    ("url", "base_url", "target"),
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
def test_split(url: str, base_url: str, target: str) -> None:
    """A URL is split into base URL and target, both unchanged; a fragment is left out."""
    assert split_url(url) == (base_url, target)


@pytest.mark.parametrize(
    "url",
    ["ftp://h/", "h/a", "", "http://", "http:///a", "http://h/a b", "http://h/\r\nX: 1", "http://h/\x00", "http://h/é"],
)
def test_invalid_url(url: str) -> None:
    """A text that could end the first line of a request, or is no http URL, is refused before anything is sent."""
    with pytest.raises(ValueError, match="escaped"):
        split_url(url)


@pytest.mark.parametrize(
    ("url", "base_url"),
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
def test_base_url(url: str, base_url: BaseUrl) -> None:
    """A base URL has host, port, authority and credential; a default port is not in the authority."""
    assert BaseUrl.of(url) == base_url


BASE_URL = BaseUrl.of("http://h")
DEFAULTS = "User-Agent: user-gateway\r\nAccept: application/json\r\nAccept-Encoding: gzip, deflate\r\n"


def encoded(request: Request, base_url: BaseUrl = BASE_URL) -> bytes:
    message, unsent = encode_request(request, "/t", base_url)
    return message + b"".join(unsent or ())


def call(method: str = "GET", headers: dict[str, str] | None = None, body: bytes | Multipart | None = None) -> Request:
    return Request("account", method, "u", "/x", headers or {}, body)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (call(), f"GET /t HTTP/1.1\r\nHost: h\r\n{DEFAULTS}\r\n"),
        (call(headers={"X-A": "ä"}), f"GET /t HTTP/1.1\r\nHost: h\r\n{DEFAULTS}X-A: ä\r\n\r\n"),
        (call("POST", body=b"{}"), f"POST /t HTTP/1.1\r\nHost: h\r\n{DEFAULTS}Content-Length: 2\r\n\r\n{{}}"),
        (call("PATCH", body=b""), f"PATCH /t HTTP/1.1\r\nHost: h\r\n{DEFAULTS}Content-Length: 0\r\n\r\n"),
        (call("DELETE"), f"DELETE /t HTTP/1.1\r\nHost: h\r\n{DEFAULTS}Content-Length: 0\r\n\r\n"),
        (
            call(headers={"accept": "a/b", "USER-AGENT": "me"}),
            "GET /t HTTP/1.1\r\nHost: h\r\nAccept-Encoding: gzip, deflate\r\naccept: a/b\r\nUSER-AGENT: me\r\n\r\n",
        ),
    ],
)
def test_encode_request(request_: Request, expected: str) -> None:
    """The headers of a call replace the default ones, and there is a length where a body is possible."""
    assert encoded(request_) == expected.encode()


def test_credentials() -> None:
    """The credential of a call replaces that of the URL."""
    base_url = BaseUrl.of("http://ada:p%3Aw@h")
    assert f"Authorization: {BASIC}\r\n".encode() in encoded(call(), base_url)
    message = encoded(call(headers={"authorization": "Bearer x"}), base_url)
    assert message.lower().count(b"authorization") == 1


@pytest.mark.parametrize("value", ["a\r\nX-B: 1", "a\nb", "a\rb", "\r\n", "a\r\n\r\nGET / HTTP/1.1"])
def test_line_break_in_a_header(value: str) -> None:
    """A line break in the name or the value of a header is refused."""
    for headers in ({"X-A": value}, {value: "a"}):
        with pytest.raises(ValueError, match="line break"):
            encode_request(call(headers=headers), "/t", BASE_URL)


def test_line_break_in_a_file_name() -> None:
    """A file name cannot add a header to its part."""
    form = Multipart((Part("icon", b"x", "image/png", 'a"\r\nX-B: 1'),))
    message = encoded(call("PUT", {"content-type": "application/json"}, form))
    assert b'filename="a\\"%0D%0AX-B: 1"\r\n' in message
    assert message.lower().count(b"content-type: ") == 2
