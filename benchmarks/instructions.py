"""Counts the instructions that the gateway executes for a request: repeatable where CPU time is not.

`python -m benchmarks.instructions` runs the gateway under callgrind (valgrind), with lean HTTP on both sides, and sends
the requests of each operation one after the other. The source is in this process and has constant responses. The counts
are those of the process of the gateway in user mode: the kernel's are not in them. `--server aiohttp` counts with
aiohttp's server, and the lean client.

The expected counts are in `instructions.json`, by build of the interpreter. `tests/benchmarks/test_instructions.py`
fails when one has grown by more than 3 %; `--write` writes the counts of the present code.
"""

import argparse
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import orjson

from benchmarks.connect_load import get_user
from benchmarks.constant_source import run_constant_source
from benchmarks.counted_gateway import Counted, Entry, callgrind, run_counted_gateway, total
from benchmarks.dialects import GraphQL
from benchmarks.load import LoadError
from benchmarks.machine import describe_python
from benchmarks.operations import EQUAL, UPDATE, USER, USERS, Lookups, Operation
from benchmarks.processes import FailedStartError
from benchmarks.source_responses import record
from benchmarks.table import table

__all__ = [
    "EXPECTATIONS",
    "LIMIT",
    "ON_DEMAND",
    "OPERATIONS",
    "expected",
    "function_entries",
    "grown",
    "interpreter",
    "measure",
    "unavailable",
]

EXPECTATIONS = Path(__file__).parent / "instructions.json"
LIMIT = 1.03
"""The largest accepted ratio of a count to its expectation."""


_LEAN = "lean"


def _graphql(operation: Operation, *, same: bool = False) -> Callable[[int, int], bytes]:
    """Return the function for requests of an operation, each with other variables or all with the same."""
    return lambda port, n: GraphQL().build_request(port, operation, 0 if same else n)


OPERATIONS = (
    Counted("user", "user(id)", _graphql(USER), 300),
    Counted("users", "users(50), lookups kept", _graphql(USERS), 40),
    Counted("update", "updateAccountUser", _graphql(UPDATE), 200),
    Counted("connect", "Connect GetUser", get_user, 300),
    Counted("kept", "user(id), kept", _graphql(USER, same=True), 300, kept=True, calls=0),
)

ON_DEMAND = (Counted("users-equal", "users(50), 3 calls", _graphql(EQUAL), 40, calls=3, lookups=Lookups.LISTS),)
"""Operations that are counted only where `--only` names them: they have no expected counts."""


def unavailable() -> str | None:
    """Return the reason why instructions cannot be counted here; None if they can."""
    missing = [program for program in ("valgrind", "vgdb", "taskset") if shutil.which(program) is None]
    return f"{', '.join(missing)} is missing. Install valgrind and util-linux." if missing else None


def interpreter() -> str:
    """Return what the counts depend on besides the code: the build of the interpreter, the C library, the machine."""
    return ", ".join((describe_python(), " ".join(platform.libc_ver()), platform.machine()))


def expected() -> Mapping[str, int] | None:
    """Return the expected counts for this interpreter, by operation; None if there are none."""
    by_interpreter: Mapping[str, Mapping[str, int]] = orjson.loads(EXPECTATIONS.read_bytes())
    return by_interpreter.get(interpreter())


def grown(counts: Mapping[str, int], expectations: Mapping[str, int]) -> list[str]:
    """Return a text for each operation that takes more instructions than expected."""
    titles = {each.name: each.title for each in OPERATIONS}
    return [
        f"{titles[name]}: {count:,} instructions a request instead of {expectations[name]:,}"
        for name, count in counts.items()
        if name in expectations and count > expectations[name] * LIMIT
    ]


def measure(
    selected: Sequence[Counted] = OPERATIONS,
    checkout: Path | None = None,
    dumps: Path | None = None,
    http_server: str = _LEAN,
) -> dict[str, int]:
    """Return the instructions of one request, by operation.

    Args:
        selected: The operations.
        checkout: A folder whose `gateway` is run, for example of another commit; None runs the one of this program.
        dumps: A folder for the dumps of callgrind, by name of the operation.
        http_server: The HTTP server of the gateway, as in its settings.

    Raises:
        FailedStartError: the gateway did not start.
        LoadError: a response was wrong, or took another number of source calls.
    """
    counts: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="instructions-") as name, run_constant_source(record(51)) as source:
        folder = Path(name)
        for settings, operations in _by_settings(selected):
            with run_counted_gateway(
                source, folder, settings, http_server=http_server, checkout=checkout, prefix=callgrind(folder)
            ) as running:
                running.warm_up(operations)
                running.control("instrumentation", "on")
                for each in operations:
                    dump = running.dump(each)
                    counts[each.name] = round(total(dump.read_text()) / each.requests)
                    if dumps is not None:
                        shutil.copy(dump, dumps / each.name)
    return counts


