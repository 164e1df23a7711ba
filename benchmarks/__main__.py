"""`python -m benchmarks`: compare the gateway with its peers, print the table, write it beside the plots."""

import argparse
import subprocess
import sys
from pathlib import Path

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
_SIZES, _CROWDS = (1, 10, 50, 100, 150, 200), (1, 3, 10, 32, 100, 316, 1000)
_QUICK = Plan(rounds=1, seconds=0.4, warm=0.4, sizes=(1, 200), crowds=(1, 1000))
_LONGEST_WARMING = 4.0  # seconds


def main() -> int:
    """Run the benchmark; 1 when there is nothing to compare, with a sentence why."""
    options = _options()
    plan = _QUICK
    if not options.quick:
        warm = min(2 * options.seconds, _LONGEST_WARMING)
        plan = Plan(options.rounds, options.seconds, warm, sizes=_SIZES, crowds=_CROWDS)
    chosen = [one for one in servers() if not options.only or one.name in options.only]
    try:
        outcome = run(chosen, plan)
    except (DisagreementError, FailedStartError, LoadError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    _write(outcome, options.results)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__)
    names = [one.name for one in servers()]
    parser.add_argument("--rounds", type=int, default=5, help="measurements of which the median counts [default 5]")
    parser.add_argument("--seconds", type=float, default=3.0, help="length of one measurement [default 3]")
    parser.add_argument(
        "--only", type=lambda text: text.split(","), metavar="NAME,…", help=f"some servers of {', '.join(names)}"
    )
    parser.add_argument("--quick", action="store_true", help="one short round: shows that all of it works, no more")
    parser.add_argument("--results", type=Path, default=_RESULTS, help="where the results go [default: beside this]")
    options = parser.parse_args()
    if unknown := set(options.only or ()) - set(names):
        parser.error(f"there is no server {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    if options.rounds < 1 or options.seconds <= 0:
        parser.error("it takes at least one round, and some time")
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
