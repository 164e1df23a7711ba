"""`gateway schema`: the GraphQL schema, printed or compared with a file."""

import argparse
import difflib
import sys
from errno import ENOENT
from pathlib import Path

from gateway.api.graphql.schema.formats import FORMATS
from gateway.cli.subcommand import FAILED, Subcommand

__all__ = ["COMMAND"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="print a diff and exit with 1 if the file differs")
    parser.add_argument("--format", choices=list(FORMATS), default="sdl", help="format of the schema [default sdl]")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file to write or check [--check: schema.graphql]")


def _run(parsed: argparse.Namespace) -> int:
    text = FORMATS[parsed.format]()
    if parsed.check:
        if parsed.out is None and parsed.format != "sdl":
            raise ValueError("gateway schema --check --format needs --out with the file to compare")
        file = parsed.out or Path("schema.graphql")
        if not file.exists():
            write = "gateway schema --out FILE writes one"
            raise FileNotFoundError(ENOENT, f"there is no schema to compare with; {write}", str(file))
        present = file.read_text()
        lines = (present.splitlines(True), text.splitlines(True))
        sys.stdout.writelines(difflib.unified_diff(*lines, str(file), "schema of the code"))
        return 0 if present == text else FAILED
    if parsed.out:
        parsed.out.write_text(text)
    else:
        print(text, end="")
    return 0


COMMAND = Subcommand(_add_arguments, _run)
