"""How the limit of open files is divided."""

import resource
from typing import Any

import pytest

from gateway.app.file_limit import connection_limit, file_limit, grpc_connection_limit
from gateway.settings import Settings


@pytest.mark.parametrize(("files", "expected"), [(None, 1_000), (65_536, 1_000), (1_024, 256), (3, 1)])
def test_grpc_connections(files: int | None, expected: int) -> None:
    """gRPC gets the configured number of connections, at most a quarter of the files, and at least one."""
    assert grpc_connection_limit(Settings(), files) == expected


def test_unlimited_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no limit, both servers accept what is configured."""

    def unlimited(_: Any) -> tuple[int, int]:
        return resource.RLIM_INFINITY, resource.RLIM_INFINITY

    monkeypatch.setattr(resource, "getrlimit", unlimited)
    settings = Settings(http_connections=500, grpc_connections=400)
    assert file_limit() is None
    assert grpc_connection_limit(settings, file_limit()) == 400
    assert connection_limit(settings, file_limit()).connections == 500
