"""Generates the Python code of the .proto, or checks both: `python -m gateway.api.grpc.generate [--check | --release]`.

The generated code is the public package `usergateway`: messages and stubs, with their types. It is committed, so an
installation needs no compiler. Requires grpcio-tools, mypy-protobuf and, for `--check`, buf.
"""

import argparse
import difflib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["main"]

_ROOT = Path(__file__).parents[3]
_PROTO = "usergateway/v1/users.proto"
_GENERATED = tuple(
    f"usergateway/v1/{name}" for name in ("users_pb2.py", "users_pb2.pyi", "users_pb2_grpc.py", "users_pb2_grpc.pyi")
)
_RELEASED = "gateway/api/grpc/released"  # the .proto as of the last release
_BUF = "gateway/api/grpc/buf.yaml"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the code; with `--check`, write nothing and return 1 if there are problems. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m gateway.api.grpc.generate", description=__doc__)
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument(
        "--check",
        action="store_true",
        help="check that the code is up to date, and the style and the compatibility of the .proto",
    )
    mode.add_argument(
        "--release", action="store_true", help="store the .proto as the release that later ones must be compatible with"
    )
    parser.add_argument("--root", type=Path, default=_ROOT, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    root: Path = options.root
    if options.check:
        problems = [*_check_generated(root), *_check_style(root), *_check_compatibility(root)]
        sys.stderr.writelines(f"{line}\n" for line in problems)
        return 1 if problems else 0
    if options.release:
        (root / _RELEASED / _PROTO).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / _PROTO, root / _RELEASED / _PROTO)
        return 0
    _generate(root, root)
    return 0


def _check_generated(root: Path) -> Iterator[str]:
    """Yield a problem for each generated file that differs from the committed one."""
    with tempfile.TemporaryDirectory() as folder:
        _generate(root, Path(folder))
        for name in _GENERATED:
            committed = root / name
            present = committed.read_text() if committed.is_file() else ""
            diff = difflib.unified_diff(
                present.splitlines(),
                (Path(folder) / name).read_text().splitlines(),
                name,
                "generated from the .proto",
                lineterm="",
            )
            if lines := list(diff)[:20]:
                yield "\n".join([*lines, f"{name} is stale: run `python -m gateway.api.grpc.generate`"])


def _check_style(root: Path) -> Iterator[str]:
    """Yield the differences from buf's format, and the broken rules of its linter."""
    yield from _buf("format", str(root / _PROTO), "--diff", "--exit-code", root=root)
    with tempfile.TemporaryDirectory() as folder:
        yield from _buf("lint", _image(root, folder, "new"), "--path", _PROTO, root=root)


def _check_compatibility(root: Path) -> Iterator[str]:
    """Yield the changes that break clients of the last release; none where there has been no release."""
    if not (root / _RELEASED / _PROTO).is_file():
        return
    with tempfile.TemporaryDirectory() as folder:
        released = _image(root / _RELEASED, folder, "released")
        yield from _buf("breaking", _image(root, folder, "new"), "--path", _PROTO, "--against", released, root=root)


def _image(root: Path, folder: str, name: str) -> str:
    """Compile the .proto with its imports into a descriptor set, so that buf needs no registry; return its path."""
    image = f"{folder}/{name}.binpb"
    from grpc_tools import protoc  # noqa: PLC0415 - only in the development environment

    options = (f"--descriptor_set_out={image}", "--include_imports", "--include_source_info")
    if status := protoc.main(["protoc", *_arguments(root, *options)]):
        sys.exit(int(status))
    return image


def _generate(root: Path, folder: Path) -> None:
    """Write the generated code to a folder. mypy-protobuf takes the comments over, and types both kinds of channels."""
    types = [f"--plugin={Path(sys.executable).with_name(f'protoc-gen-{name}')}" for name in ("mypy", "mypy_grpc")]
    outputs = (f"--{name}_out={folder}" for name in ("python", "grpc_python"))
    options = (*outputs, *types, f"--mypy_out=quiet:{folder}", f"--mypy_grpc_out=quiet:{folder}")
    # A separate process: the compiler forks to start a plugin, which a process that serves gRPC should not do.
    command = [sys.executable, "-m", "grpc_tools.protoc", *_arguments(root, *options)]
    completed = subprocess.run(command, check=False)  # noqa: S603 - a tool of the development environment
    if completed.returncode:
        sys.exit(completed.returncode)


def _arguments(root: Path, *options: str) -> list[str]:
    """Return the arguments of the compiler: where the .proto and its imports are, the options, and the .proto."""
    import grpc_tools  # noqa: PLC0415 - only in the development environment
    from google.api import field_behavior_pb2  # noqa: PLC0415 - not needed when the gateway runs

    well_known = Path(grpc_tools.__file__).parent / "_proto"
    google = Path(field_behavior_pb2.__file__).parents[2]  # googleapis-common-protos has its .proto files
    return [f"-I{root}", f"-I{well_known}", f"-I{google}", *options, _PROTO]


def _buf(command: str, *arguments: str, root: Path) -> Iterator[str]:
    buf = Path(sys.executable).with_name("buf")
    completed = subprocess.run(  # noqa: S603 - a tool of the development environment
        [str(buf), command, *arguments, "--config", str(root / _BUF)],
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode:
        yield completed.stdout + completed.stderr


if __name__ == "__main__":
    sys.exit(main())
