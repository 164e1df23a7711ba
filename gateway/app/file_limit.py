"""The limit of open files: raised when the process starts, and divided between connections and everything else."""

from gateway.api.web.open_connections import ACCEPTED_AT_ONCE, ConnectionLimit
from gateway.settings import Settings

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

__all__ = ["connection_limit", "raise_file_limit"]

_ENOUGH = 65_536  # files
_RESERVE = (
    64 + 4 * ACCEPTED_AT_ONCE
)  # files for Redis, the log and the libraries, and for connections that are accepted at once


def raise_file_limit() -> int | None:
    """Raise the soft limit of open files as far as it may be raised; return it, None where there is none.

    Most systems start a process with a soft limit of 1,024, because old programs cannot use more.
    """
    if resource is None:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)


def connection_limit(settings: Settings, files: int | None) -> ConnectionLimit:
    """Return how many HTTP connections are accepted, so that files are left for calls to the sources.

    Without those, the gateway would answer all callers that the sources cannot be reached. `files` is the limit of the
    process. At least half of it is for connections: with so few files, sources have fewer connections than configured.
    """
    if files is None:
        return ConnectionLimit(settings.http_connections, settings.http_connections)
    sources = (settings.account, settings.softwareone, settings.reseller)
    reserve = _RESERVE + sum(source.max_connections for source in sources if source.base_url is not None)
    available = max(files - reserve, files // 2)
    return ConnectionLimit(min(settings.http_connections, available), available)
