"""Why calls fail, for operators: what happened at which URL, and what to check.

No cause contains what was sent, such as an id or a credential, nor any text that a source sent but its error codes,
which `redaction.py` has been applied to: causes are logged.
"""

import re
import socket
import ssl
from errno import errorcode
from http import HTTPStatus
from os import strerror
from urllib.parse import urlsplit

from gateway.errors import Code, FailedCall, GatewayError
from gateway.operation import current_principal
from gateway.principal import ANYONE
from gateway.sources.http.exchange import Request, Response

__all__ = ["failed_call", "failed_connection", "failed_response", "kind_of_body", "undocumented_body"]

_UNAUTHORIZED, _PAYMENT_REQUIRED, _FORBIDDEN, _NOT_FOUND, _PROXY_AUTHENTICATION = 401, 402, 403, 404, 407
_REDIRECTS = range(300, 400)
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")  # of an error: other texts in its place may be about a person
_HOST = re.compile(r"[a-z0-9._-]{1,253}")
_START = 1024  # bytes of a body that show what it is
_HIDDEN_ERRNO = re.compile(r"\[Errno (\d+)\]")
_UNKNOWN_HOST = {socket.EAI_NONAME, socket.EAI_NODATA}
_NOT_YET_VALID, _EXPIRED, _SELF_SIGNED, _SELF_SIGNED_ROOT = 9, 10, 18, 19
_UNKNOWN_ISSUERS = frozenset({2, 20, 21})
_OTHER_HOST = frozenset({62, 64})
_TRUST = "if it is right, add its authority to the trusted certificates (SSL_CERT_FILE)"


def failed_call(request: Request, cause: str, advice: str = "") -> FailedCall:
    """Return what operators see of a call that failed for this cause."""
    return FailedCall(request.method, request.address, cause, advice)


def failed_connection(request: Request, error: BaseException) -> FailedCall:
    """Return the cause of a connection that could not be opened, by the exception of asyncio or of aiohttp."""
    for name in ("certificate_error", "os_error"):  # in which aiohttp wraps it
        error = getattr(error, name, error)
    return failed_call(request, *_connection_cause(error, _base_url_setting(request)))


def _base_url_setting(request: Request) -> str:
    """Return the name of the setting that a wrong address comes from."""
    return f"GATEWAY_{request.source.upper()}__BASE_URL"


def _connection_cause(error: BaseException, setting: str) -> tuple[str, str]:  # noqa: PLR0911 - a table, row by row
    """Return the cause and the advice for an exception while connecting."""
    check_host = f"check the host and the port of {setting}"
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_cause(error, setting)
    if isinstance(error, ssl.SSLError):
        reason = (error.reason or "unknown reason").replace("_", " ").lower()
        return f"the TLS handshake failed ({reason})", f"check whether the port of {setting} speaks TLS"
    if isinstance(error, socket.gaierror):
        if error.errno in _UNKNOWN_HOST:
            return "the host name does not exist in the DNS", f"check the host of {setting}"
        return "the host name could not be resolved", "check the DNS of this machine"
    if isinstance(error, UnicodeError):
        return "the host name is not valid", f"check the host of {setting}"
    if isinstance(error, TimeoutError):
        return "no connection was opened in time", f"{check_host}, and the firewalls on the way"
    if isinstance(error, ConnectionResetError):
        return "the connection was closed while it was opened", check_host
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (hidden := _HIDDEN_ERRNO.search(str(error))) is not None:
        number = int(hidden[1])  # of several addresses, that of the first one
    if number is None or number not in errorcode:
        return "the connection failed", check_host
    return strerror(number).lower(), check_host


def _certificate_cause(error: ssl.SSLCertVerificationError, setting: str) -> tuple[str, str]:
    code = error.verify_code
    if code == _EXPIRED:
        return "the certificate has expired", "the operator of the host has to renew it; check also the clock here"
    if code == _NOT_YET_VALID:
        return "the certificate is not valid yet", "check the clock of this machine"
    if code in {_SELF_SIGNED, _SELF_SIGNED_ROOT}:
        return "the certificate is self-signed", _TRUST
    if code in _UNKNOWN_ISSUERS:
        return "the certificate is of an authority that is not trusted here", _TRUST
    if code in _OTHER_HOST:
        return "the certificate is for another host name", f"check the host of {setting}"
    return f"the certificate is not valid ({error.verify_message})", f"check {setting}"


def failed_response(request: Request, response: Response, error: GatewayError | None = None) -> FailedCall:
    """Return the cause of a response with a status outside 2xx. `error` is the exception that was made of it."""
    cause = _status_text(response.status)
    if error is not None and error.origin.code and _CODE.fullmatch(error.origin.code):
        cause += f" ({error.origin.code})"
    elif response.status not in _REDIRECTS:
        cause += f" with {kind_of_body(response)}"
    if response.status in _REDIRECTS:
        return failed_call(request, *_redirect_cause(request, response, cause))
    return failed_call(request, cause, _advice(request, response, error))


