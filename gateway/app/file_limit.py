"""The limit of open files: raised when the process starts, and divided between connections and everything else.

A limit of None stands for no limit that is known: on Windows, and where the system has none.
"""

from gateway.api.web.open_connections import ACCEPTED_AT_ONCE, ConnectionLimit
from gateway.settings import Settings

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]  # None stands for no such limit

__all__ = ["ADMIN_CONNECTIONS", "connection_limit", "file_limit", "grpc_connection_limit", "raise_file_limit"]

ADMIN_CONNECTIONS = 64
"""The maximum number of connections of the admin port: Prometheus, health checks and a few people."""

_ENOUGH = 65_536  # files
# Files for Redis, the log and the libraries, and for connections that are accepted at once.
_RESERVE = 64 + 4 * ACCEPTED_AT_ONCE
_GRPC_PART = 4  # gRPC gets at most a quarter of the files


def file_limit() -> int | None:
    """Return the soft limit of open files."""
    if resource is None:
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def raise_file_limit() -> int | None:
    """Raise the soft limit of open files as far as it may be raised, and return it.

    Most systems start a process with a soft limit of 1,024, because old programs cannot use more.
    """
    soft = file_limit()
    if resource is None or soft is None:
        return None
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


def grpc_connection_limit(settings: Settings, files: int | None) -> int:
    """Return how many gRPC connections are accepted; `files` is the limit of the process."""
    return settings.grpc_connections if files is None else min(settings.grpc_connections, max(1, files // _GRPC_PART))


def connection_limit(settings: Settings, files: int | None) -> ConnectionLimit:
    """Return how many HTTP connections are accepted, so that files are left for calls to the sources.

    Without those, the gateway would answer all callers that the sources cannot be reached. `files` is the limit of the
    process. At least half of it is for connections: with so few files, sources have fewer connections than configured.
    """
    if files is None:
        return ConnectionLimit(settings.http_connections, settings.http_connections)
    admin = 0 if settings.admin_port is None else ADMIN_CONNECTIONS
    sources = (settings.account, settings.softwareone, settings.reseller)
    reserve = _RESERVE + admin + sum(source.max_connections for source in sources if source.base_url is not None)
    available = max(files - reserve, files // 2)
    return ConnectionLimit(min(settings.http_connections, available), available)
