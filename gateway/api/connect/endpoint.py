"""The methods of `UserService` by the Connect protocol: unary calls by POST and GET, and the stream of WatchUsers."""

from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec

from gateway.api.capacity import Capacity
from gateway.api.connect.codecs import STREAM_PREFIX, UNARY_PREFIX, Codec
from gateway.api.connect.compression import GZIP, may_respond_with_gzip
from gateway.api.connect.envelopes import MAX_HEAD, only_message
from gateway.api.connect.event_body import EventBody
from gateway.api.connect.heads import Head, Heads
from gateway.api.connect.requests import (
    check_coding,
    check_origin,
    checked_timeout,
    codec_in_head,
    codec_in_url,
    coding_in_url,
    message_in_url,
    parameters,
)
from gateway.api.connect.responses import (
    ResponseOptions,
    failed_response,
    failed_stream,
    message_response,
    response_options,
    stream_headers,
    unsupported_response,
)
from gateway.api.grpc.admission import CallAdmission, CheckedCall, Method, ReadRequest, RpcOptions, methods, too_large
from gateway.api.grpc.calls import Call
from gateway.api.grpc.messages import Messages
from gateway.api.grpc.servicer import Respond, UserServicer
from gateway.api.grpc.watching import Watching
from gateway.api.pictures import PictureLinks
from gateway.api.web.cors import Cors, misdirected
from gateway.api.web.http import Closed, Malformed, TooLarge, WebRequest, WebResponse
from gateway.callers.connection import Connection
from gateway.callers.revocation import CredentialWatch
from gateway.errors import BadUserInput, GatewayError, SourceTimeout
from gateway.events.log import EventLog
from gateway.freshness import Freshness, FreshnessReport
from gateway.users.service import UserService

__all__ = ["ConnectEndpoint", "FastCall"]


