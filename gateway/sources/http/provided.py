"""The credentials that the embedding program provides for one source, kept for each caller until they expire."""

import asyncio
import copy
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from gateway.errors import FailedCall, GatewayError, Origin, SourceCredentials
from gateway.kit.error_names import name_of
from gateway.kit.source_titles import titled
from gateway.kit.tasks import is_cancelled
from gateway.operation import background_context, current_deadline, current_principal
from gateway.principal import ANYONE, Principal
from gateway.sources.http.causes import failed_call
from gateway.sources.http.credentials import Credential, Credentials, SharedCredentials
from gateway.sources.http.errors import NoTimeError
from gateway.sources.http.exchange import Request
from gateway.sources.http.rotation import CONFIGURED, PresentCredential, Renewable

__all__ = ["ConfiguredToken", "ProvidedCredentials"]

_MAX_KEPT = 10_000  # credentials of one source
_EARLY = 30.0  # seconds before it expires, in which a credential is renewed
_EARLY_SHARE = 0.1  # of its lifetime, if that is shorter
_ADVICE = "it is a credential from Gateway(credentials=…) that was refused"
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")  # printable ASCII
_NOT_REPLACEABLE = re.compile(
    r"host|connection|keep-alive|te|trailer|transfer-encoding|upgrade|expect|content-.*|accept-encoding|idempotency-key",
    re.IGNORECASE,
)


class ConfiguredToken:
    """The token of the settings, which does not change; without one, no call is sent."""

    def __init__(self, *, is_set: bool) -> None:
        self._is_set = is_set

    def present(self) -> PresentCredential | None:
        return CONFIGURED if self._is_set else None

    async def obtain(self, request: Request) -> PresentCredential:
        """Return the token.

        Raises:
            SourceCredentials: no token is set.
        """
        if self._is_set:
            return CONFIGURED
        cause = "not sent: Gateway(credentials=…) provided no credential, and no token is configured"
        advice = f"provide one, or set GATEWAY_{request.source.upper()}__TOKEN"
        raise _no_credential(request.source, failed_call(request, cause, advice))


@dataclass(frozen=True, slots=True)
class _Kept:
    credential: PresentCredential
    until: float  # in seconds since 1970


@dataclass(slots=True, eq=False)
class _ProviderCall:
    """A call of the provider, and how many calls to the source wait for it."""

    task: "asyncio.Task[PresentCredential | None]"
    waiting: int = 0


