"""The normalized caches of Apollo Client and urql, filled by queries over a real socket."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from conftest import GATEWAY, command

NODE_FOLDER = Path(__file__).parent / "node"


def test_no_query_overwrites_what_another_one_has_read(node_in: Callable[[Path], Path], tmp_path: Path) -> None:
    """Other fields of the same records are added to the cache, and fragments on `Node` apply, without a warning.

    The caches take what `gateway schema` prints for them.
    """
    files = [tmp_path / "possibleTypes.json", tmp_path / "introspection.json"]
    for file, name in zip(files, ("possible-types", "introspection"), strict=True):
        subprocess.run([GATEWAY, "schema", "--format", name, "--out", file], check=True, timeout=60)
    # Not the shared one: what it caches for some seconds would change how many calls other tests count.
    with command("demo", "--http-port", "0", "--grpc-port", "off", last="{ user(") as demo:
        program = [node_in(NODE_FOLDER), "caches.mjs", demo.address("GraphQL"), *files]
        completed = subprocess.run(program, cwd=NODE_FOLDER, capture_output=True, text=True, timeout=60, check=False)
    assert not completed.stderr
    found = json.loads(completed.stdout)
    for client in ("apollo", "urql"):
        assert found[client]["complete"], client
        assert found[client]["node"]["__typename"] == "Location"
        assert found[client]["node"]["name"], client
    assert found["warnings"] == []
