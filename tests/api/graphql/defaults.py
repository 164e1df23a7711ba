"""The limits and options of the GraphQL API as they are by default, for tests that build its parts themselves."""

from typing import Any

from gateway.api.graphql.limits.limits import DocumentLimits
from gateway.api.graphql.live.options import LiveOptions
from gateway.settings.operations import LimitSettings, LiveSettings

__all__ = ["document_limits", "live_options"]


def document_limits(**changes: Any) -> DocumentLimits:
    """Return the default limits with some changes."""
    return DocumentLimits(**LimitSettings().model_dump(exclude={"log"}) | {"log": frozenset()} | changes)


def live_options(**changes: Any) -> LiveOptions:
    """Return the default options with some changes."""
    return LiveOptions(**LiveSettings().model_dump() | {"message": 1024 * 1024} | changes)