class ProvidedCredentials:
    """Implements `Renewable`: calls `provide` for the current principal, and keeps what it returns.

    `configured` is the credential of those for whom `provide` returns None.
    """

    def __init__(
        self, source: str, provide: Credentials, configured: Renewable, *, now: Callable[[], float] = time.time
    ) -> None:
        self._source = str(source)
        self._provide = provide
        self._read_key = provide.credential_key if isinstance(provide, SharedCredentials) else None
        self._configured = configured
        self._now = now
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._under_way: dict[str, _ProviderCall] = {}

    def key(self, principal: Principal) -> str | None:
        """Return the key of a principal's credential for `Principal.provided`; None: it is that of the gateway itself.

        If the provider cannot return it, the principal shares nothing, and its calls to the source fail.
        """
        if principal is ANYONE:
            return None
        if self._read_key is None:
            return ""
        try:
            key, key_of_gateway = self._call_key(principal), self._call_key(ANYONE)
        except GatewayError:
            return ""
        return None if key == key_of_gateway else _shared_key(key)

    def pacing_key(self, _: Request) -> str:
        """Return the key of the bucket of a call, which stays when a credential is renewed."""
        return self._cache_key(current_principal.get()) or ""

    def present(self) -> PresentCredential | None:
        key = self._cache_key(current_principal.get())
        if key is None:
            return self._configured.present()
        kept = self._kept.get(key)
        if kept is None or kept.credential.is_refused or kept.until <= self._now():
            return None
        self._kept.move_to_end(key)
        return kept.credential

    async def obtain(self, request: Request) -> PresentCredential:
        """Wait for the provider, with all other calls that need the same credential.

        Raises:
            GatewayError: the provider raised it.
            SourceCredentials: it raised another exception, or what it returned is not valid.
            SourceTimeout: it returned nothing before the deadline.
        """
        principal = current_principal.get()
        key = self._cache_key(principal)
        found = None if key is None else await self._obtain(key, principal, request)
        return found or self._configured.present() or await self._configured.obtain(request)

    async def _obtain(self, key: str, principal: Principal, request: Request) -> PresentCredential | None:
        provider = self._under_way.get(key)
        if provider is None:
            # In an empty context: what belongs to the operation that came first does not apply to the others.
            context = background_context()
            task = asyncio.get_running_loop().create_task(self._call_provider(key, principal), context=context)
            provider = self._under_way[key] = _ProviderCall(task)
            task.add_done_callback(_note_exception)
        provider.waiting += 1
        try:
            return await asyncio.shield(provider.task)
        except asyncio.CancelledError:
            deadline = current_deadline.get()
            if deadline is not None and deadline.expired:
                raise _not_in_time(request) from None
            if provider.task.cancelled() and not is_cancelled():
                call = failed_call(request, "not sent: Gateway(credentials=…) was cancelled")
                raise _no_credential(request.source, call) from None
            raise
        except GatewayError as error:
            raise copy.copy(error) from error  # raising one object several times would mix the tracebacks
        except Exception as error:
            call = failed_call(request, f"not sent: Gateway(credentials=…) raised {name_of(error)}")
            raise _no_credential(request.source, call) from error
        finally:
            provider.waiting -= 1
            if not provider.waiting and self._under_way.get(key) is provider:
                del self._under_way[key]
                provider.task.cancel()

    async def _call_provider(self, key: str, principal: Principal) -> PresentCredential | None:
        credential = await self._provide(self._source, principal)
        if credential is None:
            self._kept.pop(key, None)
            return None
        _check(credential)
        return self._keep(key, credential)

    def _keep(self, key: str, credential: Credential) -> PresentCredential:
        headers, before = dict(credential.headers), self._kept.get(key)
        if before is not None and before.credential.headers == headers:
            present = before.credential  # which may have been refused
        else:
            present = PresentCredential(headers, _ADVICE)
        self._kept[key] = _Kept(present, self._until(credential.expires))
        self._kept.move_to_end(key)
        while len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)
        return present

    def _until(self, expires: float | None) -> float:
        """Return when a credential is renewed, in seconds since 1970."""
        if expires is None:
            return float("inf")
        return expires - min(_EARLY, (expires - self._now()) * _EARLY_SHARE)

    def _cache_key(self, principal: Principal) -> str | None:
        """Return the key under which a credential is kept; None: this principal has the configured one."""
        if self._read_key is None:
            return "" if principal is ANYONE else f"caller:{principal.identity}"
        key = self._call_key(principal)
        self._check_key(principal, key)
        return None if key is None else _shared_key(key)

    def _check_key(self, principal: Principal, key: str | None) -> None:
        """Check that the key is still the one under which the data that is read for the principal is kept.

        Raises:
            SourceCredentials: it has changed since the principal was authenticated.
        """
        bound = principal.provided.get(self._source)
        if principal is ANYONE or bound in {"", _shared_key(key)} or (bound is None and key == self._call_key(ANYONE)):
            return
        raise SourceCredentials(
            f"The credential of this caller for the {titled(self._source)} source is another one now: begin again.",
            origin=Origin(source=self._source),
        )

    def _call_key(self, principal: Principal) -> str | None:
        assert self._read_key is not None  # noqa: S101 - the callers have checked it
        try:
            key = self._read_key(self._source, principal)
        except GatewayError:
            raise
        except Exception as error:
            raise _no_credential(self._source) from error
        return None if key is None else str(key)


def _shared_key(key: str | None) -> str:
    """Return a text that is equal for all callers of that key; those without one have the configured token."""
    return "token" if key is None else f"key:{key}"


def _note_exception(task: "asyncio.Task[PresentCredential | None]") -> None:
    if not task.cancelled():
        task.exception()  # the calls that waited have it; asyncio must not log its text


def _check(credential: object) -> None:
    """Check what the provider returned.

    Raises:
        TypeError, ValueError: it is no credential, or cannot be sent; the message has no value.
    """
    if not isinstance(credential, Credential):
        raise TypeError(f"{type(credential).__name__} is no Credential")
    if not credential.headers:  # the call would have the configured token, which is what None stands for
        raise ValueError("a credential has at least one header")
    for name, value in credential.headers.items():
        if not _NAME.fullmatch(name) or _NOT_REPLACEABLE.fullmatch(name):
            raise ValueError("a header of this name cannot be sent")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the value of {name} must have printable ASCII characters alone")


def _no_credential(source: str, call: FailedCall | None = None) -> SourceCredentials:
    message = f"There is no credential for the {titled(source)} source."
    return SourceCredentials(message, origin=Origin(source=source), failed_call=call)


def _not_in_time(request: Request) -> NoTimeError:
    message = f"The credential for the {titled(request.source)} source was not provided in time."
    return NoTimeError(request, message, "Gateway(credentials=…) returned nothing before the deadline")
