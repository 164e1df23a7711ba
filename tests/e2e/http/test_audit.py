"""GraphQL over HTTP, checked by its only runnable test suite: npm's graphql-http."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent / "node"


def _unmet(node: Path, *arguments: str) -> list[Any]:
    command = [str(node), "audit.mjs", *arguments]
    done = subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True, timeout=120)
    audits = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(audits) == 61
    return [audit for audit in audits if audit["status"] != "ok"]


def test_the_audits(gateway_url: str, node_in: Callable[[Path], Path]) -> None:
    """With stock settings all audits pass, except those of optional queries by GET, which carry nothing to trust."""
    unmet = _unmet(node_in(HERE), f"{gateway_url}/graphql")
    assert {audit["id"]: audit["status"] for audit in unmet} == dict.fromkeys(("5A70", "D6D5", "6A70"), "notice")
    assert all(audit["name"].startswith("MAY ") and " GET" in audit["name"] for audit in unmet)


def test_the_audits_of_a_caller(gateway_url: str, node_in: Callable[[Path], Path]) -> None:
    """For a client that has an API key all audits pass, including those of queries by GET."""
    assert _unmet(node_in(HERE), f"{gateway_url}/graphql", "some-key") == []
