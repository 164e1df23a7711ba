"""Parses the error bodies of the reseller source (docs/upstreams/reseller.md, "Errors")."""

from codecs import BOM_UTF8

from msgspec import UNSET, UnsetType

from gateway.errors import GatewayError
from gateway.sources.http.errors import SourceErrorBody, source_error
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import JsonDecoder, Wire

__all__ = ["reseller_error"]


class _Error(Wire, frozen=True):
    message: str | UnsetType | None = UNSET  # null is a value too: the body is documented if the key is there
    code: int | str | UnsetType | None = UNSET


_ERROR = JsonDecoder(_Error)
_STATUSES = frozenset({400, 401, 403, 404, 409, 429, 500})


def reseller_error(request: Request, response: Response) -> GatewayError:
    """Return the exception for a status outside 2xx."""
    try:
        error = _ERROR.decode(response.body.removeprefix(BOM_UTF8))
    except ValueError:
        return source_error(request, response, SourceErrorBody())
    documented = response.status in _STATUSES and error.message is not UNSET
    code = None if error.code in {None, UNSET} else str(error.code)
    return source_error(request, response, SourceErrorBody(documented, code, error.message or None))
