"""The client in Go and grpcurl, with `TEST_GRPC_TOOLS=1`: `make test` does not install them, and Go takes long."""

import asyncio
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from gateway.api.grpc.proto_files import proto_files
from gateway.api.grpc.server import GrpcOptions

pytestmark = pytest.mark.skipif(
    "TEST_GRPC_TOOLS" not in os.environ,
    reason="runs with TEST_GRPC_TOOLS=1: `make test` does not install the tools, and Go takes long",
)

PACKAGE = "example.com/app"
PAGE = (ROOT / "docs/grpc.md").read_text()


async def output_of(*command: str | Path, cwd: Path | None = None, **environment: str) -> str:
    """Return what a program prints to standard output; it must succeed."""
    process = await asyncio.create_subprocess_exec(
        *map(str, command), cwd=cwd, env=os.environ | environment, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


def write_protos(folder: Path) -> None:
    """Write what `gateway proto --out` writes."""
    for name, text in proto_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


async def test_the_client_in_go(world: Any, tmp_path: Path) -> None:
    """The documented commands generate code, with which the example watches, changes and reads an error's details."""
    path = (await output_of(ROOT / "tests/api/grpc/go-packages.sh", tmp_path)).strip()
    module = tmp_path / "src" / PACKAGE
    module.mkdir(parents=True)
    write_protos(module / "api")
    [generate] = re.findall(r"^(package=M.*?users\.proto)$", PAGE, re.MULTILINE | re.DOTALL)
    await output_of("sh", "-euc", generate, cwd=module)
    program = (ROOT / "examples/grpc/go/main.go").read_text()
    # Debian 12 has gRPC 1.33, from before these two functions.
    program = program.replace('\t"google.golang.org/grpc/credentials/insecure"\n', "")
    program = program.replace("grpc.WithTransportCredentials(insecure.NewCredentials())", "grpc.WithInsecure()")
    (module / "main.go").write_text(program.replace("grpc.NewClient(", "grpc.Dial("))
    go = {"GO111MODULE": "off", "GOPATH": path, "GOFLAGS": "", "GOCACHE": str(tmp_path / "cache")}
    await output_of("go", "build", "-o", "client", ".", cwd=module, **go)
    printed = await output_of(module / "client", world.server.address)
    assert printed.splitlines() == [
        "Ada Lovelace <nil>",
        "USER_CHANGE_UPDATED Ada Lovelace",
        "InvalidArgument BAD_USER_INPUT",
        "user.email must be an e-mail address",
    ]


@pytest.mark.parametrize("by", ["reflection", "files"])
async def test_grpcurl(open_world: Any, tmp_path: Path, by: str) -> None:
    """The documented command reads a user, by reflection or with the files of `gateway proto`."""
    grpcurl = shutil.which("grpcurl")
    assert grpcurl, "grpcurl is not on the PATH"
    [data] = re.findall(r"^grpcurl -plaintext -d '(.*)'", PAGE, re.MULTILINE)
    write_protos(tmp_path)
    files = ["-import-path", str(tmp_path), "-proto", "usergateway/v1/users.proto"] if by == "files" else []
    async with open_world(GrpcOptions(port=0, reflection=by == "reflection")) as world:
        method = (world.server.address, "usergateway.v1.UserService/GetUser")
        printed = await output_of(grpcurl, "-plaintext", *files, "-d", data, *method)
    assert json.loads(printed) == {"name": "Ada Lovelace", "role": {"name": "Admin"}}
