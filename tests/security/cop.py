"""The checks of graphql-cop 1.15, as functions of an endpoint that return whether they found something.

They were written from the documentation of each check, and send the same requests as the tool. The tool runs twelve
checks; it also has a check for field duplication, which it does not run at the time of writing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession

__all__ = ["ADDITIONAL", "TWELVE", "Check", "Endpoint", "get_queries"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The URL of an endpoint, and the headers that identify the caller."""

    session: ClientSession
    url: str
    headers: dict[str, str]

    async def post(self, payload: Any, **headers: str) -> Any:
        """Send a JSON body; return the JSON of the response, whatever its status."""
        async with self.session.post(self.url, json=payload, headers=self.headers | headers) as response:
            return await response.json(content_type=None)

    async def query(self, query: str) -> Any:
        """Send a document; return the JSON object of the response, or an empty one."""
        body = await self.post({"query": query})
        return body if isinstance(body, dict) else {}


Check = Callable[[Endpoint], Awaitable[bool]]


async def alias_overloading(endpoint: Endpoint) -> bool:
    """101 aliases of one field are executed."""
    body = await endpoint.query("query { " + " ".join(f"alias{number}: __typename" for number in range(101)) + " }")
    return "alias100" in (body.get("data") or {})


async def array_batching(endpoint: Endpoint) -> bool:
    """Ten operations in one request are executed."""
    body = await endpoint.post([{"query": "query { __typename }"}] * 10)
    return isinstance(body, list) and len(body) >= 10


async def directive_overloading(endpoint: Endpoint) -> bool:
    """Ten directives at one location are all validated."""
    body = await endpoint.query("query { __typename @aa@aa@aa@aa@aa@aa@aa@aa@aa@aa }")
    return len(body.get("errors", [])) >= 10


async def circular_introspection(endpoint: Endpoint) -> bool:
    """Circular introspection is executed."""
    body = await endpoint.query(
        "query { __schema { types { fields { type { fields { type { fields { type { fields { type { name "
        "} } } } } } } } } } }"
    )
    return len(((body.get("data") or {}).get("__schema") or {}).get("types", [])) > 25


async def field_duplication(endpoint: Endpoint) -> bool:
    """A document with one field 500 times is executed."""
    body = await endpoint.query("query { " + "__typename " * 500 + "}")
    return bool((body.get("data") or {}).get("__typename"))


async def introspection(endpoint: Endpoint) -> bool:
    """Introspection is executed."""
    body = await endpoint.query("query { __schema { types { name fields { name } } } }")
    return bool((body.get("data") or {}).get("__schema"))


async def get_queries(endpoint: Endpoint) -> bool:
    """A GET without a header for which browsers send a preflight, but with the caller's credential, is executed."""
    async with endpoint.session.get(
        endpoint.url, params={"query": "query { __typename }"}, headers=endpoint.headers
    ) as response:
        return bool((await response.json(content_type=None)).get("data"))


async def get_mutations(endpoint: Endpoint) -> bool:
    """A mutation by GET is executed."""
    async with endpoint.session.get(
        endpoint.url, params={"query": "mutation { __typename }"}, headers=endpoint.headers
    ) as response:
        return bool((await response.json(content_type=None)).get("data"))


async def urlencoded_posts(endpoint: Endpoint) -> bool:
    """A form that a page of any site can post is executed."""
    async with endpoint.session.post(
        endpoint.url, data={"query": "query { __typename }"}, headers=endpoint.headers
    ) as response:
        return bool((await response.json(content_type=None)).get("data"))


async def field_suggestions(endpoint: Endpoint) -> bool:
    """The error for an unknown name suggests existing ones."""
    body = await endpoint.query("query { __schema { directive } }")
    other = await endpoint.query(
        "query { usrs { nodes { id } } }"
    )  # where introspection is off, the query of the tool is refused for that reason
    return "did you mean" in f"{body} {other}".lower()


async def graphiql(endpoint: Endpoint) -> bool:
    """A browser gets a GraphQL IDE."""
    headers = endpoint.headers | {"Accept": "text/html"}
    async with endpoint.session.get(endpoint.url, headers=headers) as response:
        text = (await response.text()).lower()
    return any(title in text for title in ("graphiql", "graphql playground", "apollo sandbox"))


async def tracing(endpoint: Endpoint) -> bool:
    """A response contains the durations of its parts."""
    body = await endpoint.query("query { __typename }")
    return "tracing" in body.get("extensions", {}) or "tracing" in str(body.get("errors"))


async def unhandled_errors(endpoint: Endpoint) -> bool:
    """An error contains details of the code."""
    body = await endpoint.query("qwerty { abc }")
    text = str(body).lower()
    return "'exception'" in text or "traceback" in text or "stacktrace" in text


TWELVE: dict[str, Check] = {
    check.__name__: check
    for check in (
        alias_overloading,
        array_batching,
        directive_overloading,
        circular_introspection,
        introspection,
        get_queries,
        get_mutations,
        urlencoded_posts,
        field_suggestions,
        graphiql,
        tracing,
        unhandled_errors,
    )
}
"""The checks that the tool runs."""

ADDITIONAL: dict[str, Check] = {field_duplication.__name__: field_duplication}
"""The checks that the tool has and does not run."""
