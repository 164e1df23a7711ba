"""Unknown outcomes: the errors of changes that may have been executed, and what is logged of them."""

import logging

from gateway.errors import GatewayError, Origin, Outcome, SourceInvalidResponse, SourceUnavailable
from gateway.kit.source_titles import titled
from gateway.users.command import Command
from gateway.users.ids import Ref, encode

__all__ = ["log_unknown_outcome", "no_user_returned", "stopped"]

_LOG = logging.getLogger("gateway.changes")  # of which the log of the command line leaves no record out


def stopped(command: Command) -> SourceUnavailable:
    """Return the error of a change that was cancelled, since the gateway had no time left for it."""
    source = command.source
    error = SourceUnavailable(
        f"The gateway was stopped before the {titled(source)} source had responded.",
        origin=Origin(source=source),
        outcome=Outcome.UNKNOWN,
    )
    log_unknown_outcome(command, error)
    return error


def log_unknown_outcome(command: Command, error: GatewayError) -> None:
    """Log each change that may have been executed although it failed: somebody may have to look at the user."""
    source = command.source
    fields = {"operation": command.name, "source": source.value, "code": error.code.value}
    if command.target is not None:
        fields["user"] = encode(command.target)
    if (failed_call := error.failed_call) is not None:
        fields |= {"cause": failed_call.cause, "url": f"{failed_call.method} {failed_call.url}"}
    _LOG.warning(
        "the outcome of a change is unknown: the %s source may have executed it. %s",
        titled(source),
        "Repeated with the same idempotency key, it is settled"
        if command.key
        else "It had no idempotency key, so a repetition may execute it again: compare the user",
        extra=fields,
    )


def no_user_returned(ref: Ref) -> SourceInvalidResponse:
    """Return the error of a change that its source confirmed, and of which it did not return the user after it."""
    return SourceInvalidResponse(
        f"The {titled(ref.source)} source confirmed the change and did not return the user after it. A request with "
        "the same idempotency key reads the user again; the change is not sent again.",
        origin=Origin(source=ref.source),
        outcome=Outcome.UNKNOWN,
    )
