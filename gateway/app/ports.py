"""Errors of ports, for the operator."""

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["named_port"]


@contextmanager
def named_port(purpose: str, setting: str, host: str, port: int | None) -> Iterator[None]:
    """Name the port in the error if the block cannot listen on it; `setting` is the path of its setting, in words.

    Raises:
        OSError: the block raised it; the message names the port, the reason, and the option and variable for another.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.filename is not None:  # of a file, which the error names
            raise
        if error.errno == errno.EADDRINUSE:
            option = f"--{setting.replace('_', '-')}"
            reason = "address already in use; stop what uses it, or choose another port"
            advice = f"{option} or GATEWAY_{setting.upper()} (0: a free one)"
        else:
            reason = str(error.strerror) if isinstance(error, socket.gaierror) else os.strerror(error.errno)
            advice = f"GATEWAY_{setting.upper()} and GATEWAY_{setting.upper().removesuffix('PORT')}HOST"
            reason = f"{reason[:1].lower()}{reason[1:]}; correct"
        message = f"the port for {purpose} ({host}:{port}) cannot be used: {reason}"
        raise OSError(error.errno, f"{message}: {advice}") from None
