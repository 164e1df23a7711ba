"""The fast paths cannot be noticed: the same responses, calls to the sources, lines of the log and metrics.

`TEST_PARITY=all` compares every table on both HTTP servers. `make test` has each table on one of them, and a part of
the one that depends on the server on both.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from parity.cases import CALLERS, CHANGES, COUNTED, FAULTS, HTTP, KEPT, LEAVING, OPERATIONS, TOO_SLOW, TRUSTED
from parity.credentials import Callers
from parity.recording import Case, recorded
from security.manifests import write_manifest

from gateway.api.web.servers import ServerName


def repeated(cases: Sequence[Case]) -> list[Case]:
    """Return the cases with each request three times: the fast path is for operations and tokens that are known."""
    return [dataclasses.replace(case, requests=[*case.requests] * 3) for case in cases]


_TABLES: Mapping[str, tuple[Sequence[Case], Mapping[str, Any]]] = {
    "HTTP": ([*HTTP, *LEAVING], {"cors_origins": ("https://app.example",)}),
    "operations": (repeated(OPERATIONS), {}),
    "changes": (CHANGES, {}),
    "faults": (FAULTS, {"account": {"max_attempts": 2}}),
    "too slow": (TOO_SLOW, {"account": {"timeout": 30, "try_timeout": 0.6, "max_attempts": 2}}),
    "kept": ([*KEPT, *OPERATIONS[:10]], {"keep_mode": "on"}),
    "callers": (repeated(CALLERS), {}),
    "counted": (COUNTED, {"rate_limit": {"cost": 500, "window": 86_400}}),
    "trusted": (repeated(TRUSTED), {"documents": {"trust": "enforce"}}),
    "trusted or not": (repeated(TRUSTED), {"documents": {"trust": "log"}}),
    "persisted": (repeated(TRUSTED), {"documents": {"automatic": True}}),
}
_EVERYTHING = os.environ.get("TEST_PARITY") == "all"
_ON_LEAN = {"changes", "faults", "too slow", "counted", "trusted"}
_SERVERS = get_args(ServerName)


def differences(fast: Mapping[str, Any], slow: Mapping[str, Any]) -> dict[str, Any]:
    """Return what differs, by the names of the cases, and the metrics that do."""
    found: dict[str, Any] = {name: (fast[name], slow[name]) for name in slow if fast[name] != slow[name]}
    if "metrics" in found:
        one, other = found["metrics"]
        samples = {name: (one.get(name), other.get(name)) for name in one | other}
        found["metrics"] = {name: values for name, values in samples.items() if values[0] != values[1]}
    return found


def _check_the_shared_read(seen: Mapping[str, Any]) -> None:
    """A read that others wait for goes on when its first caller leaves, and is one call."""
    first, *others = seen["the first of five leaves"].responses
    assert first == b"left"
    assert all(b'"name":"Ada' in response for response in others)
    assert len(seen["the first of five leaves"].calls) == 1


def _both() -> list[tuple[str, str]]:
    everything = [(table, server) for table in _TABLES for server in _SERVERS]
    if _EVERYTHING:
        return everything
    return [(name, server) for name, server in everything if name == "HTTP" or (name in _ON_LEAN) == (server == "lean")]


@pytest.mark.parametrize(("table", "server"), _both())
async def test_parity(table: str, server: str, tmp_path: Path) -> None:
    """Whatever is requested, the fast paths have the same results."""
    cases, settings = _TABLES[table]
    if table == "HTTP" and server == "aiohttp" and not _EVERYTHING:
        cases = [*cases[: -len(LEAVING) : 3], *LEAVING]
    if table in {"callers", "counted"}:
        callers = Callers(tmp_path)
        cases, settings = callers.with_credentials(cases), {**settings, **callers.settings}
    if "documents" in settings and "trust" in settings["documents"]:
        documents = settings["documents"] | {"manifests": (write_manifest("apollo", tmp_path),)}
        settings = {**settings, "documents": documents}
    fast = await recorded(cases, fast_path="on", http_server=server, **settings)
    slow = await recorded(cases, fast_path="off", http_server=server, **settings)
    assert differences(fast, slow) == {}
    if table == "HTTP":
        _check_the_shared_read(fast)
