"""The .proto, its generated code, and the checks of both."""

import shutil
from pathlib import Path

import pytest

from gateway.api.grpc import generate
from usergateway.v1 import users_pb2

HOME = Path(generate.__file__).parents[3]
RELEASED = "gateway/api/grpc/released"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the .proto, the generated code and the settings of buf, to be modified."""
    for name in (
        "usergateway/v1/users.proto",
        "usergateway/v1/users_pb2.py",
        "usergateway/v1/users_pb2.pyi",
        "usergateway/v1/users_pb2_grpc.py",
        "usergateway/v1/users_pb2_grpc.pyi",
        "gateway/api/grpc/buf.yaml",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(HOME / name, tmp_path / name)
    return tmp_path


def check(root: Path) -> int:
    """Return the exit status of `generate --check`."""
    return generate.main(["--check", "--root", str(root)])


def change(root: Path, old: str, new: str) -> None:
    """Change the .proto. Its code is stale then, which the check reports beside what is wrong with the .proto."""
    proto = root / "usergateway/v1/users.proto"
    text = proto.read_text()
    assert old in text
    proto.write_text(text.replace(old, new, 1))


def test_no_problems(capfd: pytest.CaptureFixture[str]) -> None:
    """The committed code is up to date, and the .proto has the right style and is compatible with the release."""
    assert generate.main(["--check"]) == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("name", ["users_pb2.pyi", "users_pb2_grpc.py"])
def test_stale_code_is_reported(copy: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    """Code that differs from the .proto fails the check, which prints the command to run."""
    (copy / "usergateway/v1" / name).write_text("# old\n")
    assert check(copy) == 1
    assert f"{name} is stale: run `python -m gateway.api.grpc.generate`" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "rule"),
    [
        ("USER_STATUS_NEW = 1", "BRAND_NEW = 1", "USER_STATUS_"),
        ("  string next_page_token = 2", "  string nextPageToken = 2", "lower_snake_case"),
        ("  rpc GetUser(", "    rpc GetUser(", "rpc GetUser("),
        ("  // The full name.\n", "", 'Field "name" should have'),
    ],
)
def test_style_is_checked(copy: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, rule: str) -> None:
    """A broken rule of buf, or another format, fails the check."""
    change(copy, old, new)
    assert check(copy) == 1
    assert rule in capsys.readouterr().err


def test_a_release_is_not_broken(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed type of a released field fails the check; an added field does not."""
    assert generate.main(["--release", "--root", str(copy)]) == 0
    comment = "  // The number of further paths"
    change(copy, comment, f"  // New.\n  int32 new = 3 [(google.api.field_behavior) = OUTPUT_ONLY];\n{comment}")
    assert generate.main(["--root", str(copy)]) == 0
    assert check(copy) == 0, capsys.readouterr().err
    change(copy, "  int32 omitted = 2 [", "  string omitted = 2 [")
    assert check(copy) == 1
    assert "changed type" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("  string id = 1 [", "  string key = 1 [", "changed name"),
        ("  USER_SOURCE_RESELLER = 3;", "  USER_SOURCE_RESELLER = 4;", "Previously present enum value"),
        (
            "  rpc GetRole(GetRoleRequest) returns (Role)",
            "  rpc GetRole(GetRoleRequest) returns (User)",
            "response type",
        ),
    ],
)
def test_the_released_api_is_kept(
    copy: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, problem: str
) -> None:
    """A renamed field, a changed number or a changed type of the committed release fails the check."""
    shutil.copytree(HOME / RELEASED, copy / RELEASED)
    change(copy, old, new)
    assert check(copy) == 1
    assert problem in capsys.readouterr().err


def test_every_field_has_its_behaviour() -> None:
    """Each field has an annotation of its behaviour (AIP-203); buf requires its comment."""
    from google.api import field_behavior_pb2

    for message in users_pb2.DESCRIPTOR.message_types_by_name.values():
        for field in message.fields:
            assert field.GetOptions().Extensions[field_behavior_pb2.field_behavior], field.full_name
