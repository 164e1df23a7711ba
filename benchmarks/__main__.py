"""Compare the gateway with its peers, or with itself without a part; print the tables and write them to a folder."""

import argparse
import subprocess
import sys
from pathlib import Path

from benchmarks import commits, hits, kept, telemetry
from benchmarks.agreement import DisagreementError
from benchmarks.load import LoadError
from benchmarks.outcome import Outcome
from benchmarks.plots import comparison, sweeps
from benchmarks.processes import FailedStartError
from benchmarks.rounds import Plan
from benchmarks.run import run
from benchmarks.servers import servers
from benchmarks.table import markdown

__all__: list[str] = []

_RESULTS = Path(__file__).parent / "results"
_SIZES, _CONNECTION_COUNTS = (1, 10, 50, 100, 150, 200), (1, 3, 10, 32, 100, 316, 1000)
_QUICK = Plan(rounds=1, seconds=0.4, warm_up=0.4, sizes=(1, 200), connection_counts=(1, 1000))
_MAX_WARM_UP = 4.0  # seconds
_ROUNDS, _SECONDS = 5, 3.0
_TELEMETRY = "telemetry"
_KEPT = "kept"
_KEPT_ROUNDS, _KEPT_SECONDS = 10, 0.4
_QUICK_SCALE = 0.1  # of the scenarios of kept records
_PAIRS_ROUNDS, _PAIRS_SECONDS = 12, 0.4
_TELEMETRY_ROUNDS, _TELEMETRY_SECONDS = 15, 0.4
_FAILURES = (DisagreementError, FailedStartError, LoadError, subprocess.SubprocessError)


def main() -> int:
    """Run the benchmark; return 1 and print the reason when it fails."""
    options = _options()
    if options.pairs:
        return _compare_commits(options)
    if options.only == [_TELEMETRY]:
        return _measure_telemetry(options)
    if options.only == [_KEPT]:
        return _measure_kept(options)
    plan = _QUICK
    if not options.quick:
        seconds = options.seconds or _SECONDS
        warm_up = min(2 * seconds, _MAX_WARM_UP)
        plan = Plan(options.rounds or _ROUNDS, seconds, warm_up, sizes=_SIZES, connection_counts=_CONNECTION_COUNTS)
    selected = [server for server in servers() if not options.only or server.name in options.only]
    try:
        outcome = run(selected, plan)
    except _FAILURES as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _write(outcome, options.results)
    return 0


def _compare_commits(options: argparse.Namespace) -> int:
    rounds, seconds = options.rounds or _PAIRS_ROUNDS, options.seconds or _PAIRS_SECONDS
    if options.quick:
        rounds, seconds = _QUICK.rounds, _QUICK.seconds
    try:
        before, after = options.pairs
        outcome = commits.run(before, after, rounds, seconds, lambda text: sys.stderr.write(f"{text}\n"))
    except _FAILURES as error:
        sys.stderr.write(f"{error}\n")
        return 1
    options.results.mkdir(parents=True, exist_ok=True)
    text = commits.markdown(outcome)
    (options.results / "pairs.json").write_bytes(outcome.json())
    (options.results / "pairs.md").write_text(text)
    sys.stdout.write(text)
    return 0


def _measure_telemetry(options: argparse.Namespace) -> int:
    rounds, seconds = options.rounds or _TELEMETRY_ROUNDS, options.seconds or _TELEMETRY_SECONDS
    if options.quick:
        rounds, seconds = _QUICK.rounds, _QUICK.seconds
    try:
        outcome = telemetry.run(rounds, seconds, options.before, lambda text: sys.stderr.write(f"{text}\n"))
    except _FAILURES as error:
        sys.stderr.write(f"{error}\n")
        return 1
    options.results.mkdir(parents=True, exist_ok=True)
    text = telemetry.markdown(outcome)
    (options.results / "telemetry.json").write_bytes(outcome.json())
    (options.results / "telemetry.md").write_text(text)
    sys.stdout.write(text)
    return 0


def _measure_kept(options: argparse.Namespace) -> int:
    rounds, seconds, scale = options.rounds or _KEPT_ROUNDS, options.seconds or _KEPT_SECONDS, 1.0
    if options.quick:
        rounds, seconds, scale = _QUICK.rounds, _QUICK.seconds, _QUICK_SCALE

    def report(text: str) -> None:
        sys.stderr.write(f"{text}\n")

    options.results.mkdir(parents=True, exist_ok=True)
    try:
        cost = hits.run(rounds, seconds, report)
        (options.results / "hits.json").write_bytes(cost.json())
        (options.results / "hits.md").write_text(hits.markdown(cost))
        sys.stdout.write(hits.markdown(cost))
        reads = kept.run(kept.scenarios(scale), report)
        (options.results / "kept.json").write_bytes(reads.json())
        (options.results / "kept.md").write_text(kept.markdown(reads))
        sys.stdout.write(kept.markdown(reads))
    except _FAILURES as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    names = [server.name for server in servers()]
    parser.add_argument(
        "--rounds",
        type=int,
        help=f"number of rounds; results are medians [default {_ROUNDS}; telemetry {_TELEMETRY_ROUNDS}; "
        f"kept {_KEPT_ROUNDS}; pairs {_PAIRS_ROUNDS}]",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        help=f"seconds of one measurement [default {_SECONDS:g}; telemetry {_TELEMETRY_SECONDS:g}; "
        f"kept {_KEPT_SECONDS:g}; pairs {_PAIRS_SECONDS:g}]",
    )
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        metavar="NAME,…",
        help=f"only these servers: {', '.join(names)}; or only `{_TELEMETRY}`, the cost of log, metrics and traces; "
        f"or only `{_KEPT}`, the cost and the worth of kept records",
    )
    parser.add_argument(
        "--before", type=Path, metavar="FOLDER", help="telemetry: compare also with another checkout of the repository"
    )
    parser.add_argument(
        "--pairs",
        type=Path,
        nargs=2,
        metavar="FOLDER",
        help="compare two checkouts of the repository, the earlier one first, and nothing else",
    )
    parser.add_argument("--quick", action="store_true", help="one short round, which shows only that everything works")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="folder for the results [benchmarks/results]")
    options = parser.parse_args()
    if unknown := set(options.only or ()) - {*names, _TELEMETRY, _KEPT}:
        known = ", ".join([*names, _TELEMETRY, _KEPT])
        parser.error(f"unknown server: {', '.join(sorted(unknown))}. Use some of {known}")
    for alone in (_TELEMETRY, _KEPT):
        if alone in (options.only or ()) and len(options.only) > 1:
            parser.error(f"--only {alone} cannot be combined with servers")
    if (options.rounds is not None and options.rounds < 1) or (options.seconds is not None and options.seconds <= 0):
        parser.error("--rounds must be at least 1, and --seconds more than 0")
    return options


def _write(outcome: Outcome, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = markdown(outcome)
    (folder / "latest.json").write_bytes(outcome.json())
    (folder / "latest.md").write_text(text)
    (folder / "latest.svg").write_text(comparison(outcome))
    if outcome.sweep:
        (folder / "sweep.svg").write_text(sweeps(outcome))
    sys.stdout.write(text)


if __name__ == "__main__":
    sys.exit(main())
