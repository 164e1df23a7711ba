"""The command line of the gateway, without some steps of its pipeline, for figures that no setting gives.

`python -m benchmarks.altered unshared serve` runs it without single flight, so that it makes the same calls under any
load. `… bare serve` passes calls directly to the transport; the cost of all steps is the difference to that.
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


def _unshared(settings: StepSettings, **arguments: Any) -> list[Step]:
    return steps(replace(settings, single_flight=False), **arguments)


def _no_steps(*_: Any, **__: Any) -> list[Step]:
    return []


def _no_timing(_: Callable[..., None]) -> Step:
    async def pass_through(request: Request, send: Send) -> Response:
        return await send(request)

    return pass_through


def _replace(name: str, value: Any) -> None:
    if not hasattr(sources, name):
        sys.exit(f"gateway.app.sources has no `{name}`: update benchmarks/altered.py")
    setattr(sources, name, value)


if __name__ == "__main__":
    # The composition root builds its steps with these two names; everything else is unchanged.
    if sys.argv.pop(1) == "bare":
        _replace("steps", _no_steps)
        _replace("Timing", _no_timing)
    else:
        _replace("steps", _unshared)
    main()
