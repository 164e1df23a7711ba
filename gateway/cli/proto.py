"""`gateway proto`: the .proto of the gRPC API, printed, or written with all that a client needs beside it."""

import argparse
import sys
from pathlib import Path

from gateway.cli.compared import is_current
from gateway.cli.subcommand import FAILED, Subcommand
from gateway.kit.extras import require_extra

__all__ = ["COMMAND"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--check", action="store_true", help="print a diff and exit with 1 if the files of --out differ"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="folder to write or check: usergateway/v1/users.proto with its imports and the details of errors",
    )


def _run(parsed: argparse.Namespace) -> int:
    require_extra("grpc", "gateway proto")
    from gateway.api.grpc.proto_files import USERS_PROTO, proto_files  # noqa: PLC0415 - imports the packages of the extra

    files, folder = proto_files(), parsed.out
    if parsed.check:
        if folder is None:
            raise ValueError("gateway proto --check needs --out with the folder to compare")
        write = f"there is no .proto to compare with; gateway proto --out {folder} writes it"
        current = [is_current(folder / name, text, f"{name} of the code", write) for name, text in files.items()]
        return 0 if all(current) else FAILED
    if folder is None:
        print(files[USERS_PROTO], end="")
        return 0
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        print(file)
    print(f"compile with the include path {folder}: protoc -I {folder} … {USERS_PROTO}", file=sys.stderr)
    return 0


COMMAND = Subcommand(_add_arguments, _run)
