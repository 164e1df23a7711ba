"""A gateway in a process of its own that measures itself: each line of its input is answered by one of JSON.

Its settings are those of the environment, and so is `PYTHONTRACEMALLOC`, without which it cannot tell its memory.
It ends with its input.
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
        tell(url=addresses.http)
        while await lines.readline():
            gc.collect()
            tell(
                tasks=len(asyncio.all_tasks()),
                descriptors=descriptors(),
                connections=sum(isinstance(one, RequestHandler) for one in gc.get_objects()),
                traced=tracemalloc.get_traced_memory()[0],
            )


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def tell(**values: str | int) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main())
