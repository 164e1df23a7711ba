"""`schema.graphql` with the tools of front ends, each with its stock options: linter, code generators, compilers."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT

NODE_FOLDER = Path(__file__).parent / "node"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def run_tool(node_in: Callable[[Path], Path]) -> Run:
    """Runs a tool of the Node packages in a folder."""
    node = node_in(NODE_FOLDER)

    def run(tool: str, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
        program = (NODE_FOLDER / "node_modules" / ".bin" / tool).resolve()
        return subprocess.run(
            [node, program, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
        )

    return run


@pytest.fixture
def project_of(tmp_path: Path) -> Callable[[str], Path]:
    """Copies a project to where its tool can write, beside the schema."""

    def copied(name: str) -> Path:
        shutil.copytree(NODE_FOLDER / name, tmp_path / name)
        shutil.copy(ROOT / "schema.graphql", tmp_path)
        (tmp_path / "node_modules").symlink_to(NODE_FOLDER / "node_modules")
        return tmp_path / name

    return copied


def succeeded(process: "subprocess.CompletedProcess[str]") -> bool:
    """Return whether a process ended well; if not, its output is in the output of the test."""
    print(process.stdout, process.stderr)  # noqa: T201 - to see why
    return process.returncode == 0


def test_graphql_eslint(run_tool: Run) -> None:
    """The recommended rules and those for Relay hold, with no other exceptions than those of the configuration."""
    config = str((NODE_FOLDER / "eslint.config.js").relative_to(ROOT))
    [linted] = json.loads(run_tool("eslint", "-c", config, "-f", "json", "schema.graphql", cwd=ROOT).stdout)
    found = [(message["severity"], message["message"]) for message in linted["messages"]]
    assert found == [(1, 'Field "username" starts with the name of the parent type "User"')]


def test_graphql_codegen(run_tool: Run, project_of: Callable[[str], Path]) -> None:
    """The client preset generates types with which a strict program compiles; a wrong field does not compile."""
    project = project_of("codegen")
    assert succeeded(run_tool("graphql-codegen", "--config", "codegen.ts", cwd=project))
    assert succeeded(run_tool("tsc", "-p", ".", cwd=project))
    program = project / "src" / "documents.ts"
    program.write_text(program.read_text().replace("user.name", "user.nickname"))
    assert "'nickname' does not exist" in run_tool("tsc", "-p", ".", cwd=project).stdout


def test_relay_compiler(run_tool: Run, project_of: Callable[[str], Path]) -> None:
    """Connections, refetchable records, deferred fragments, mutations and subscriptions compile."""
    project = project_of("relay")
    assert succeeded(run_tool("relay-compiler", cwd=project))
    generated = {file.name.partition(".")[0] for file in (project / "src" / "__generated__").iterdir()}
    assert {"documentsListPaginationQuery", "documentsStationRefetchQuery", "documentsCreateMutation"} <= generated


def test_gql_tada(run_tool: Run, project_of: Callable[[str], Path]) -> None:
    """The documents are valid, and a strict program compiles with the types that follow from them."""
    project = project_of("tada")
    assert succeeded(run_tool("gql.tada", "generate-output", cwd=project))
    assert succeeded(run_tool("gql.tada", "check", cwd=project))
    assert succeeded(run_tool("tsc", "-p", ".", cwd=project))
