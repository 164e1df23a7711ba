"""The reseller API's error bodies: a message, and sometimes a code (reseller.md, 3)."""

from codecs import BOM_UTF8

from msgspec import UNSET, UnsetType

from gateway.errors import GatewayError
from gateway.sources.http.errors import SourceErrorBody, refusal
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.json import Shape, Wire

__all__ = ["reseller_refusal"]


class _Error(Wire, frozen=True):
    message: str | UnsetType | None = UNSET  # null is said, too
    code: int | str | UnsetType | None = UNSET


_ERROR = Shape(_Error)


def reseller_refusal(request: Request, response: Response) -> GatewayError:
    """The error that a status outside 2xx means."""
    try:
        error = _ERROR.read(response.body.removeprefix(BOM_UTF8))
    except ValueError:
        return refusal(request, response, SourceErrorBody())
    documented = error.message is not UNSET or error.code is not UNSET
    code = None if error.code in {None, UNSET} else str(error.code)
    return refusal(request, response, SourceErrorBody(documented, code, error.message or None))
