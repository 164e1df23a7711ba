"""A step around the transport of an embedding program, which keeps the contract of `Transport` whatever that one does.

The other steps rely on that contract: whether a change may have been executed, and so whether it may be sent again,
depends on `on_write` and on the exceptions of the transport.
"""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace as replace_fields

from msgspec.structs import replace
from multidict import CIMultiDict

from gateway.errors import GatewayError, Origin, Outcome, SourceTimeout, SourceUnavailable
from gateway.kit.error_names import name_of
from gateway.kit.source_titles import titled
from gateway.kit.tasks import CalleeCancelledError, callee_result
from gateway.sources.http.causes import failed_call
from gateway.sources.http.exchange import Request, Response, Send

__all__ = ["GivenTransport"]

_ADVICE = "it is a defect of the transport that the embedding program passed: see gateway.sources.Transport"


class GivenTransport:
    """Calls the transport of an embedding program.

    A transport may leave out `on_write`: until it has called that for the first time, a change counts as written as
    soon as the transport has it, so that a change that may have been sent is never reported as not sent. An error after
    that has an unknown outcome. Headers of a response are found by names in any case.

    Raises:
        SourceTimeout: the transport raised a TimeoutError.
        SourceUnavailable: it raised another exception that is none of `gateway.errors`, or returned no valid response.
    """

    def __init__(self) -> None:
        self._calls_on_write = False

    async def __call__(self, request: Request, send: Send) -> Response:
        write = _Write(request.on_write, self._note_writing)
        if not self._calls_on_write and request.writes:
            write.begin()
        try:
            response = await callee_result(send(replace(request, on_write=write)))
        except GatewayError as error:
            raise _completed(error, request, write) from error
        except TimeoutError as error:
            raise _failure(request, SourceTimeout, f"the transport raised {name_of(error)}", write) from error
        except CalleeCancelledError as error:
            raise _failure(request, SourceUnavailable, "the transport was cancelled", write) from error
        except Exception as error:
            raise _failure(request, SourceUnavailable, f"the transport raised {name_of(error)}", write) from error
        write.begin()  # whoever has responded has received it
        if (fault := _fault(response)) is not None:
            raise _failure(request, SourceUnavailable, f"the transport returned {fault}", write)
        return Response(response.status, _in_any_case(response.headers), response.body)

    def _note_writing(self) -> None:
        self._calls_on_write = True


class _Write:
    """The `on_write` of one request: the transport calls it, and `begin` does so where the transport has not."""

    __slots__ = ("_note", "_on_write", "has_begun")

    def __init__(self, on_write: Callable[[], None] | None, note: Callable[[], None]) -> None:
        self._on_write = on_write
        self._note = note
        self.has_begun = False

    def __call__(self) -> None:
        self._note()
        self.begin()

    def begin(self) -> None:
        """Report once that the request is written."""
        if not self.has_begun:
            self.has_begun = True
            if self._on_write is not None:
                self._on_write()


def _completed(error: GatewayError, request: Request, write: _Write) -> GatewayError:
    """Return the error of a transport with what it may leave out: the source, and that the outcome is unknown."""
    unknown = Outcome.UNKNOWN if request.writes and write.has_begun else None
    if error.origin.source is not None and (error.outcome is not None or unknown is None):
        return error
    completed = copy.copy(error)
    completed.origin = replace_fields(error.origin, source=error.origin.source or request.source)
    completed.outcome = error.outcome or unknown
    return completed


def _failure(
    request: Request, kind: type[SourceTimeout | SourceUnavailable], cause: str, write: _Write
) -> SourceTimeout | SourceUnavailable:
    return kind(
        f"The call to the {titled(request.source)} source failed.",
        origin=Origin(source=request.source),
        outcome=Outcome.UNKNOWN if request.writes and write.has_begun else None,
        failed_call=failed_call(request, cause, _ADVICE),
    )


def _fault(response: object) -> str | None:
    """Return what is wrong with the response of a transport; None: nothing."""
    if not isinstance(response, Response):
        return f"{type(response).__name__} instead of a Response"
    types: dict[str, type] = {"status": int, "headers": Mapping, "body": bytes}
    wrong = (name for name, kind in types.items() if not isinstance(getattr(response, name), kind))
    if (name := next(wrong, None)) is not None:
        return f"a Response whose {name} is {type(getattr(response, name)).__name__}"
    is_text = all(isinstance(name, str) and isinstance(value, str) for name, value in response.headers.items())
    return None if is_text else "a Response whose headers are not all texts"


def _in_any_case(headers: Mapping[str, str]) -> Mapping[str, str]:
    """Return the headers with names in any case; of several fields of one name, the first one is found."""
    return CIMultiDict(headers)
