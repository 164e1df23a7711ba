"""The gateway's own command line, less some steps of its pipeline: for figures that no setting gives.

`python -m benchmarks.altered unshared serve` makes every call itself, so that equal calls are equal under any load;
`… bare serve` puts the calls straight on the wire, which is what all steps and measures together are compared with.
"""

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.app import sources
from gateway.cli import main
from gateway.sources.http.exchange import Request, Response, Send, Step
from gateway.sources.http.steps import StepSettings, steps

__all__: list[str] = []


def _unshared(settings: StepSettings, **given: Any) -> list[Step]:
    return steps(replace(settings, single_flight=False), **given)


def _none(*_: Any, **__: Any) -> list[Step]:
    return []


def _unmeasured(_: Callable[..., None]) -> Step:
    async def straight(request: Request, send: Send) -> Response:
        return await send(request)

    return straight


def _replace(name: str, value: Any) -> None:
    if not hasattr(sources, name):
        sys.exit(f"gateway.app.sources has no `{name}` any more: benchmarks/altered.py is stale")
    setattr(sources, name, value)


if __name__ == "__main__":
    # The composition root takes its steps from these two names; everything else stays as it is.
    if sys.argv.pop(1) == "bare":
        _replace("steps", _none)
        _replace("Timing", _unmeasured)
    else:
        _replace("steps", _unshared)
    main()
