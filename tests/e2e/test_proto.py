"""`gateway proto`: the .proto for clients in other languages."""

import subprocess
import sys
from pathlib import Path

from conftest import GATEWAY, ROOT


def proto(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `gateway proto …`."""
    return subprocess.run([GATEWAY, "proto", *arguments], capture_output=True, text=True, timeout=60, check=False)


def test_the_proto_with_its_imports(tmp_path: Path) -> None:
    """The folder suffices for a compiler: it has the .proto, its imports and the details of errors; all are printed."""
    written = proto("--out", tmp_path / "api" / "v1")
    assert written.returncode == 0, written.stderr
    files = [Path(line) for line in written.stdout.splitlines()]
    assert sorted(files) == sorted(file for file in tmp_path.rglob("*") if file.is_file())
    names = [str(file.relative_to(tmp_path / "api" / "v1")) for file in files]
    assert names[0] == "usergateway/v1/users.proto"
    assert {"google/api/field_behavior.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"} == {
        *names[1:]
    }
    protoc = [
        sys.executable,
        "-m",
        "grpc_tools.protoc",
        "-I",
        tmp_path / "api" / "v1",
        "--descriptor_set_out=/dev/null",
    ]
    compiled = subprocess.run([*protoc, *names], capture_output=True, text=True, check=False)
    assert (compiled.returncode, compiled.stderr) == (0, "")


def test_the_proto_is_printed() -> None:
    """Without a folder, the .proto is printed, and nothing is written."""
    assert proto().stdout == (ROOT / "usergateway/v1/users.proto").read_text()


def test_stale_files_are_reported(tmp_path: Path) -> None:
    """`--check` exits with 1 if a file differs, with a diff, or is not there; without a folder it exits with 2."""
    assert proto("--out", tmp_path).returncode == 0
    assert (proto("--check", "--out", tmp_path).returncode, proto("--check").returncode) == (0, 2)
    status = tmp_path / "google/rpc/status.proto"
    status.write_text(status.read_text().replace("int32 code", "int64 code"))
    changed = proto("--check", "--out", tmp_path)
    assert changed.returncode == 1
    assert "-  int64 code" in changed.stdout
    status.unlink()
    missing = proto("--check", "--out", tmp_path)
    assert missing.returncode == 1
    assert f"{status}: there is no .proto to compare with; gateway proto --out {tmp_path} writes it" in missing.stderr


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A file in the place of the folder ends the command with one line that names it."""
    (tmp_path / "api").write_text("")
    failed = proto("--out", tmp_path / "api")
    assert failed.returncode == 1
    [line] = failed.stderr.splitlines()
    assert str(tmp_path / "api") in line
