"""`gateway schema`: the GraphQL schema, printed or compared with a file."""

import argparse
from pathlib import Path

from gateway.api.graphql.federation.subgraph import subgraph_sdl
from gateway.api.graphql.schema.formats import FORMATS
from gateway.cli.compared import is_current
from gateway.cli.subcommand import FAILED, Subcommand

__all__ = ["COMMAND"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--check", action="store_true", help="print a diff and exit with 1 if the file differs")
    parser.add_argument(
        "--federation", action="store_true", help="print the schema of the subgraph for Apollo Federation 2"
    )
    parser.add_argument("--format", choices=list(FORMATS), default="sdl", help="format of the schema [default sdl]")
    parser.add_argument("--out", type=Path, metavar="FILE", help="file to write or check [--check: schema.graphql]")


def _run(parsed: argparse.Namespace) -> int:
    if parsed.federation and parsed.format != "sdl":
        raise ValueError("gateway schema --federation prints the schema definition language; leave out --format")
    text = subgraph_sdl() if parsed.federation else FORMATS[parsed.format]()
    if parsed.check:
        if parsed.out is None and (parsed.federation or parsed.format != "sdl"):
            option = "--federation" if parsed.federation else "--format"
            raise ValueError(f"gateway schema --check {option} needs --out with the file to compare")
        file = parsed.out or Path("schema.graphql")
        missing = "there is no schema to compare with; gateway schema --out FILE writes one"
        return 0 if is_current(file, text, "schema of the code", missing) else FAILED
    if parsed.out:
        parsed.out.write_text(text)
        print(parsed.out)
    else:
        print(text, end="")
    return 0


COMMAND = Subcommand(_add_arguments, _run)
