"""No part of one request becomes a part of another one, whatever a server in front of the gateway takes it for."""

import asyncio
import json

from e2e.http.ambiguous import AMBIGUOUS, VICTIM
from e2e.http.exchange import exchange, statuses

# Nothing is a body after CONNECT, so what follows is another request where no tunnel is opened (RFC 9110, 9.3.6).
_NO_BODY = {"a tunnel"}


async def test_ambiguous_requests(gateway_url: str) -> None:
    """A request that can be read in two ways is refused and ends the connection, or what is in it is its body."""
    # aiohttp leaves a connection open on which a request follows one for an upgrade, without a response to it.
    sending = (exchange(gateway_url, sent, VICTIM, quiet=2) for sent in AMBIGUOUS.values())
    received = await asyncio.gather(*sending)
    wrong = {}
    for name, response in zip(AMBIGUOUS, received, strict=True):
        first, *following = statuses(response) or [0]
        if not (400 <= first <= 505 and following in ([], [200])) and name not in _NO_BODY:
            wrong[name] = response
    assert wrong == {}


async def test_a_trailer_is_no_field_of_the_next_request(gateway_url: str) -> None:
    """The trailer of a request does not become a header field of the next one on the connection."""
    body = json.dumps({"query": "{ __typename }"}).encode()
    post = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    chunked = post + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n%b\r\n\r\n"
    victim = post + b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    received = await exchange(gateway_url, chunked % (len(body), body, b"Accept: image/png"), victim)
    assert set(statuses(received)) == {200}
