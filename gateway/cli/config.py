"""`gateway config`: the settings with their values, and where each value comes from."""

import argparse
import json
import sys
import textwrap
from collections.abc import Iterator
from itertools import zip_longest

from gateway.cli.subcommand import Subcommand
from gateway.kit.source_titles import titled
from gateway.settings import Settings
from gateway.settings.given import Given
from gateway.settings.keeping import keep_notes
from gateway.settings.names import Leaf, leaves
from gateway.settings.options import add_options, load, read_given
from gateway.settings.shown import as_json, as_text
from gateway.users.kept.lifetimes import UNPROVEN_LIFETIME

__all__ = ["COMMAND"]

_WIDTH = 100  # columns
_MAX_ORIGIN = 34  # columns; the path of a file is cut at its beginning
_DEFAULT = "default"
_OF_HTTP = frozenset({"http_server", "http_client"})  # one setting can give both


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="print also the settings that have their default")
    parser.add_argument("--json", action="store_true", help="print one JSON object: by variable, value and origin")
    add_options(parser, listed=False)


def _run(parsed: argparse.Namespace) -> int:
    settings, given = load(parsed), read_given(parsed)
    rows = [(leaf, origin) for leaf, origin in _origins(settings, given) if parsed.all or origin != _DEFAULT]
    if parsed.json:
        print(json.dumps({leaf.variable: _details(leaf, origin, settings) for leaf, origin in rows}, indent=2))
    elif rows:
        _print_table([(leaf.variable, as_text(leaf, leaf.value(settings)), origin) for leaf, origin in rows])
    else:
        print("every setting has its default: `gateway config --all` prints them")
    for name, note in keep_notes(settings, UNPROVEN_LIFETIME).items():
        print(f"note: {titled(name)}: {note}", file=sys.stderr)
    return 0


def _origins(settings: Settings, given: Given) -> Iterator[tuple[Leaf, str]]:
    """Yield each setting, and where its value comes from, which may be another setting: a file, or `GATEWAY_HTTP`."""
    known = list(leaves(Settings))
    of_files = {(*leaf.path[:-1], leaf.of_secret): leaf for leaf in known if leaf.of_secret and leaf.value(settings)}
    for leaf in known:
        origin = given.origin(leaf.path)
        if leaf.path in of_files:
            origin = f"{of_files[leaf.path].variable}"
        elif origin == "option":
            origin = f"option {leaf.option}"
        elif origin == "file":
            origin = f"file {given.file_name}"
        elif leaf.path[0] in _OF_HTTP and settings.http is not None and origin == _DEFAULT:
            origin = "GATEWAY_HTTP"
        yield leaf, origin


def _details(leaf: Leaf, origin: str, settings: Settings) -> dict[str, object]:
    return {"value": as_json(leaf, leaf.value(settings)), "origin": origin}


def _print_table(rows: list[tuple[str, str, str]]) -> None:
    """Print three columns; a long value has several lines, and its origin is below it if it has no blanks."""
    origins = [_shortened(origin) for _, _, origin in rows]
    names_width, origins_width = (max(map(len, column)) for column in ([row[0] for row in rows], origins))
    widest = _WIDTH - names_width - origins_width - 4
    values = [
        textwrap.wrap(value, widest, break_long_words=False, break_on_hyphens=False) or [""] for _, value, _ in rows
    ]
    width = max((len(line) for lines in values for line in lines if len(line) <= widest), default=0)
    for (name, _, _), lines, origin in zip(rows, values, origins, strict=True):
        if len(lines[0]) > width:
            lines.insert(1, f"{'':<{width}}  {origin}")
        else:
            lines[0] = f"{lines[0]:<{width}}  {origin}"
        for heading, line in zip_longest((name,), lines, fillvalue=""):
            print(f"{heading:<{names_width}}  {line}")


def _shortened(origin: str) -> str:
    kind, _, path = origin.partition(" ")
    return origin if len(origin) <= _MAX_ORIGIN else f"{kind} …{path[len(kind) + 2 - _MAX_ORIGIN :]}"


COMMAND = Subcommand(_add_arguments, _run)
