"""How following the log ends, in the words of the contract: no code is added for it.

SlowReader     RATE_LIMITED: a limit of ours is reached, and trying again helps (RESOURCE_EXHAUSTED)
NoLongerHeld   NOT_FOUND: what the token names is not here, and trying again does not help. Not BAD_USER_INPUT,
               which says that the client is to be corrected: this one only has to read anew
Draining       SOURCE_UNAVAILABLE, as whenever a part of this gateway is away: go on elsewhere (UNAVAILABLE)
"""

from gateway.errors import NotFound, RateLimited, SourceUnavailable

__all__ = ["Draining", "NoLongerHeld", "SlowReader"]


class SlowReader(RateLimited):
    """Events came faster than they were read; what was read last is a place to resume at."""

    def __init__(self) -> None:
        super().__init__("Events came faster than they were read. Resume after the last one received.", retry_after=1.0)


class NoLongerHeld(NotFound):
    """Some of what happened after that token is gone, or was seen by a process that is."""

    def __init__(self) -> None:
        super().__init__(
            "Part of what happened after this resume token is no longer held. "
            "Watch without a token, and then read the users anew."
        )


class Draining(SourceUnavailable):
    """This process stops; another one may go on."""

    def __init__(self) -> None:
        super().__init__("This server is stopping. Resume at another one.", retry_after=1.0)
