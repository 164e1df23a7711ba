"""One execution of a change under an idempotency key, as the stores of records and the changes both see it."""

from dataclasses import dataclass

__all__ = ["Execution"]


@dataclass(slots=True)
class Execution:
    """What is known of earlier executions under the key, and what becomes known during this one.

    `doubtful_since` is when the first execution began that may have been carried out, in seconds of `time.monotonic`;
    None: no earlier one was. `confirmed` is whether the source has confirmed the change; it is set as soon as that is
    known, so that the change is not sent again even if no result can be stored.
    """

    doubtful_since: float | None = None
    confirmed: bool = False
