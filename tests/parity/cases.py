"""The requests whose handling is compared: by HTTP, GraphQL, callers, and what goes wrong in a source."""

import hashlib
import json
from collections.abc import Sequence

from parity.recording import Case, post, request

__all__ = ["CALLERS", "CHANGES", "COUNTED", "FAULTS", "HTTP", "KEPT", "LEAVING", "OPERATIONS", "TRUSTED"]

ADA = "acus_adalovelace1"
USER = f'{{ user(id: "{ADA}", source: ACCOUNT) {{ id name email }} }}'
NAMED = """
query Ada($id: ID!, $role: Boolean = false) {
  user(id: $id, source: ACCOUNT) { name role @include(if: $role) { name } }
}
"""
_BODY = json.dumps({"query": USER}).encode()
_JSON = "Content-Type: application/json"
_GRAPHQL = "application/graphql-response+json"


def _raw(body: bytes, *fields: str) -> bytes:
    return request("POST", "/graphql", _JSON, *fields, body=body)


def _cases(cases: dict[str, bytes | Sequence[bytes]]) -> list[Case]:
    return [Case(name, [sent] if isinstance(sent, bytes) else sent) for name, sent in cases.items()]


HTTP = [
    *_cases(
        {
            "plain": _raw(_BODY),
            "twice on a connection": [_raw(_BODY), _raw(_BODY)],
            "lower case": request(
                "POST",
                "/graphql",
                "content-type: application/json",
                f"content-length: {len(_BODY)}",
                "host: localhost",
                body=_BODY,
            ),
            "upper case": request("POST", "/graphql", "CONTENT-TYPE: application/json", "HOST: localhost", body=_BODY),
            "spaces around values": request(
                "POST", "/graphql", "Content-Type: \t application/json \t", "X:  a b \t", body=_BODY
            ),
            "another order": request(
                "POST", "/graphql", "Accept: */*", f"Content-Length: {len(_BODY)}", _JSON, "Host: localhost", body=_BODY
            ),
            "a charset": request("POST", "/graphql", "Content-Type: application/json; charset=utf-8", body=_BODY),
            "another charset": request(
                "POST", "/graphql", "Content-Type: application/json; charset=latin-1", body=_BODY
            ),
            "a media type in another case": request("POST", "/graphql", "Content-Type: Application/JSON", body=_BODY),
            "no media type": request("POST", "/graphql", body=_BODY),
            "another media type": request("POST", "/graphql", "Content-Type: text/plain", body=_BODY),
            "two media types": request("POST", "/graphql", _JSON, _JSON, body=_BODY),
            "accept graphql": _raw(_BODY, f"Accept: {_GRAPHQL}"),
            "accept json": _raw(_BODY, "Accept: application/json"),
            "accept both": _raw(_BODY, f"Accept: {_GRAPHQL}, application/json;q=0.9"),
            "accept in two lines": _raw(_BODY, f"Accept: {_GRAPHQL};q=0.1", "Accept: application/json"),
            "accept nothing that there is": _raw(_BODY, "Accept: image/png"),
            "accept parts": _raw(_BODY, "Accept: multipart/mixed, application/json"),
            "accept events": _raw(_BODY, "Accept: text/event-stream"),
            "accept a long list": _raw(_BODY, "Accept: " + ", ".join(["text/x"] * 300)),
            "chunks": request(
                "POST",
                "/graphql",
                _JSON,
                "Transfer-Encoding: chunked",
                body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(_BODY), _BODY),
            ),
            "chunks and a trailer": request(
                "POST",
                "/graphql",
                _JSON,
                "Transfer-Encoding: chunked",
                body=b"%x\r\n%b\r\n0\r\nX: y\r\n\r\n" % (len(_BODY), _BODY),
            ),
            "expect": _raw(_BODY, "Expect: 200-ok"),
            "close": [_raw(_BODY, "Connection: close"), _raw(_BODY)],
            "keep-alive": [_raw(_BODY, "Connection: keep-alive"), _raw(_BODY)],
            "HTTP/1.0": _raw(_BODY).replace(b"HTTP/1.1", b"HTTP/1.0", 1),
            "HTTP/1.0 that keeps the connection": [
                _raw(_BODY, "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
            ]
            * 2,
            "an upgrade": _raw(
                _BODY, "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"
            ),
            "HEAD": request("HEAD", "/graphql"),
            "HEAD with a query": request("HEAD", "/graphql?query=%7B__typename%7D", "GraphQL-Require-Preflight: 1"),
            "GET": request("GET", "/graphql?query=%7B__typename%7D", "GraphQL-Require-Preflight: 1"),
            "GET from a page of another site": request(
                "GET", "/graphql?query=%7B__typename%7D", "Origin: https://evil.example", "Sec-Fetch-Site: cross-site"
            ),
            "GET with a change": request(
                "GET", "/graphql?query=mutation%7B__typename%7D", "GraphQL-Require-Preflight: 1"
            ),
            "GET twice the query": request(
                "GET", "/graphql?query=%7B__typename%7D&query=%7Ba%7D", "GraphQL-Require-Preflight: 1"
            ),
            "GET with broken escapes": request(
                "GET", "/graphql?query=%7B__typename%7D%zz&variables=%7B", "GraphQL-Require-Preflight: 1"
            ),
            "GraphiQL": request("GET", "/graphql", "Accept: text/html"),
            "PUT": request("PUT", "/graphql", _JSON, body=_BODY),
            "DELETE": request("DELETE", "/graphql"),
            "OPTIONS": request("OPTIONS", "/graphql"),
            "a preflight": request(
                "OPTIONS",
                "/graphql",
                "Origin: http://localhost:3000",
                "Access-Control-Request-Method: POST",
                "Access-Control-Request-Headers: content-type",
            ),
            "another path": request("POST", "/graphql/", _JSON, body=_BODY),
            "a path in upper case": request("POST", "/GraphQL", _JSON, body=_BODY),
            "an escaped path": request("POST", "/%67raphql", _JSON, body=_BODY),
            "an absolute target": request("POST", "http://localhost/graphql", _JSON, body=_BODY),
            "a query beside the body": request("POST", "/graphql?query=%7Ba%7D", _JSON, body=_BODY),
            "a fragment": request("POST", "/graphql#a", _JSON, body=_BODY),
            "the own origin": _raw(_BODY, "Origin: http://localhost"),
            "a listed origin": _raw(_BODY, "Origin: https://app.example"),
            "another origin": _raw(_BODY, "Origin: https://evil.example"),
            "an origin that is no URL": _raw(_BODY, "Origin: http://["),
            "two origins": _raw(_BODY, "Origin: https://app.example", "Origin: https://evil.example"),
            "another host": request("POST", "/graphql", _JSON, "Host: evil.example", body=_BODY),
            "two hosts": request("POST", "/graphql", _JSON, "Host: localhost", "Host: y", body=_BODY),
            "cookies": _raw(_BODY, "Cookie: a=b", "Cookie: c=d"),
            "a request id": _raw(_BODY, "X-Request-ID: r-1"),
            "a request id with odd characters": _raw(_BODY, "X-Request-ID: r 1\u00e9"),
            "a trace": _raw(
                _BODY, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "tracestate: a=b"
            ),
            "a recorded trace": _raw(_BODY, "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
            "a trace that is none": _raw(_BODY, "traceparent: 00-0-0-0"),
            "two traces": _raw(_BODY, *["traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"] * 2),
            "the client": _raw(_BODY, "apollographql-client-name: web", "apollographql-client-version: 1.2"),
            "a client with a long name": _raw(_BODY, "apollographql-client-name: " + "w" * 500),
            "a user agent": _raw(_BODY, "User-Agent: test/1"),
            "a timeout": _raw(_BODY, "X-Request-Timeout: 5"),
            "a timeout in ms": _raw(_BODY, "X-Request-Timeout: 0.5"),
            "a timeout that is none": _raw(_BODY, "X-Request-Timeout: soon"),
            "a timeout of nothing": _raw(_BODY, "X-Request-Timeout: 0"),
            "a timeout that is over": _raw(_BODY, "X-Request-Timeout: 0.000001"),
            "an idempotency key of a query": _raw(_BODY, 'Idempotency-Key: "k"'),
            "costs": _raw(_BODY, "GraphQL-Cost: 1"),
            "cache control": _raw(_BODY, "Cache-Control: no-cache"),
            "cache control that is none": _raw(_BODY, "Cache-Control: max-age=x, =, ,"),
            "an encoding": _raw(_BODY, "Content-Encoding: identity"),
            "an encoding that is none": _raw(_BODY, "Content-Encoding: br"),
            "not compressed as stated": _raw(_BODY, "Content-Encoding: gzip"),
            "a body of nothing": request("POST", "/graphql", _JSON, "Content-Length: 0"),
            "white space around": _raw(b" \r\n\t" + _BODY + b"\n "),
            "a byte order mark": _raw(b"\xef\xbb\xbf" + _BODY),
            "a list": _raw(b"[" + _BODY + b"]"),
            "a text": _raw(b'"a"'),
            "null": _raw(b"null"),
            "cut": _raw(_BODY[:-3]),
            "more after it": _raw(_BODY + b"{}"),
            "no UTF-8": _raw(b'{"query":"\xff"}'),
            "a lone surrogate": _raw(b'{"query":"{ __typename }","variables":{"a":"\\ud800"}}'),
            "a name twice": _raw(b'{"query":"{ __typename }","query":"{ a }"}'),
            "a variable twice": _raw(b'{"query":"{ __typename }","variables":{"a":1,"a":2}}'),
            "escaped names": _raw(b'{"quer\\u0079":"{ __typename }"}'),
            "an unknown name": _raw(b'{"query":"{ __typename }","x":1}'),
            "a large number": _raw(b'{"query":"{ __typename }","variables":{"a":18446744073709551616}}'),
            "NaN": _raw(b'{"query":"{ __typename }","variables":{"a":NaN}}'),
            "null variables": _raw(
                b'{"query":"{ __typename }","variables":null,"operationName":null,"extensions":null}'
            ),
            "variables in a list": _raw(b'{"query":"{ __typename }","variables":[]}'),
            "a number as the query": _raw(b'{"query":1}'),
            "deep": _raw(b'{"query":"{ __typename }","variables":{"a":' + b"[" * 200 + b"]" * 200 + b"}}"),
            "the largest body": _raw(_BODY + b" " * (1_048_576 - len(_BODY))),
            "a body that is too large": _raw(_BODY + b" " * (1_048_577 - len(_BODY))),
            "a body of 16 KiB": _raw(_BODY + b" " * (16_384 - len(_BODY))),
            "many fields": _raw(_BODY, *(f"X-{number}: y" for number in range(120))),
            "too many fields": _raw(_BODY, *(f"X-{number}: y" for number in range(140))),
            "a long field": _raw(_BODY, "X: " + "y" * 8_000),
            "a long target": request("POST", "/graphql?x=" + "y" * 8_000, _JSON, body=_BODY),
            "health": request("GET", "/healthz"),
            "nothing there": request("GET", "/nothing"),
        }
    ),
    Case("in three pieces", [_raw(_BODY)], pieces=3),
    Case("in fifty pieces", [_raw(_BODY), _raw(_BODY)], pieces=50),
]

_LIST = "{ users(first: 3) { nodes { name source } pageInfo { hasNextPage endCursor } unavailable { source } } }"
_FRAGMENTS = f"""
query A {{ ...B }}
fragment B on Query {{ a: user(id: "{ADA}", source: ACCOUNT) {{ ...C }} }}
fragment C on User {{ id email }}
"""
_LOOKUPS = f"""
{{ user(id: "{ADA}", source: ACCOUNT) {{ name role {{ name permissions {{ id }} }} department {{ name }} }} }}
"""
_ALL_SOURCES = """{
  a: user(id: "acus_adalovelace1", source: ACCOUNT) { name }
  s: users(first: 2, filter: {sources: [SOFTWAREONE]}) { nodes { id name } }
  r: users(first: 2, filter: {sources: [RESELLER]}) { nodes { id name } }
}"""
_TWO = f"""mutation {{
  a: updateAccountUser(id: "{ADA}", input: {{name: "A"}}) {{ name }}
  b: updateAccountUser(id: "{ADA}", input: {{name: "B"}}) {{ name }}
}}"""

OPERATIONS = _cases(
    {
        "a user": post(USER),
        "the same document again": post(USER),
        "with variables": post(NAMED, {"id": ADA}),
        "with a role": post(NAMED, {"id": ADA, "role": True}),
        "without its variable": post(NAMED, {}),
        "a null variable": post(NAMED, {"id": None}),
        "a variable of another type": post(NAMED, {"id": {"a": 1}}),
        "a number as an id": post(NAMED, {"id": 1}),
        "a truth value as text": post(NAMED, {"id": ADA, "role": "yes"}),
        "another variable": post(NAMED, {"id": ADA, "x": [1, {"y": None}]}),
        "nobody": post(NAMED, {"id": "acus_nobody00001"}),
        "an empty id": post(NAMED, {"id": ""}),
        "an odd id": post(NAMED, {"id": "../x?y#\u00e9"}),
        "a long id": post(NAMED, {"id": "a" * 3_000}),
        "an operation by name": post(
            f"{NAMED} query Other {{ __typename }}", {"id": ADA}, more={"operationName": "Ada"}
        ),
        "the other operation": post(f"{NAMED} query Other {{ __typename }}", more={"operationName": "Other"}),
        "no operation of the name": post(NAMED, {"id": ADA}, more={"operationName": "X"}),
        "which operation?": post(f"{NAMED} query Other {{ __typename }}", {"id": ADA}),
        "fragments and aliases": post(_FRAGMENTS),
        "skipped": post(
            f'query ($s: Boolean!) {{ user(id: "{ADA}", source: ACCOUNT) @skip(if: $s) {{ name }} }}', {"s": True}
        ),
        "deferred": post(
            f'{{ user(id: "{ADA}", source: ACCOUNT) {{ id ... @defer {{ name }} }} }}', None, "Accept: multipart/mixed"
        ),
        "deferred without parts": post(f'{{ user(id: "{ADA}", source: ACCOUNT) {{ id ... @defer {{ name }} }} }}'),
        "with lookups": post(_LOOKUPS),
        "of all sources": post(_ALL_SOURCES),
        "a node": post("query ($id: ID!) { node(id: $id) { id __typename ... on User { name } } }", {"id": "x"}),
        "nodes": post("query ($ids: [ID!]!) { nodes(ids: $ids) { id __typename } }", {"ids": ["x", "y"]}),
        "a list": post(_LIST),
        "a long list with lookups": post(
            "{ users(first: 30) { nodes { name email role { name } organization { name } } unavailable { source } } }"
        ),
        "a list with a cursor that is none": post('{ users(first: 3, after: "x") { nodes { name } } }'),
        "too many": post("{ users(first: 1000) { nodes { name } } }"),
        "by e-mail address": post('{ person(email: "ada@example.com") { users { source name } } }'),
        "the schema": post("{ __schema { queryType { name } } }"),
        "the type": post("{ __typename }"),
        "a syntax error": post("{ user("),
        "no such field": post("{ nothing }"),
        "no such argument": post(f'{{ user(id: "{ADA}", nothing: 1) {{ name }} }}'),
        "too deep": post("{ a" * 70 + "}" * 70),
        "a subscription": post("subscription { userChanged(ids: []) { id } }"),
        "a hash that is unknown": post(
            "", more={"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}}
        ),
        "errors by onError: null": post(NAMED, {"id": ""}, more={"onError": "NULL"}),
        "errors by onError: halt": post(NAMED, {"id": ""}, more={"onError": "HALT"}),
        "errors by onError: propagate": post(NAMED, {"id": ""}, more={"onError": "PROPAGATE"}),
        "an unknown onError": post(NAMED, {"id": ADA}, more={"onError": "X"}),
        "costs": post(USER, None, more={"extensions": {"cost": True}}),
    }
)

_RENAME = (
    "mutation ($id: ID!, $input: UpdateAccountUserInput!) { updateAccountUser(id: $id, input: $input) { id name } }"
)
_CREATE = "mutation ($input: CreateAccountUserInput!) { createAccountUser(input: $input) { name email } }"


def _renamed(name: str, *fields: str) -> bytes:
    return post(_RENAME, {"id": ADA, "input": {"name": name}}, *fields)


CHANGES = [
    *_cases(
        {
            "a change": _renamed("Ada 1"),
            "read after it": post(USER),
            "with a key": _renamed("Ada 2", "Idempotency-Key: key-2"),
            "the same again": _renamed("Ada 2", "Idempotency-Key: key-2"),
            "another change with the key": _renamed("Ada 3", "Idempotency-Key: key-2"),
            "a key that is none": _renamed("Ada 3", "Idempotency-Key: " + "k" * 300),
            "an empty key": _renamed("Ada 3", "Idempotency-Key:"),
            "nothing to change": post(_RENAME, {"id": ADA, "input": {}}),
            "null": post(_RENAME, {"id": ADA, "input": {"name": None}}),
            "too long": _renamed("A" * 5_000),
            "an unknown field": post(_RENAME, {"id": ADA, "input": {"nam": "x"}}),
            "of nobody": post(_RENAME, {"id": "acus_nobody00001", "input": {"name": "x"}}),
            "a new user": post(
                _CREATE, {"input": {"email": "parity@example.com", "name": "Parity"}}, "Idempotency-Key: key-9"
            ),
            "the same new user again": post(
                _CREATE, {"input": {"email": "parity@example.com", "name": "Parity"}}, "Idempotency-Key: key-9"
            ),
            "an address twice": post(_CREATE, {"input": {"email": "parity@example.com", "name": "Parity"}}),
            "no address": post(_CREATE, {"input": {"email": "x", "name": ""}}),
            "of SoftwareOne": post(
                'mutation { updateSoftwareOneUser(id: "USR-0000-0001", input: {firstName: "S"}) { id name } }'
            ),
            "of the reseller": post(
                'mutation ($id: ID!) { updateResellerUser(id: $id, input: {company: "C"}) { id } }', {"id": "1"}
            ),
            "two in one": post(_TWO),
        }
    ),
]


def _fault(kind: str, **more: object) -> dict[str, object]:
    return {"source": "account", "kind": kind, "times": 1, **more}


_NEVER = 60  # seconds: nobody waits for the response as long
_DEADLINE = "X-Request-Timeout: 1.3"  # seconds: calls of less than one second would be counted as cancelled
_KINDS = ("hangup-before", "hangup-after", "html", "other-api", "redirect", "garbage", "half-body")
_STATUSES = (400, 401, 403, 404, 409, 410, 422, 429, 500, 502, 503, 504)
FAULTS = [
    Case("a slow source", [post(USER)], [_fault("slow", delay=0.1)]),
    Case("no time left", [post(USER, None, _DEADLINE)], [_fault("slow", delay=_NEVER)]),
    Case(
        "no time left for a change",
        [post(_RENAME, {"id": ADA, "input": {"name": "Ada Lovelace"}}, _DEADLINE)],
        [_fault("slow", delay=_NEVER)],
    ),
    *(Case(f"read: {kind}", [post(USER), post(USER)], [_fault(kind)]) for kind in _KINDS),
    *(Case(f"read: {status}", [post(USER)], [_fault("status", status=status)]) for status in _STATUSES),
    *(Case(f"list: {kind}", [post(_LIST)], [_fault(kind)]) for kind in ("hangup-after", "garbage", "half-body")),
    *(Case(f"change: {kind}", [_renamed(f"Ada {kind}"), post(USER)], [_fault(kind)]) for kind in _KINDS),
    *(
        Case(f"change: {status}", [_renamed(f"Ada {status}")], [_fault("status", status=status)])
        for status in _STATUSES
    ),
    Case("change with a key: 503", [_renamed("Ada key", "Idempotency-Key: key-f")] * 2, [_fault("status", status=503)]),
    Case("told to wait", [post(USER), post(USER)], [_fault("status", status=429, retryAfter=0.05)]),
    Case("the same read at the same time", [post(USER)] * 5, [_fault("slow", delay=0.4)], together=True),
    Case(
        "the same read at the same time, which fails",
        [post(USER)] * 5,
        [_fault("status", status=404, delay=0.1)],
        together=True,
    ),
]

TOO_SLOW = [Case("a source that is too slow", [post(USER)], [_fault("slow", delay=_NEVER, times=2)])]

LEAVING = [
    Case("a client that leaves", [post(USER)], [_fault("slow", delay=_NEVER)], leaves=True),
    Case("a client that leaves a change", [_renamed("Ada left")], [_fault("slow", delay=0.6)], leaves=True),
    Case("a client that leaves a list", [post(_LIST)], [_fault("slow", delay=_NEVER)], leaves=True),
    Case("the first of five leaves", [post(USER)] * 5, [_fault("slow", delay=0.8)], leaves=True, together=True),
    Case("a read after that", [post(USER)]),
]

KEPT = _cases(
    {
        "not kept yet": post(USER),
        "kept": post(USER),
        "kept, by another document": post(NAMED, {"id": ADA}),
        "kept with a role": post(NAMED, {"id": ADA, "role": True}),
        "no-cache": post(USER, None, "Cache-Control: no-cache"),
        "no-store": post(USER, None, "Cache-Control: no-store"),
        "max-age=0": post(USER, None, "Cache-Control: max-age=0"),
        "max-age": post(USER, None, "Cache-Control: max-age=100"),
        "max-stale": post(USER, None, "Cache-Control: max-stale=100, stale-if-error=100"),
        "only-if-cached": post(USER, None, "Cache-Control: only-if-cached"),
        "only-if-cached, which is not": post(NAMED, {"id": "acus_alanturing01"}, "Cache-Control: only-if-cached"),
        "no cached user": post(NAMED, {"id": "acus_nobody00001"}),
        "no cached user again": post(NAMED, {"id": "acus_nobody00001"}),
        "a list is not kept yet": post(_LIST),
        "a kept list": post(_LIST),
        "changed": _renamed("Ada kept"),
        "read after the change": post(USER),
        "kept after the change": [post(USER), post(USER)],
        "kept, GET": request("GET", "/graphql?query=%7B__typename%7D", "GraphQL-Require-Preflight: 1"),
    }
)

CALLERS = _cases(
    {
        "no credential": post(USER),
        "a credential": post(USER, None, "X-API-Key: {reader}"),
        "a wrong one": post(USER, None, "X-API-Key: ugk_wrong"),
        "an empty one": post(USER, None, "X-API-Key:"),
        "one that has expired": post(USER, None, "X-API-Key: {expired}"),
        "two": post(USER, None, "X-API-Key: {reader}", "X-API-Key: {writer}"),
        "as a token": post(USER, None, "Authorization: Bearer {reader}"),
        "a token": post(USER, None, "Authorization: Bearer {token}"),
        "a token in lower case": post(USER, None, "authorization: bearer {token}"),
        "a token that has expired": post(USER, None, "Authorization: Bearer {late}"),
        "a token without scopes": post(USER, None, "Authorization: Bearer {scopeless}"),
        "a token that is none": post(USER, None, "Authorization: Bearer a.b.c"),
        "a token and a key": post(USER, None, "Authorization: Bearer {token}", "X-API-Key: {reader}"),
        "Basic": post(USER, None, "Authorization: Basic YTpi"),
        "a change without the scope": post(_RENAME, {"id": ADA, "input": {"name": "x"}}, "X-API-Key: {reader}"),
        "a change with the scope": post(_RENAME, {"id": ADA, "input": {"name": "x"}}, "X-API-Key: {writer}"),
        "a list of one source": post(_LIST, None, "X-API-Key: {one}"),
        "a user of another source": post(USER, None, "X-API-Key: {one}"),
        "from another page": post(USER, None, "X-API-Key: {reader}", "Origin: https://evil.example"),
    }
)

COUNTED = [
    *(Case(f"read {number}", [post(USER, None, "X-API-Key: {reader}")]) for number in range(5)),
    *(Case(f"list {number}", [post(_LIST, None, "X-API-Key: {reader}")]) for number in range(3)),
    *(Case(f"read {number}", [post(USER, None, "X-API-Key: {reader}")]) for number in range(5, 60)),
    Case("a change, with nothing left", [_renamed("x", "X-API-Key: {reader}")]),
    Case("another caller", [post(USER, None, "X-API-Key: {writer}")]),
    Case("no caller", [post(USER)]),
]

_ADA = 'query Ada { user(id: "acus_adalovelace1", source: ACCOUNT) { __typename id name } }'
_HASH = hashlib.sha256(_ADA.encode()).hexdigest()

TRUSTED = _cases(
    {
        "by its text": post(_ADA),
        "by its id": request("POST", "/graphql", _JSON, body=json.dumps({"documentId": f"sha256:{_HASH}"}).encode()),
        "by its hash": request(
            "POST",
            "/graphql",
            _JSON,
            body=json.dumps({"extensions": {"persistedQuery": {"version": 1, "sha256Hash": _HASH}}}).encode(),
        ),
        "by its hash with its text": post(
            _ADA, more={"extensions": {"persistedQuery": {"version": 1, "sha256Hash": _HASH}}}
        ),
        "another text": post(USER),
        "the same text with a blank": post(_ADA + " "),
        "an unknown id": request("POST", "/graphql", _JSON, body=b'{"documentId":"sha256:0"}'),
        "another hash with its text": post(
            _ADA, more={"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}}
        ),
        "another operation": post(_ADA, more={"operationName": "Other"}),
    }
)
