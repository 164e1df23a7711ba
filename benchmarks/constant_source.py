"""An account source with constant responses, for measurements that count instructions and not time."""

import re
import socketserver
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import Any

import orjson

from benchmarks.source_responses import SourceResponses, list_envelope

__all__ = ["ConstantSource", "run_constant_source"]

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_LIMIT = re.compile(r"[?&]limit=(\d+)")
_USERS, _ROLES, _DEPARTMENTS = "/v1/identity/account-users", "/v1/identity/roles", "/v1/operations/departments"
_NO_EVENTS = {"object": "list", "page_info": {"has_next_page": False}, "data": []}
# The headers of the account source (docs/upstreams/account.md, "Rate limits"), each in a constant length.
_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRequest-ID: rq_00000000000000000000000000000000\r\n"
    b"RateLimit-Limit: 1000000\r\nRateLimit-Remaining: 999999\r\nRateLimit-Reset: 0\r\n"
    b"OpenMRP-Version: 1.0.forge-preview.3\r\nContent-Length: %d\r\n\r\n"
)


@dataclass(slots=True)
class ConstantSource:
    """The running source."""

    responses: SourceResponses
    port: int = 0
    calls: int = 0
    """The number of requests so far, without the polls of audit events."""
    before_response: Callable[[], None] | None = None
    """Called before each response is sent."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def respond(self, method: str, target: str) -> Any:
        """Return the JSON of a response: one user under every id, lists of users by limit, roles and departments."""
        path, _, query = target.partition("?")
        name = path.rpartition("/")[2]
        if path == _USERS:
            limit = _LIMIT.search(f"?{query}")
            size = int(limit[1]) if limit else len(self.responses.users)
            return list_envelope(self.responses.users[:size], has_more=size < len(self.responses.users))
        if path.startswith(_USERS):
            user = self.responses.user | {"id": name}
            return user | {"user": user["user"] | {"name": "Ada King"}} if method == "PATCH" else user
        for prefix, records in ((_ROLES, self.responses.roles), (_DEPARTMENTS, self.responses.departments)):
            if path == prefix:
                return list_envelope(records, has_more=False)
            if path.startswith(prefix):
                return next(record for record in records if record["id"] == name)
        return _NO_EVENTS


class _Handler(socketserver.BaseRequestHandler):
    """Responds to the requests of one connection, each in one piece."""

    def __init__(self, source: ConstantSource, *arguments: Any) -> None:
        self._source = source
        super().__init__(*arguments)

    def handle(self) -> None:
        received = b""
        while chunk := self.request.recv(262_144):
            received += chunk
            head, end, body = received.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            if not end or len(body) < (int(length[1]) if length else 0):
                continue
            received = b""
            method, target, _ = head.partition(b"\r\n")[0].decode().split(" ")
            self._source.calls += "audit-events" not in target
            content = orjson.dumps(self._source.respond(method, target))
            if self._source.before_response is not None:
                self._source.before_response()
            self.request.sendall(_HEAD % len(content) + content)


class _Server(socketserver.ThreadingTCPServer):
    """Listens on a free port; a thread for each connection ends with the program."""

    daemon_threads = True
    disable_nagle_algorithm = True


@contextmanager
def run_constant_source(responses: SourceResponses) -> Iterator[ConstantSource]:
    """Run the source in threads of this process until the block ends."""
    source = ConstantSource(responses)
    with _Server(("127.0.0.1", 0), partial(_Handler, source)) as server:
        source.port = server.server_address[1]
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        try:
            yield source
        finally:
            server.shutdown()
            thread.join()
