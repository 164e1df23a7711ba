"""A source's endpoints: calls below its base URL, with its headers, its refusals as our errors."""

import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

from gateway.errors import GatewayError, NotFound
from gateway.operation import current_trace
from gateway.sources.http.exchange import Multipart, Request, Response, Send

__all__ = ["Api", "Query"]

Query = Sequence[tuple[str, str]]

# Most ids and names need no escaping, and to see that takes a tenth of escaping them.
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.~\[\]-]*")


class Api:
    """Calls by path template, e.g. `/v1/identity/roles/{id}`; every part and value is percent-encoded.

    `base_url` may carry a path of its own. `headers` hold the credentials. `refuse` reads the
    source's error bodies.
    """

    def __init__(
        self,
        source: str,
        send: Send,
        base_url: str,
        headers: Mapping[str, str],
        refuse: Callable[[Request, Response], GatewayError],
    ) -> None:
        self._source = source
        self._send = send
        self._base_url = base_url.rstrip("/")
        self._headers = headers
        self._refuse = refuse

    async def call(
        self,
        method: str,
        template: str,
        parts: Mapping[str, str] | None = None,
        *,
        query: Query = (),
        raw_query: str = "",
        headers: Mapping[str, str] | None = None,
        body: bytes | Multipart | None = None,
    ) -> tuple[Request, Response]:
        """One call; its answer is a success.

        `raw_query` is appended as it is, after the query: it has its own escaping (RQL). Raises what
        the source's refusal means.
        """
        request = Request(
            self._source,
            method,
            self._url(template, parts or {}, query, raw_query),
            template,
            self._headed(headers),
            body,
        )
        response = await self._send(request)
        if response.status // 100 != 2:  # noqa: PLR2004 - HTTP's class of success
            raise self._refuse(request, response)
        return request, response

    def _headed(self, headers: Mapping[str, str] | None) -> Mapping[str, str]:
        trace = current_trace.get()
        if trace is None:
            return {**self._headers, **headers} if headers else self._headers
        return {**self._headers, **(headers or {}), "traceparent": trace}

    async def find(
        self, template: str, parts: Mapping[str, str], *, query: Query = (), raw_query: str = ""
    ) -> tuple[Request, Response] | None:
        """One record's answer, or None where there is no such record."""
        try:
            return await self.call("GET", template, parts, query=query, raw_query=raw_query)
        except NotFound:
            return None

    def _url(self, template: str, parts: Mapping[str, str], query: Query, raw_query: str) -> str:
        url = self._base_url + template.format_map({name: _escaped(value) for name, value in parts.items()})
        if query:
            pairs = "&".join([f"{_escaped_name(name)}={_escaped(value)}" for name, value in query])
            raw_query = f"{pairs}&{raw_query}" if raw_query else pairs
        return f"{url}?{raw_query}" if raw_query else url


def _escaped(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else quote(text, safe="")


def _escaped_name(name: str) -> str:
    """Brackets stay bare in names: `include[]` is how the documents write it."""
    return name if _PLAIN_NAME.fullmatch(name) else quote(name, safe="[]")
