"""A GraphQL request as a value, and what refuses one before it is executed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.errors import BadUserInput, GatewayError

__all__ = ["GraphQLRequest", "RefusedError", "from_mapping", "refusal"]


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """What a client sent; nothing of it is checked against the schema yet.

    `query` is empty where the client names a document that the gateway holds: by `document_id`, or in `extensions`.
    """

    query: str
    variables: dict[str, Any] | None = None
    operation_name: str | None = None
    extensions: Mapping[str, Any] = field(default_factory=dict)
    document_id: str | None = None


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
    extensions, document_id = sent.get("extensions"), _document_id(sent)
    if query is not None and not isinstance(query, str):
        raise _wrong("`query` must be a string.")
    if variables is not None and not isinstance(variables, dict):
        raise _wrong("`variables` must be an object.")
    if name is not None and not isinstance(name, str):
        raise _wrong("`operationName` must be a string.")
    if extensions is not None and not isinstance(extensions, dict):
        raise _wrong("`extensions` must be an object.")
    if not query and document_id is None and not (extensions and "persistedQuery" in extensions):
        raise _wrong("The request has no `query`.")
    return GraphQLRequest(query or "", variables, name or None, extensions or {}, document_id)


def _document_id(sent: Mapping[str, Any]) -> str | None:
    """The GraphQL over HTTP proposal's name for it, else Relay's."""
    for name in ("documentId", "doc_id"):
        if (given := sent.get(name)) is not None:
            if not isinstance(given, str) or not given:
                raise _wrong(f"`{name}` must be a string.")
            return given
    return None


def _wrong(message: str) -> RefusedError:
    return RefusedError(400, BadUserInput(message), draft_status=422)
