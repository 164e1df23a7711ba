"""The checks of graphql-cop 1.15, as functions of an endpoint: each says whether it found something.

Written from what the tool documents of each check; an endpoint is sent what the tool sends. The tool runs twelve;
field duplication it has, and leaves out at the time of writing.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientSession

__all__ = ["BEYOND", "TWELVE", "Check", "Endpoint"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to send what; `headers` say who asks."""

    session: ClientSession
    url: str
    headers: dict[str, str]

    async def post(self, payload: Any, **headers: str) -> Any:
        """The JSON answer to a JSON body, whatever its status."""
        async with self.session.post(self.url, json=payload, headers=self.headers | headers) as answer:
            return await answer.json(content_type=None)

    async def query(self, query: str) -> Any:
        """The answer to a document."""
        said = await self.post({"query": query})
        return said if isinstance(said, dict) else {}


Check = Callable[[Endpoint], Awaitable[bool]]


async def alias_overloading(at: Endpoint) -> bool:
    """101 aliases of one field are executed."""
    said = await at.query("query { " + " ".join(f"alias{number}: __typename" for number in range(101)) + " }")
    return "alias100" in (said.get("data") or {})


async def array_batching(at: Endpoint) -> bool:
    """Ten operations in one request are executed."""
    said = await at.post([{"query": "query { __typename }"}] * 10)
    return isinstance(said, list) and len(said) >= 10


async def directive_overloading(at: Endpoint) -> bool:
    """Ten directives in one place are each looked at."""
    said = await at.query("query { __typename @aa@aa@aa@aa@aa@aa@aa@aa@aa@aa }")
    return len(said.get("errors", [])) >= 10


async def circular_introspection(at: Endpoint) -> bool:
    """Introspection is followed in circles."""
    said = await at.query(
        "query { __schema { types { fields { type { fields { type { fields { type { fields { type { name "
        "} } } } } } } } } } }"
    )
    return len(((said.get("data") or {}).get("__schema") or {}).get("types", [])) > 25


async def field_duplication(at: Endpoint) -> bool:
    """One field asked for 500 times is executed."""
    said = await at.query("query { " + "__typename " * 500 + "}")
    return bool((said.get("data") or {}).get("__typename"))


async def introspection(at: Endpoint) -> bool:
    """The schema tells about itself."""
    said = await at.query("query { __schema { types { name fields { name } } } }")
    return bool((said.get("data") or {}).get("__schema"))


async def get_queries(at: Endpoint) -> bool:
    """A plain GET, as a page's picture would send it, is executed."""
    async with at.session.get(at.url, params={"query": "query { __typename }"}, headers=at.headers) as answer:
        return bool((await answer.json(content_type=None)).get("data"))


async def get_mutations(at: Endpoint) -> bool:
    """A change by GET is executed."""
    async with at.session.get(at.url, params={"query": "mutation { __typename }"}, headers=at.headers) as answer:
        return bool((await answer.json(content_type=None)).get("data"))


async def urlencoded_posts(at: Endpoint) -> bool:
    """A form that any site's page can post is executed."""
    async with at.session.post(at.url, data={"query": "query { __typename }"}, headers=at.headers) as answer:
        return bool((await answer.json(content_type=None)).get("data"))


async def field_suggestions(at: Endpoint) -> bool:
    """A wrong name is answered with right ones."""
    said = await at.query("query { __schema { directive } }")
    other = await at.query("query { usrs { nodes { id } } }")  # the tool's own is refused with introspection
    return "did you mean" in f"{said} {other}".lower()


async def graphiql(at: Endpoint) -> bool:
    """A browser is served an IDE."""
    headers = at.headers | {"Accept": "text/html"}
    async with at.session.get(at.url, headers=headers) as answer:
        text = (await answer.text()).lower()
    return any(word in text for word in ("graphiql", "graphql playground", "apollo sandbox"))


async def tracing(at: Endpoint) -> bool:
    """An answer tells how long its parts took."""
    said = await at.query("query { __typename }")
    return "tracing" in said.get("extensions", {}) or "tracing" in str(said.get("errors"))


async def unhandled_errors(at: Endpoint) -> bool:
    """An error tells of the code behind it."""
    said = await at.query("qwerty { abc }")
    text = str(said).lower()
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
"""What the tool runs."""

BEYOND: dict[str, Check] = {field_duplication.__name__: field_duplication}
"""What it has and does not run."""
