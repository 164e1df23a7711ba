"""The extras of the distribution: packages that only some programs need, such as those for gRPC."""

from importlib.util import find_spec
from typing import Literal

__all__ = ["Extra", "MissingExtraError", "has_extra", "install_command", "require_extra"]

Extra = Literal["grpc", "jwt", "otel", "redis", "uvloop"]

_DISTRIBUTION = "user-gateway"
_MODULES: dict[Extra, tuple[str, ...]] = {
    "grpc": ("grpc", "grpc_health.v1", "grpc_reflection.v1alpha", "google.protobuf", "google.rpc"),
    "jwt": ("joserfc",),
    "otel": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
    "redis": ("redis",),
    "uvloop": ("uvloop",),
}


class MissingExtraError(ImportError, ValueError):
    """What is wanted needs packages that are not installed; the message has the command that installs them.

    It is a ValueError as well, as for every other setting that cannot be used.
    """

    def __init__(self, extra: Extra, purpose: str, advice: str = "") -> None:
        super().__init__(f"{purpose} needs packages that are not installed: {install_command(extra)}{advice}")


def install_command(extra: Extra) -> str:
    """Return the command that installs the packages of an extra."""
    return f"pip install '{_DISTRIBUTION}[{extra}]'"


def has_extra(extra: Extra) -> bool:
    """Return whether the packages of an extra are installed."""
    return all(map(_is_installed, _MODULES[extra]))


def require_extra(extra: Extra, purpose: str, advice: str = "") -> None:
    """Check that the packages of an extra are installed, before they are imported.

    `purpose` begins the message, for example "Serving gRPC"; `advice` ends it, for example with what to do instead.

    Raises:
        MissingExtraError: they are not.
    """
    if not has_extra(extra):
        raise MissingExtraError(extra, purpose, advice)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package above it is missing
        return False
