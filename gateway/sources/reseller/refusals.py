"""The reseller API's error bodies: a message, and sometimes a code (reseller.md, 3)."""

from gateway.errors import GatewayError
from gateway.sources.http.exchange import Request, Response
from gateway.sources.http.reading import Shape, Wire
from gateway.sources.http.refusal import Told, refusal

__all__ = ["reseller_refusal"]


class _Error(Wire, frozen=True):
    message: str | None = None
    code: str | None = None


_ERROR = Shape(_Error)


def reseller_refusal(request: Request, response: Response) -> GatewayError:
    """The error that a status outside 2xx means."""
    try:
        error = _ERROR.read(response.body)
    except ValueError:
        return refusal(request, response, Told())
    documented = error.message is not None or error.code is not None
    return refusal(request, response, Told(documented, error.code, error.message))