class ConnectEndpoint:
    """Responds to the calls of all methods, with the servicer, the limits and the errors of gRPC."""

    def __init__(
        self,
        service: UserService,
        options: RpcOptions,
        events: EventLog,
        credentials: CredentialWatch,
        capacity: Capacity,
        *,
        pictures: PictureLinks,
    ) -> None:
        messages = Messages(pictures.url)
        self._watching = Watching(events, credentials, messages, pictures.window)
        self._admission = CallAdmission.of(credentials, capacity, options)
        servicer = UserServicer(service, messages)
        self._heads = Heads()
        self._methods: dict[str, tuple[Method, Respond | None]] = {
            method.name: (method, None if method.is_stream else servicer.method(method.name))
            for method in methods(options)
        }

    def drain(self) -> None:
        """End the streams after their queued events, and refuse new ones."""
        self._watching.drain()

    def respond(self, name: str, cors: Cors | None, request: WebRequest) -> Awaitable[WebResponse]:
        """Return the response to a request for a method; `cors`: the origins that may send a GET, None: all."""
        method, execute = self._methods[name]
        request.report.operation = request.report.label = name
        if cors is not None and cors.is_rebound(request):
            return _misdirected()
        if execute is None:
            return self._respond_with_stream(method, request)
        return self._respond_once(method, execute, cors, request)

    def try_handle(self, name: str, cors: Cors | None, request: WebRequest) -> "FastCall | None":
        """Return a unary call by POST that was checked completely; None: `respond` handles it. Nothing was done yet."""
        method, execute = self._methods[name]
        body = request.body
        if execute is None or not isinstance(body, bytes):
            return None
        head = self._heads.find(method, cors, request)
        if head is None or len(body) > head.max_bytes:
            return None
        connection = request.connection()
        try:
            principal = self._admission.credentials.try_authenticate(connection)
            if principal is None:
                return None
            message = head.codec.read(method, body)
        except GatewayError:  # `respond` finds the same, and responds to it
            return None
        return FastCall(self, method, execute, head, request, connection, CheckedCall(principal, message))

    async def _respond_once(
        self, method: Method, execute: Respond, cors: Cors | None, request: WebRequest
    ) -> WebResponse:
        is_get = request.method == "GET"
        sent = parameters(request.query) if is_get else {}
        codec = codec_in_url(sent) if is_get else codec_in_head(request, UNARY_PREFIX)
        if codec is None:
            return unsupported_response(UNARY_PREFIX)
        headers = request.headers
        call = _call(method, request, Freshness.parse(headers.get("cache-control")), request.connection())
        call.report.kind = "unary"
        coding = coding_in_url(sent) if is_get else headers.get("content-encoding")
        options = response_options(headers, coding)
        try:
            call.timeout = checked_timeout(headers, coding)
            if is_get:
                if cors is not None:
                    check_origin(request, cors)
                read = partial(_read_url, method, codec, sent)
            else:
                read = partial(self._read_body, method, codec, request)
        except Exception as error:  # noqa: BLE001 - as in `execute`
            return failed_response(call, call.failed(error), error, options)
        return await self.execute(call, execute, codec, options, read)

    async def execute(
        self,
        call: Call,
        respond: Respond,
        codec: Codec,
        options: ResponseOptions,
        request: ReadRequest | CheckedCall,
    ) -> WebResponse:
        """Execute a unary call, and return its response."""
        try:
            message = await self._admission.execute(call, request, respond)
        except Closed:
            raise
        except Exception as error:  # noqa: BLE001 - the client gets a status with details for every exception
            return failed_response(call, call.failed(error), error, options)
        finally:
            self._admission.leave(call)
            call.close()
        call.add_freshness()
        return message_response(call, codec.write(message), codec, options)

    async def _respond_with_stream(self, method: Method, request: WebRequest) -> WebResponse:
        codec = codec_in_head(request, STREAM_PREFIX)
        if codec is None:
            return unsupported_response(STREAM_PREFIX)
        headers = request.headers
        request.report.kind = "stream"
        call = _call(method, request, Freshness.parse(headers.get("cache-control")), request.connection())
        try:
            coding = headers.get("connect-content-encoding")
            call.timeout = checked_timeout(headers, coding)
            check_coding(headers.get("content-encoding"))
            await self._admission.admit(call)
            data = await self._read(request, codec.max_bytes(method), self._admission.timeout, MAX_HEAD)
            message = codec.read(method, only_message(data, coding or "", codec.max_bytes(method)))
            await self._admission.charge(call, message)
            may_compress = may_respond_with_gzip(headers.get("connect-accept-encoding"), coding)
            body = EventBody(call, codec, self._leave, may_compress=may_compress)
            more = await body.start(partial(self._watching.watch_users, message, call, body))
        except Closed:
            self._leave(call)
            raise
        except Exception as error:  # noqa: BLE001 - as above
            status = call.failed(error)
            self._leave(call)
            return failed_stream(call, status, codec, headers)
        except BaseException:
            self._leave(call)
            raise
        if may_compress:
            more = (*more, ("Connect-Content-Encoding", GZIP))
        return WebResponse(200, body, stream_headers(codec, headers, more))

    async def _read_body(self, method: Method, codec: Codec, request: WebRequest, seconds: float) -> Any:
        return codec.read(method, await self._read(request, codec.max_bytes(method), seconds))

    async def _read(self, request: WebRequest, max_bytes: int, seconds: float, framing: int = 0) -> bytes:
        """Return the body of a request, whose message may have `max_bytes`; `framing`: the bytes in addition to it.

        Raises:
            SourceTimeout: it did not arrive within so many seconds.
            BadUserInput: it is too large, or is not compressed as stated.
            Closed: the client disconnected.
        """
        body = request.body
        if isinstance(body, bytes) and len(body) <= max_bytes + framing:
            return body
        try:
            with suppress(TimeoutError), self._admission.timers.limit(seconds):
                return await request.read(max_bytes + framing)
        except TooLarge:
            raise too_large(max_bytes) from None
        except Malformed:
            raise BadUserInput("The body is not encoded as its header fields state.") from None
        raise SourceTimeout(f"The request did not arrive within {max(seconds, 0):.3g} s.")

    def _leave(self, call: Call) -> None:
        self._admission.leave(call)
        call.close()


class FastCall(msgspec.Struct, frozen=True, eq=False):
    """A unary call that `ConnectEndpoint.try_handle` has checked."""

    endpoint: ConnectEndpoint
    method: Method
    execute: Respond
    head: Head
    request: WebRequest
    connection: Connection
    checked: CheckedCall
    immediate: bool = False

    def respond_now(self) -> WebResponse:
        raise NotImplementedError  # `immediate` is False: a call always needs a coroutine

    def respond(self) -> Coroutine[Any, Any, WebResponse]:
        """Return the coroutine that executes the call, and returns the response to it."""
        head, report, name = self.head, self.request.report, self.method.name
        report.operation = report.label = name
        report.kind = "unary"
        call = _call(self.method, self.request, head.wanted, self.connection)
        call.timeout = head.timeout
        return self.endpoint.execute(call, self.execute, head.codec, head.options, self.checked)


async def _misdirected() -> WebResponse:
    return misdirected()


def _call(method: Method, request: WebRequest, wanted: Freshness, connection: Connection) -> Call:
    report = request.report
    freshness = FreshnessReport.of_change(wanted) if method.is_change else FreshnessReport(wanted)
    return Call(method.name, report.request_id, None, connection, report=report, freshness=freshness)


async def _read_url(method: Method, codec: Codec, sent: dict[str, str], _seconds: float) -> Any:
    return codec.read(method, message_in_url(method, codec, sent))