def function_entries(
    selected: Sequence[Counted], checkout: Path | None = None, http_server: str = _LEAN
) -> dict[str, list[Entry]]:
    """Return the entries into functions by one request, by operation; arguments as of `measure`."""
    found: dict[str, list[Entry]] = {}
    with tempfile.TemporaryDirectory(prefix="instructions-") as name, run_constant_source(record(51)) as source:
        folder = Path(name)
        for settings, operations in _by_settings(selected):
            file = folder / f"entries-{operations[0].name}.json"
            with run_counted_gateway(
                source, folder, settings, http_server=http_server, checkout=checkout, entries=file
            ) as running:
                running.warm_up(operations)
                for each in operations:
                    found[each.name] = running.entries(each, file)
    return found


def _by_settings(selected: Iterable[Counted]) -> list[tuple[Mapping[str, str], list[Counted]]]:
    """Return the operations of each gateway that has to be started, with its settings."""
    found: list[tuple[Mapping[str, str], list[Counted]]] = []
    for each in selected:
        operations = next((known for settings, known in found if settings == each.settings), None)
        if operations is None:
            found.append((each.settings, [each]))
        else:
            operations.append(each)
    return found


def main() -> int:
    """Print the counts, or write them as the expected ones."""
    options = _options()
    if reason := unavailable():
        sys.stderr.write(f"{reason}\n")
        return 1
    selected = [each for each in (*OPERATIONS, *ON_DEMAND) if each.name in options.only] if options.only else OPERATIONS
    try:
        if options.functions:
            _print_entries(function_entries(selected, options.compare, options.server))
            return 0
        if options.dumps:
            options.dumps.mkdir(parents=True, exist_ok=True)
        counts = measure(selected, dumps=options.dumps, http_server=options.server)
        other: Mapping[str, int] = {}
        if options.compare:
            other = measure(selected, options.compare, http_server=options.server)
        elif options.server == _LEAN:
            other = expected() or {}
    except (FailedStartError, LoadError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    rows = []
    for each in selected:
        count, compared = counts[each.name], other.get(each.name)
        rows.append(
            [each.title, f"{count:,}", *([f"{compared:,}", f"{count / compared:.3f}"] if compared else ["", ""])]
        )
    head = ["instructions a request", "here", str(options.compare or "expected"), "ratio"]
    sys.stdout.write(f"{interpreter()}\n\n{table(head, rows)}\n")
    if options.write:
        on_demand = {each.name for each in ON_DEMAND}
        _write({name: count for name, count in counts.items() if name not in on_demand})
    return 0


def _write(counts: Mapping[str, int]) -> None:
    by_interpreter = orjson.loads(EXPECTATIONS.read_bytes()) if EXPECTATIONS.exists() else {}
    by_interpreter[interpreter()] = by_interpreter.get(interpreter(), {}) | counts
    EXPECTATIONS.write_bytes(orjson.dumps(by_interpreter, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _print_entries(found: Mapping[str, Sequence[Entry]]) -> None:
    for operation, rows in found.items():
        python = sum(count for module, _, _, count in rows if module != "C")
        in_c = sum(count for module, _, _, count in rows if module == "C")
        sys.stdout.write(f"\n{operation}: {python} entries into Python functions, {in_c} calls of C functions\n")
        for module, line, name, count in rows:
            sys.stdout.write(f"{count:5} {name}" + ("\n" if module == "C" else f"  {module}:{line}\n"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m benchmarks.instructions", description=__doc__)
    names = [each.name for each in (*OPERATIONS, *ON_DEMAND)]
    parser.add_argument("--only", type=lambda text: text.split(","), metavar="NAME,…", help=", ".join(names))
    parser.add_argument("--compare", type=Path, metavar="FOLDER", help="count also another checkout of the repository")
    parser.add_argument("--dumps", type=Path, metavar="FOLDER", help="keep the dumps, for callgrind_annotate")
    parser.add_argument("--functions", action="store_true", help="list the entries into functions instead")
    parser.add_argument("--server", choices=(_LEAN, "aiohttp"), default=_LEAN, help="the HTTP server of the gateway")
    parser.add_argument("--write", action="store_true", help="write the counts as the expected ones")
    options = parser.parse_args()
    if options.write and options.server != _LEAN:
        parser.error(f"the expected counts are those with --server {_LEAN}")
    if unknown := set(options.only or ()) - set(names):
        parser.error(f"unknown operation: {', '.join(sorted(unknown))}. Use some of {', '.join(names)}")
    return options


if __name__ == "__main__":
    sys.exit(main())
