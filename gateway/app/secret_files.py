"""Reports in the log that a secret in a file has changed, and whether that has taken effect."""

import asyncio
import logging
from contextlib import AsyncExitStack

from gateway.kit.tasks import cancel_and_wait
from gateway.settings import Settings
from gateway.settings.names import leaves
from gateway.settings.secret_files import SecretFile

__all__ = ["watch_secret_files"]

_LOG = logging.getLogger("gateway.settings")
_INTERVAL = 1.0  # seconds
_REPLACEABLE = frozenset({"token", "webhook_token"})
"""The settings whose present value is read for each call and webhook. All others are read once."""


def watch_secret_files(settings: Settings, stack: AsyncExitStack) -> None:
    """Watch the files with secrets, if there are any, until the stack is closed."""
    files: dict[str, SecretFile] = {}
    for leaf in leaves(type(settings)):
        secret = leaf.value(settings) if leaf.is_secret else None
        if isinstance(secret, SecretFile):
            files[leaf.variable] = secret
    if files:
        task = asyncio.get_running_loop().create_task(_watch(files))
        stack.push_async_callback(cancel_and_wait, task)


async def _watch(files: dict[str, SecretFile]) -> None:
    seen = {variable: secret.get_secret_value() for variable, secret in files.items()}
    while True:
        await asyncio.sleep(_INTERVAL)
        for variable, secret in files.items():
            value = secret.get_secret_value()
            if value == seen[variable]:
                continue
            seen[variable] = value
            if variable.rpartition("__")[2].lower() in _REPLACEABLE:
                _LOG.info("%s_FILE has changed: the new secret is in effect", variable)
            else:
                _LOG.warning(
                    "%s_FILE has changed, and the secret of the start stays in effect: restart the gateway", variable
                )
