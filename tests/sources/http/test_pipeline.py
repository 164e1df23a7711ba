from typing import Any

import pytest

from gateway.sources.http.exchange import Multipart, Part, Request, Response, pipeline


async def test_order(fake: Any) -> None:
    """The first step is the outermost and the transport the innermost; a step may send several times."""
    fake.respond()
    seen = []

    def step(name: str, times: int) -> Any:
        async def run(request: Request, send: Any) -> Response:
            seen.append(name)
            for _ in range(times):
                response = await send(request)
            seen.append(f"/{name}")
            return response

        return run

    await pipeline(fake, [step("a", 1), step("b", 2), step("c", 1)])(Request("account", "GET", "u", "/x"))
    assert seen == ["a", "b", "c", "/c", "c", "/c", "/b", "/a"]
    assert len(fake.requests) == 2


@pytest.mark.parametrize(
    ("method", "writes"),
    [("GET", False), ("HEAD", False), ("POST", True), ("PUT", True), ("PATCH", True), ("DELETE", True)],
)
def test_writes(method: str, writes: bool) -> None:  # noqa: FBT001 - a table's column
    """All methods but GET and HEAD are changes."""
    assert Request("account", method, "u", "/x").writes is writes


def test_repr_keeps_secrets() -> None:
    """A repr, which may be logged, contains neither credentials nor personal data."""
    form = Multipart((Part("user", b"hidden", "application/json"),))
    request = Request("account", "PUT", "https://x/hidden", "/x/{id}", {"Authorization": "hidden"}, form)
    assert "hidden" not in repr(request) + repr(form) + repr(Response(200, {"a": "hidden"}, b"hidden"))
    assert "/x/{id}" in repr(request)
