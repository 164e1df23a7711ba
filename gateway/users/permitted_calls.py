"""Whether the running operation permits calls to the sources: it may accept only what is kept (`only-if-cached`)."""

from gateway.errors import Origin, SourceUnavailable
from gateway.freshness import current_freshness
from gateway.kit.source_titles import titled
from gateway.users.model import UserSource

__all__ = ["NotKept", "note_unkept", "require_calls"]


class NotKept(SourceUnavailable):
    """The caller accepts only what is kept, and this is not."""

    def __init__(self, source: UserSource) -> None:
        super().__init__(
            f"It is not kept, and the request forbids a call to the {titled(source)} source (only-if-cached).",
            origin=Origin(source=source),
            retryable=False,
        )


def require_calls(source: UserSource) -> None:
    """Check that the running operation permits a call to a source.

    Raises:
        NotKept: it accepts only what is kept.
    """
    report = current_freshness.get()
    if report is not None and report.wanted.only_if_cached:
        raise NotKept(source)


def note_unkept(source: UserSource) -> None:
    """Note that a source is called for what is not kept at all.

    Raises:
        NotKept: the running operation accepts only what is kept.
    """
    report = current_freshness.get()
    if report is not None:
        if report.wanted.only_if_cached:
            raise NotKept(source)
        report.unkept = True
