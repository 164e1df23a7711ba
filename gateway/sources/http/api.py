"""Calls to the endpoints of one source: URL, headers, and exceptions for statuses outside 2xx."""

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from gateway.errors import GatewayError, NotFound
from gateway.operation import current_trace
from gateway.sources.http.causes import failed_response
from gateway.sources.http.exchange import (
    ConstantHeaders,
    KeyedHeaders,
    Multipart,
    Request,
    Response,
    ResultObserver,
    Send,
)
from gateway.sources.http.json import Decoder, decode_response
from gateway.sources.http.source_clock import SourceClock

__all__ = ["Api", "Query"]

Query = Sequence[tuple[str, str]]

# Most ids and names need no escaping. Checking that takes a tenth of the time of escaping them.
_PLAIN = re.compile(r"[A-Za-z0-9_.~-]*")
_PARAMETER = re.compile(r"\{[^}]*\}")
_SUCCESS = range(200, 300)
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.~\[\]-]*")


class Api:
    """Calls endpoints by path template, e.g. `/v1/identity/roles/{id}`; path and query parameters are percent-encoded.

    `base_url` may have a path. `headers` contain the credential and are sent with every call. `to_error` makes the
    exception for a response with a status outside 2xx. `observe` is called with the result of each call.
    """

    def __init__(
        self,
        source: str,
        send: Send,
        base_url: str,
        headers: Mapping[str, str],
        to_error: Callable[[Request, Response], GatewayError],
        *,
        observe: ResultObserver | None = None,
    ) -> None:
        self._source = str(source)  # an enum's member is a str, but orjson refuses it as a key
        self._send = send
        self._base_url = base_url.rstrip("/")
        self._around_parameters: dict[str, tuple[str, str]] = {}  # by the template: there are a few
        self._headers = ConstantHeaders(headers)
        self._json_headers = ConstantHeaders({**headers, "Content-Type": "application/json"})
        self._to_error = to_error
        self._observe = observe
        self.clock = SourceClock()

    def url(self, template: str, path_params: Mapping[str, str] | None = None) -> str:
        """Return the URL of an endpoint, without query."""
        return self._url(template, path_params or {}, (), "")

    async def call(
        self,
        method: str,
        template: str,
        path_params: Mapping[str, str] | None = None,
        *,
        query: Query = (),
        raw_query: str = "",
        key: str | None = None,
        body: bytes | Multipart | None = None,
    ) -> tuple[Request, Response]:
        """Make a call; return its request and its successful response.

        `raw_query` is appended to the query unchanged, since RQL has its escaping rules. `key` is an idempotency key.
        A body of bytes is JSON. Raises what `to_error` returns if the status is outside 2xx.
        """
        request = self._request(method, self._url(template, path_params or {}, query, raw_query), template, key, body)
        try:
            response = await self._send(request)
        except GatewayError as error:
            self._report_unsent(request, error)
            raise
        self.clock.observe(response.headers)
        if response.status not in _SUCCESS:
            raise self._failure(request, response, self._to_error(request, response))
        return request, response

    def _report_unsent(self, request: Request, error: GatewayError) -> None:
        """Report a call that has no response."""
        if self._observe is not None:
            self._observe(request, error)

    def find(
        self, template: str, path_params: Mapping[str, str], *, query: Query = (), raw_query: str = ""
    ) -> Coroutine[Any, Any, tuple[Request, Response] | None]:
        """Make a GET call for one record; return None if there is no such record, which is no failure."""
        return self.find_record(None, template, path_params, query=query, raw_query=raw_query)

    async def find_record(
        self,
        decoder: Decoder[Any] | None,
        template: str,
        path_params: Mapping[str, str],
        *,
        query: Query = (),
        raw_query: str = "",
    ) -> Any:
        """Make the call of `find`, and return what the decoder makes of the response; without one, what `find` does."""
        request = self._request("GET", self._url(template, path_params, query, raw_query), template, None, None)
        try:
            response = await self._send(request)
        except GatewayError as error:
            self._report_unsent(request, error)
            raise
        self.clock.observe(response.headers)
        if response.status not in _SUCCESS:
            failure = self._to_error(request, response)
            if isinstance(failure, NotFound):
                if self._observe is not None:
                    self._observe(request, None)
                return None
            raise self._failure(request, response, failure)
        return (request, response) if decoder is None else decode_response(decoder, request, response)

    def _request(
        self,
        method: str,
        url: str,
        template: str,
        key: str | None,
        body: bytes | Multipart | None,
    ) -> Request:
        constant = self._json_headers if isinstance(body, bytes) else self._headers
        headers: Mapping[str, str] = constant if key is None else KeyedHeaders(constant, key)
        trace = current_trace.get()
        if trace is not None:
            headers = {**headers, **trace.headers}
        return Request(
            self._source,
            method,
            url,
            template,
            headers,
            body,
            self._to_error,
            base_url=self._base_url,
            observe=self._observe,
        )

    def _failure(self, request: Request, response: Response, error: GatewayError) -> GatewayError:
        """Return the error with what operators see of its call."""
        error.failed_call = error.failed_call or failed_response(request, response, error)
        if self._observe is not None:
            self._observe(request, error)
        return error

    def _url(self, template: str, path_params: Mapping[str, str], query: Query, raw_query: str) -> str:
        if not path_params:
            url = self._base_url + template
        elif len(path_params) == 1:
            before, after = self._around_parameters.get(template) or self._around_parameter(template)
            [value] = path_params.values()
            url = f"{before}{_escape(value)}{after}"
        else:
            url = self._base_url + template.format_map({name: _escape(value) for name, value in path_params.items()})
        if query:
            pairs = "&".join([f"{_escape_name(name)}={_escape(value)}" for name, value in query])
            raw_query = f"{pairs}&{raw_query}" if raw_query else pairs
        return f"{url}?{raw_query}" if raw_query else url

    def _around_parameter(self, template: str) -> tuple[str, str]:
        """Return what a URL has before and after the only parameter of its path."""
        before, after = _PARAMETER.split(template)
        found = self._around_parameters[template] = self._base_url + before, after
        return found


def _escape(text: str) -> str:
    # An identifier, as most ids are, has letters, digits and underscores.
    if (text.isidentifier() and text.isascii()) or _PLAIN.fullmatch(text):
        return text
    return quote(text, safe="")


def _escape_name(name: str) -> str:
    """Escape the name of a query parameter, except brackets: the sources document names such as `email[eq]` bare."""
    return name if _PLAIN_NAME.fullmatch(name) else quote(name, safe="[]")
