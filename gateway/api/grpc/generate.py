"""Python from the .proto, and checks: `python -m gateway.api.grpc.generate [--check | --release]`.

The result is committed: who installs the gateway needs no compiler. Needs grpcio-tools and, for `--check`, buf.
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

_HERE = Path(__file__).parent
_PROTO = "usergateway/v1/users.proto"
_MADE = ("usergateway/v1/users_pb2.py", "usergateway/v1/users_pb2.pyi")
_RELEASED = _HERE / "released"  # the .proto as of the last release


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the Python; with `--check` nothing is written and the exit status says whether all is well."""
    parser = argparse.ArgumentParser(prog="python -m gateway.api.grpc.generate", description=__doc__)
    does = parser.add_mutually_exclusive_group()
    does.add_argument("--check", action="store_true", help="is it fresh, well-styled, and no break of the last release")
    does.add_argument("--release", action="store_true", help="keep the .proto as the one that later ones may not break")
    parser.add_argument("--root", type=Path, default=_HERE, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    root: Path = given.root
    if given.check:
        complaints = [*_stale(root), *_unstyled(root), *_broken(root)]
        sys.stderr.writelines(f"{line}\n" for line in complaints)
        return 1 if complaints else 0
    if given.release:
        (root / _RELEASED.name / _PROTO).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / _PROTO, root / _RELEASED.name / _PROTO)
        return 0
    _compile(root, f"--python_out={root}", f"--pyi_out={root}")
    return 0


def _stale(root: Path) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as made:
        _compile(root, f"--python_out={made}", f"--pyi_out={made}")
        for name in _MADE:
            committed = root / name
            now = committed.read_text() if committed.is_file() else ""
            diff = difflib.unified_diff(
                now.splitlines(),
                (Path(made) / name).read_text().splitlines(),
                name,
                "as the .proto has it",
                lineterm="",
            )
            if lines := list(diff)[:20]:
                yield "\n".join([*lines, f"{name} is stale: run `python -m gateway.api.grpc.generate`"])


def _unstyled(root: Path) -> Iterator[str]:
    yield from _buf("format", str(root / _PROTO), "--diff", "--exit-code", config=root)
    with tempfile.TemporaryDirectory() as folder:
        yield from _buf("lint", _image(root, folder, "new"), "--path", _PROTO, config=root)


def _broken(root: Path) -> Iterator[str]:
    """What clients of the last release would stumble over; nothing where there has been no release."""
    if not (root / _RELEASED.name / _PROTO).is_file():
        return
    with tempfile.TemporaryDirectory() as folder:
        before = _image(root / _RELEASED.name, folder, "released")
        yield from _buf("breaking", _image(root, folder, "new"), "--path", _PROTO, "--against", before, config=root)


def _image(root: Path, folder: str, name: str) -> str:
    """The .proto with all that it imports, compiled: buf can then do without its registry."""
    image = f"{folder}/{name}.binpb"
    _compile(root, f"--descriptor_set_out={image}", "--include_imports", "--include_source_info")
    return image


def _compile(root: Path, *options: str) -> None:
    import grpc_tools  # noqa: PLC0415 - of the development environment only
    from google.api import field_behavior_pb2  # noqa: PLC0415 - only here, not where the gateway runs
    from grpc_tools import protoc  # noqa: PLC0415 - a package of the build

    known = Path(grpc_tools.__file__).parent / "_proto"
    common = Path(field_behavior_pb2.__file__).parents[2]  # googleapis-common-protos brings its sources
    status = protoc.main(["protoc", f"-I{root}", f"-I{known}", f"-I{common}", *options, _PROTO])
    if status:
        raise SystemExit(int(status))


def _buf(command: str, *arguments: str, config: Path) -> Iterator[str]:
    buf = Path(sys.executable).with_name("buf")
    done = subprocess.run(  # noqa: S603 - the environment's own tool
        [str(buf), command, *arguments, "--config", str(config / "buf.yaml")],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        yield done.stdout + done.stderr


if __name__ == "__main__":
    raise SystemExit(main())
