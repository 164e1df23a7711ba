"""GraphQL over HTTP, checked by its only runnable test suite: npm's graphql-http."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent / "node"


def test_the_audits(gateway_url: str, node_in: Callable[[Path], Path]) -> None:
    """All 61 audits pass, including those of optional behaviour."""
    command = [str(node_in(HERE)), "audit.mjs", f"{gateway_url}/graphql"]
    done = subprocess.run(command, cwd=HERE, check=True, capture_output=True, text=True, timeout=60)
    audits = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(audits) == 61
    assert [audit for audit in audits if audit["status"] != "ok"] == []
