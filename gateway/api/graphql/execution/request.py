"""A GraphQL request as a value, and the refusals of requests that are not executed."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.api.capacity import AllowanceExceeded, ratelimit_headers, whole_seconds
from gateway.api.graphql.execution.error_behavior import ErrorBehavior
from gateway.api.graphql.trusted.naming import (
    NAMES,
    DocumentName,
    PersistedQueryNotFound,
    PersistedQueryNotSupported,
    name_of,
)
from gateway.errors import BadUserInput, Code, GatewayError
from gateway.users.icons import Icon

__all__ = ["GraphQLRequest", "RefusedError", "from_mapping", "refusal", "refused_for"]

_UNNAMED = DocumentName()
_PROPAGATE = ErrorBehavior.PROPAGATE  # CONTRIBUTING.md, "Speed"
_STATUSES = {
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.RATE_LIMITED: 429,
    Code.SOURCE_UNAVAILABLE: 503,
    Code.INTERNAL: 500,
}


class GraphQLRequest(msgspec.Struct, frozen=True):
    """The content of a GraphQL request, not yet checked against the schema.

    `query` is empty if the client only names a document. `trusted` is None until the document has been looked up, then
    whether it is a trusted document. `files` are the uploaded files, to which the variables only refer. `on_error` is
    the name of the error behavior, as the client sent it.
    """

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: Mapping[str, Any] = {}
    document: DocumentName = _UNNAMED
    trusted: bool | None = None
    files: tuple[Icon, ...] = ()
    on_error: str = ErrorBehavior.PROPAGATE

    def close(self) -> None:
        """Free the files of an executed request now: the traceback of an error would keep them."""
        for file in self.files:
            file.content.close()

    def __repr__(self) -> str:
        return f"GraphQLRequest({self.operation_name!r})"  # the document and its variables may contain a password


class RefusedError(Exception):
    """A request that is not executed: the error, the HTTP status, and further response headers.

    `draft_status` is the status in the profile `draft`, if it is another one.
    """

    def __init__(
        self,
        status: int,
        error: GatewayError,
        headers: Sequence[tuple[str, str]] = (),
        *,
        draft_status: int | None = None,
    ) -> None:
        super().__init__(error.message)
        self.status = status
        self.error = error
        self.headers = tuple(headers)
        self.draft_status = draft_status or status


def refusal(status: int, message: str, *headers: tuple[str, str]) -> RefusedError:
    """Return the refusal of a request that is not a GraphQL request, or not one for this endpoint."""
    return RefusedError(status, BadUserInput(message), headers)


def refused_for(error: GatewayError) -> RefusedError:
    """Return the refusal for an error that was raised before the operation was executed."""
    if isinstance(error, (PersistedQueryNotFound, PersistedQueryNotSupported)):
        return RefusedError(200, error)  # clients react to it as to a normal response
    headers: list[tuple[str, str]] = []
    if isinstance(error, AllowanceExceeded):
        headers = ratelimit_headers(error.allowance)
    elif error.retry_after is not None:
        headers.append(("Retry-After", str(whole_seconds(error.retry_after))))
    if error.code is Code.UNAUTHENTICATED:
        headers.append(("WWW-Authenticate", "Bearer"))
    return RefusedError(_STATUSES.get(error.code, 400), error, headers)


def from_mapping(sent: Any) -> GraphQLRequest:
    """Return the request in a JSON object from a body, a WebSocket message or the parameters of a URL.

    Raises:
        RefusedError: 400, it contains none. In the profile `draft` 422, where an entry is missing or of a wrong type.
    """
    if isinstance(sent, list):
        raise refusal(400, "Send one operation per request: batches are not supported.")
    if not isinstance(sent, dict):
        raise refusal(400, "The request must be a JSON object with a `query`.")
    query, variables, name = sent.get("query"), sent.get("variables"), sent.get("operationName")
    extensions, on_error = sent.get("extensions"), sent.get("onError")
    if query is not None and not isinstance(query, str):
        raise _malformed("`query` must be a string.")
    if variables is not None and not isinstance(variables, dict):
        raise _malformed("`variables` must be an object.")
    if name is not None and not isinstance(name, str):
        raise _malformed("`operationName` must be a string.")
    if extensions is not None and not isinstance(extensions, dict):
        raise _malformed("`extensions` must be an object.")
    if on_error is not None and not isinstance(on_error, str):
        raise _malformed("`onError` must be a string.")
    try:
        document = _UNNAMED if NAMES.isdisjoint(sent) else name_of(sent)
    except BadUserInput as error:
        raise RefusedError(400, error, draft_status=422) from None
    if not query and document.id is None:
        raise _malformed("The request has no `query`.")
    return GraphQLRequest(
        query or "",
        variables,
        name or None,
        extensions or {},
        document,
        on_error=_PROPAGATE if on_error is None else on_error,
    )


def _malformed(message: str) -> RefusedError:
    return RefusedError(400, BadUserInput(message), draft_status=422)
