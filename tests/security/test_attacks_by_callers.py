"""Attacks by a caller with a key: many heavy requests at the same moment."""

import json
import socket
import time

import pytest
from security.attacker import connect, probing
from security.outside import Keys, RecordedProcess, Serve

_REQUESTS = 40
_USERS = " ".join(
    f"a{number}: users(first: 200) {{ edges {{ cursor node {{ id name email }} }} }}" for number in range(9)
)
_UNKNOWN_FIELDS = " ".join(f"x{number}" for number in range(4_900))
REQUESTS = {
    "large JSON": b'{"query":"{__typename}","variables":{"a":[' + b",".join([b"{}"] * 300_000) + b"]}}",
    "invalid documents": json.dumps({"query": f"{{ {_UNKNOWN_FIELDS} }}"}).encode(),
    "lists": json.dumps({"query": f"{{ {_USERS} }}"}).encode(),
    "deferred lists": json.dumps({"query": f"{{ __typename ... @defer {{ {_USERS} }} }}"}).encode(),
}


@pytest.mark.parametrize("kind", REQUESTS)
@pytest.mark.parametrize("server", ["aiohttp", "lean"])
def test_many_at_once_do_not_stall(
    serve: Serve, production_settings: dict[str, str], keys: Keys, server: str, kind: str
) -> None:
    """Forty requests that take 50 to 200 ms each, sent at once, do not stop the event loop for all of their time.

    It stood still for 2 to 12 s. Now nothing waits for more than a few of them.
    """
    with serve(**production_settings, GATEWAY_HTTP_SERVER=server) as running:
        clients = [_begin(running, keys, REQUESTS[kind], number) for number in range(_REQUESTS)]
        time.sleep(1)
        with probing(running, 6) as probe:
            for client in clients:
                client.sendall(b"}")
            for client in clients:
                assert client.recv(4096).startswith(b"HTTP/1.1 200")
        for client in clients:
            client.close()
    assert probe.longest < 1.2, f"{probe.longest:.3f} s, median {probe.median:.4f} s"


def _begin(running: RecordedProcess, keys: Keys, content: bytes, number: int) -> socket.socket:
    """Send a request without its last byte. `number` makes its document another one than those of the others."""
    content = content.replace(b"{ ", b"query Q%d { " % number, 1)
    client = connect(running)
    client.settimeout(60)
    client.sendall(
        b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Accept: multipart/mixed, application/json\r\n"
        b"X-API-Key: %s\r\nContent-Length: %d\r\n\r\n" % (keys.by_name["reader"].encode(), len(content)) + content[:-1]
    )
    return client
