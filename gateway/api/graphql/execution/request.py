"""A GraphQL request as a value, and what refuses one before it is executed."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.api.graphql.trusted.naming import DocumentName, PersistedQueryNotFound, PersistedQueryNotSupported, name_of
from gateway.errors import BadUserInput, Code, GatewayError
from gateway.users.changes import Icon

__all__ = ["GraphQLRequest", "RefusedError", "from_mapping", "refusal", "refused_for"]

_UNNAMED = DocumentName()
_STATUSES = {
    Code.UNAUTHENTICATED: 401,
    Code.FORBIDDEN: 403,
    Code.RATE_LIMITED: 429,
    Code.SOURCE_UNAVAILABLE: 503,
    Code.INTERNAL: 500,
}


class GraphQLRequest(msgspec.Struct, frozen=True):
    """What a client sent; nothing of it is checked against the schema yet.

    `query` is empty where the client only names a document. `trusted` says whether it is one that the gateway was
    given, once that has been looked up. `files` are those that came with it; the variables only refer to them.
    """

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: Mapping[str, Any] = {}
    document: DocumentName = _UNNAMED
    trusted: bool | None = None
    files: tuple[Icon, ...] = ()

    def close(self) -> None:
        """Let the files of what was executed go at once: the traceback of what went wrong would keep them."""
        for file in self.files:
            file.content.close()

    def __repr__(self) -> str:
        return f"GraphQLRequest({self.operation_name!r})"  # the document and its variables may hold a password


class RefusedError(Exception):
    """A request that is not executed: the error, the HTTP status for it, and header fields that belong to it.

    `draft_status` is the one by the draft's profile, where that is another.
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
    """A refusal of what is no GraphQL request, or none that is taken here."""
    return RefusedError(status, BadUserInput(message), headers)


def refused_for(error: GatewayError) -> RefusedError:
    """The refusal of an operation that breaks a rule of the gateway, or comes at a bad time."""
    if isinstance(error, (PersistedQueryNotFound, PersistedQueryNotSupported)):
        return RefusedError(200, error, (("Cache-Control", "no-store"),))  # clients read it as an answer, and send more
    status, headers = _STATUSES.get(error.code, 400), []
    if error.retry_after is not None:
        headers.append(("Retry-After", str(max(1, math.ceil(error.retry_after)))))
    if error.code is Code.UNAUTHENTICATED:
        headers.append(("WWW-Authenticate", "Bearer"))
    return RefusedError(status, error, headers)


def from_mapping(sent: Any) -> GraphQLRequest:
    """The request in a JSON object, as it comes in a body, a WebSocket's message or a URL's parameters.

    Raises:
        RefusedError: 400, it is none. By the draft 422, where it is JSON with something missing or of another type.
    """
    if isinstance(sent, list):
        raise refusal(400, "Send one operation a request: a batch is not taken.")
    if not isinstance(sent, dict):
        raise refusal(400, "The request must be a JSON object with a `query`.")
    query, variables, name = sent.get("query"), sent.get("variables"), sent.get("operationName")
    extensions = sent.get("extensions")
    if query is not None and not isinstance(query, str):
        raise _wrong("`query` must be a string.")
    if variables is not None and not isinstance(variables, dict):
        raise _wrong("`variables` must be an object.")
    if name is not None and not isinstance(name, str):
        raise _wrong("`operationName` must be a string.")
    if extensions is not None and not isinstance(extensions, dict):
        raise _wrong("`extensions` must be an object.")
    try:
        document = name_of(sent)
    except BadUserInput as error:
        raise RefusedError(400, error, draft_status=422) from None
    if not query and document.id is None:
        raise _wrong("The request has no `query`.")
    return GraphQLRequest(query or "", variables, name or None, extensions or {}, document)


def _wrong(message: str) -> RefusedError:
    return RefusedError(400, BadUserInput(message), draft_status=422)
