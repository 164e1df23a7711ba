"""A step for a credential that changes while the gateway runs.

It is the token in a file (`GATEWAY_<SOURCE>__TOKEN_FILE`), or what the embedding program provides for each caller.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol

from msgspec.structs import replace

from gateway.calls import CallKind
from gateway.operation import current_principal
from gateway.principal import ANYONE
from gateway.sources.http.causes import failed_call, failed_response
from gateway.sources.http.errors import SourceErrorBody, source_error
from gateway.sources.http.exchange import Request, Response, Send
from gateway.sources.http.handover import has_unknown_outcome
from gateway.sources.http.redaction import without_credential

__all__ = ["CONFIGURED", "ERRORS", "PresentCredential", "Renewable", "Rotation", "TokenFile"]

ERRORS = 400


@dataclass(slots=True, eq=False)
class PresentCredential:
    """The headers that replace those of the settings. `is_refused`: the last response to a call with them was 401.

    `advice` is what operators can do if it is refused; empty: as for the configured token.
    """

    headers: Mapping[str, str] = field(repr=False)
    advice: str = ""
    is_refused: bool = False
    _replaced: frozenset[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # The configured token is never sent beside another credential.
        self._replaced = frozenset({"authorization", *map(str.lower, self.headers)}) if self.headers else frozenset()

    def put_in(self, request: Request) -> Request:
        """Return the request with this credential; the request itself if it has it already."""
        present = request.headers
        if all(present.get(name) == value for name, value in self.headers.items()):
            return request
        others = {name: value for name, value in present.items() if name.lower() not in self._replaced}
        return replace(request, headers={**others, **self.headers})

    def note(self, response: Response) -> None:
        """Note whether the source refuses it."""
        self.is_refused = response.status == HTTPStatus.UNAUTHORIZED


CONFIGURED = PresentCredential({})
"""The token of the settings, which every request has from the start."""


class Renewable(Protocol):
    """The credential of one source for the current principal, as it is now."""

    def present(self) -> PresentCredential | None:
        """Return the credential; None: it has to be obtained first."""

    async def obtain(self, request: Request) -> PresentCredential:
        """Return a new credential, or the refused one if there is no other. `request` is the call that waits for it.

        Raises:
            GatewayError: there is none.
        """


class Rotation:
    """Sends each call with the present credential instead of that of the start.

    A call that is refused with 401 is sent once more if there is a new credential by then that is not known to be
    refused. The source has not executed such a call, unless something on the way has responded in its place: a change
    is not sent again then, not even under its idempotency key, since the account API remembers keys for each actor, and
    the new credential may be that of another (docs/upstreams/account.md).

    It is outside of single flight, which compares credentials, and `renew` is the last step: a call may wait for the
    rate limit, or for its next attempt, while the credential is replaced.
    """

    def __init__(self, credentials: Renewable) -> None:
        self._credentials = credentials

    async def __call__(self, request: Request, send: Send) -> Response:
        credential = self._credentials.present() or await self._credentials.obtain(request)
        response = await send(credential.put_in(request))
        return response if response.status < ERRORS else await self.finish(request, credential, response, send)

    def try_present(self) -> PresentCredential | None:
        """Return the present credential; None: it has to be obtained first."""
        return self._credentials.present()

    async def finish(self, request: Request, credential: PresentCredential, response: Response, send: Send) -> Response:
        """Return the response to a call that was sent with a credential and got this response of 4xx or 5xx."""
        if response.status == HTTPStatus.UNAUTHORIZED and not has_unknown_outcome(request, response):
            renewed = self._credentials.present()
            if renewed is None or renewed.is_refused:
                renewed = await self._credentials.obtain(request)
            if renewed is not credential and not renewed.is_refused:
                credential = renewed
                repeated = replace(request, kind=CallKind.RETRY, resends=request.resends + 1)
                response = await send(credential.put_in(repeated))
        if response.status < ERRORS:
            return response
        response = without_credential(response, credential.headers.values())
        if response.status == HTTPStatus.UNAUTHORIZED and credential.advice:
            raise _refusal(request, response, credential.advice)
        return response

    async def renew(self, request: Request, send: Send) -> Response:
        """Replace the credential once more, and note whether the source refuses it."""
        credential = self._credentials.present()
        if credential is None or credential is CONFIGURED:
            return await send(request)
        response = await send(credential.put_in(request))
        credential.note(response)
        return response


def _refusal(request: Request, response: Response, advice: str) -> Exception:
    """Return the exception for a credential that operators find elsewhere than in the settings."""
    if request.to_error is None:
        error = source_error(request, response, SourceErrorBody(documented=True))
    else:
        error = request.to_error(request, response)
    error.failed_call = failed_call(request, failed_response(request, response, error).cause, advice)
    return error


class TokenFile:
    """The token in a file: `token` returns the present one, and `refresh` looks for a new one at once.

    `forwarding`: callers send their own credentials, so that only calls without a caller have the token.
    """

    def __init__(self, token: Callable[[], str], refresh: Callable[[], None], *, forwarding: bool = False) -> None:
        self._token = token
        self._refresh = refresh
        self._forwarding = forwarding
        self._value = ""
        self._credential = CONFIGURED

    def present(self) -> PresentCredential:
        if self._forwarding and current_principal.get() is not ANYONE:
            return CONFIGURED
        value = self._token()
        if value != self._value:
            self._value, self._credential = value, PresentCredential({"Authorization": f"Bearer {value}"})
        return self._credential

    async def obtain(self, request: Request) -> PresentCredential:  # noqa: ARG002 - as the protocol has it
        self._refresh()
        return self.present()
