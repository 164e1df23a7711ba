"""Program: a gateway that measures itself. For each line of input it prints one line of JSON.

Its settings are in the environment, as is `PYTHONTRACEMALLOC`, which it needs to measure its memory. It ends at the
end of its input.
"""

import asyncio
import gc
import json
import sys
import tracemalloc
from pathlib import Path

from aiohttp.web_protocol import RequestHandler

from gateway import Settings
from gateway.app.serving import serving


async def main() -> None:
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with serving(Settings(http_port=0, grpc_port=None)) as addresses:
        report(url=addresses.http)
        while await lines.readline():
            gc.collect()
            report(
                tasks=len(asyncio.all_tasks()),
                descriptors=descriptors(),
                connections=sum(isinstance(candidate, RequestHandler) for candidate in gc.get_objects()),
                traced=tracemalloc.get_traced_memory()[0],
            )


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def report(**values: str | int) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
