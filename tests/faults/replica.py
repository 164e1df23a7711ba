"""`gateway serve` in another process, which can be killed and started again."""

import asyncio
import os
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from conftest import FAST_PATH
from faults.stand_in import FIELDS

__all__ = ["WEBHOOK_TOKEN", "Replica", "environment_of"]

WEBHOOK_TOKEN = "token-of-the-webhooks"

_GATEWAY = str(Path(sys.executable).with_name("gateway"))
_READY_TIMEOUT = 60.0  # seconds


@dataclass(slots=True)
class Replica:
    """`gateway serve` in another process, which can be killed and started again; the port is another one then."""

    environment: dict[str, str]
    log: Path
    url: str = ""
    grpc: str = ""
    _process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        clean = {
            name: value for name, value in os.environ.items() if not name.startswith("GATEWAY_") or name == FAST_PATH
        }
        with self.log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                _GATEWAY,
                *("serve", "--http-port", "0", "--grpc-port", "0"),
                env=clean | self.environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(_READY_TIMEOUT):
            async for line in self._process.stdout:
                if found := re.search(rb"GraphQL\s+(http\S+)/graphql", line):
                    self.url = found[1].decode()
                if found := re.search(rb"gRPC\s+(\S+)", line):
                    self.grpc = found[1].decode()
                    return
        raise AssertionError(f"a replica did not start; its log is {self.log}")

    async def pause(self, seconds: float) -> None:
        """Suspend the process for so many seconds: its connections stay open."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        self._process.send_signal(signal.SIGCONT)

    async def stop(self, stop_signal: signal.Signals) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(stop_signal)
            try:
                async with asyncio.timeout(60):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
                raise


def environment_of(url: str, redis_url: str) -> dict[str, str]:
    """Return the settings of a replica in front of the sources below `url`, with short timeouts."""
    sources = {
        "ACCOUNT__ACCOUNT_ID": "ac_campaign",
        "RESELLER__RESELLER_ID": "campaign",
        **{f"{source.upper()}__BASE_URL": f"{url}/{source}" for source in FIELDS},
        **{f"{source.upper()}__TOKEN": "token" for source in FIELDS},
        **{f"{source.upper()}__TIMEOUT": "4" for source in FIELDS},
        **{f"{source.upper()}__TRY_TIMEOUT": "1" for source in FIELDS},
        **{f"{source.upper()}__RATE_LIMIT": "10000" for source in FIELDS},
        "REDIS_URL": redis_url,
        "CURSOR_SECRET": "the same for both",
        "RESELLER__WEBHOOK_TOKEN": WEBHOOK_TOKEN,
    }
    return {f"GATEWAY_{name}": value for name, value in sources.items()}
