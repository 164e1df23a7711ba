"""The command line of the gateway, without some of its parts, for figures that no setting gives.

`python -m benchmarks.altered VARIANT serve` runs it:

- `unshared` without single flight, so that it makes the same calls under any load;
- `bare` with calls that are passed directly to the transport: the cost of all steps is the difference to that;
- `unmeasured` without metrics and without the figures of `/status`; log and traces are as the settings have them.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

from gateway.app import sources, telemetry
from gateway.app.metrics_observer import MetricsObserver
from gateway.cli import main
from gateway.sources.http.exchange import Request, Response, Send, Step
from gateway.sources.http.steps import StepSettings, steps
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.telemetry import Sink, Telemetry

__all__: list[str] = []


def _unshared(settings: StepSettings, **arguments: Any) -> list[Step]:
    return steps(replace(settings, single_flight=False), **arguments)


def _no_steps(*_: Any, **__: Any) -> list[Step]:
    return []


def _no_timing(_: Callable[..., None]) -> Step:
    async def pass_through(request: Request, send: Send) -> Response:
        return await send(request)

    return pass_through


def _count_nothing(*_: Any) -> None:
    pass


def _log_only(sinks: Sequence[Sink], *arguments: Any, **options: Any) -> Telemetry:
    return Telemetry([sink for sink in sinks if isinstance(sink, AccessLog)], *arguments, **options)


def _replace(owner: ModuleType | type, name: str, value: Any) -> None:
    if not hasattr(owner, name):
        sys.exit(f"{owner.__name__} has no `{name}`: update benchmarks/altered.py")
    setattr(owner, name, value)


if __name__ == "__main__":
    # The composition root builds its parts with these names; everything else is unchanged.
    match sys.argv.pop(1):
        case "bare":
            _replace(sources, "steps", _no_steps)
            _replace(sources, "Timing", _no_timing)
        case "unshared":
            _replace(sources, "steps", _unshared)
        case "unmeasured":
            _replace(telemetry, "Telemetry", _log_only)
            for report in ("pipeline_event", "call_finished", "batch"):  # what each request or call reports
                _replace(MetricsObserver, report, _count_nothing)
        case variant:
            sys.exit(f"unknown variant: {variant}")
    main()