def _status_text(status: int) -> str:
    try:
        return f"status {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"status {status}"


def _redirect_cause(request: Request, response: Response, cause: str) -> tuple[str, str]:
    """Return the cause with the host that a redirect leads to: its path may contain ids."""
    setting = _base_url_setting(request)
    try:
        here, there = urlsplit(request.url), urlsplit(response.headers.get("Location", ""))
        host, port = there.hostname or "", there.port
    except ValueError:
        return f"{cause}, a redirect", f"check {setting}"
    if host and not _HOST.fullmatch(host):  # bytes that are no text cannot be in a span, and a header may be long
        return f"{cause}, a redirect to another host", f"check {setting}: redirects are not followed"
    if not host or there.scheme not in {"http", "https"}:
        return f"{cause}, a redirect to another path", f"check the path of {setting}"
    origin = f"{there.scheme}://{host}{'' if port is None else f':{port}'}"
    if (here.scheme, there.scheme, here.hostname) == ("http", "https", host):
        return f"{cause}, a redirect to {origin}", f"{setting} has to begin with https://"
    return f"{cause}, a redirect to {origin}", f"check {setting}: redirects are not followed"


def _advice(request: Request, response: Response, error: GatewayError | None) -> str:  # noqa: PLR0911 - a table, row by row
    status, setting = response.status, _base_url_setting(request)
    documented = error is not None and error.code is not Code.SOURCE_INVALID_RESPONSE and _is_json(response)
    if status == _PROXY_AUTHENTICATION:
        return "a proxy on the way requires a credential"
    if status == _UNAUTHORIZED and not response.body and _refuses_token(response):
        return _token_advice(request)
    if status in {_UNAUTHORIZED, _PAYMENT_REQUIRED, _FORBIDDEN} and not _is_json(response):
        return f"a proxy or firewall on the way may have refused the call; check {setting} and its token"
    if status == _UNAUTHORIZED:
        return _token_advice(request)
    if status == _PAYMENT_REQUIRED:
        return "check the subscription at the source"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "its rate limit is used up, by this gateway or by others that it counts together with it"
    if status == _FORBIDDEN:
        return "the credential lacks a permission for this"
    if status == _NOT_FOUND and (doubled := _doubled_path(request)):
        return f"{setting} ends with {doubled}, which is added to it: remove it there"
    if not documented and status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return f"check {setting}, and the proxies on the way"
    return ""


def _refuses_token(response: Response) -> bool:
    """Return whether the response is the one of RFC 6750, with which many servers refuse a token without a body."""
    return response.headers.get("WWW-Authenticate", "").lower().startswith("bearer")


def _token_advice(request: Request) -> str:
    """Return what may be wrong with a credential that was refused."""
    source = request.source
    principal = current_principal.get()
    if principal is not ANYONE and principal.brings_credential(source):
        return "it is the credential of the caller that was refused"
    setting = f"GATEWAY_{source.upper()}__TOKEN"
    token = next((value for name, value in request.headers.items() if name.lower() == "authorization"), "")
    if token.removeprefix("Bearer ")[:1] in {'"', "'"}:
        return f"{setting} has quotes around it: remove them"
    return f"check {setting}: it may be wrong, expired or revoked, or of another environment"


def _doubled_path(request: Request) -> str:
    """Return the beginning of the template that the base URL ends with as well, for example `/v3`; else empty."""
    path, segments = urlsplit(request.base_url).path, request.template.split("/")
    starts = ("/".join(segments[:count]) for count in range(len(segments) - 1, 1, -1))
    return next((start for start in starts if path.endswith(start)), "")


def undocumented_body(request: Request, response: Response, error: Exception) -> FailedCall:
    """Return the cause of a successful response whose body is not as documented; `error` is the decoder's."""
    status, setting = _status_text(response.status), _base_url_setting(request)
    kind = kind_of_body(response)
    if not _is_json(response):
        return failed_call(
            request,
            f"{status} with {kind} instead of JSON",
            f"{setting} may lead to another program, or a proxy on the way may have responded",
        )
    return failed_call(
        request,
        f"{status} with JSON of another form ({error})",
        f"{setting} may lead to another API, or the source has changed its API",
    )


def kind_of_body(response: Response) -> str:
    """Return what a body is, as far as its beginning shows it."""
    start = response.body[:_START].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not start:
        return "no body"
    if start.startswith(b"<"):
        return "an HTML page" if b"<html" in start or b"<!doctype html" in start else "XML"
    return "JSON" if _is_json(response) else "text"


def _is_json(response: Response) -> bool:
    return response.body[:_START].lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in {b"{", b"["}
