"""How a host that embeds the gateway stops: with SIGTERM, by cancellation, while subscriptions and changes go on."""

import asyncio
import gc
import logging
import signal
import sys
import threading
from contextlib import suppress
from pathlib import Path

import anyio
import pytest
from aiohttp import ClientConnectionError, ClientPayloadError, ClientResponse, ClientSession
from ports import free_port
from relay import relayed

from gateway import Gateway, Settings
from gateway.state import MemoryState
from gateway.testing import Sandbox

HOSTS = Path(__file__).with_name("hosts")
CHANGED = "subscription { userChanged { user { name } } }"
RENAME = 'mutation { updateAccountUser(id: "acus_adalovelace1", input: {name: "Ada L."}) { name } }'
READ = '{ user(id: "acus_adalovelace1", source: ACCOUNT) { name } }'
UNCLEAN = ("Traceback", "Warning", "never awaited", "was destroyed", "Unclosed", "never retrieved", "gateway: ERROR")


@pytest.mark.parametrize("host", ["fastapi", "aiohttp"])
async def test_a_signal(host: str) -> None:
    """A host that gets SIGTERM finishes the running change, ends the subscription, and leaves nothing open."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/people/graphql"
    async with Sandbox() as sandbox, relayed(sandbox.account_url) as relay:
        account = sandbox.settings().account
        environment = {
            "PATH": "/usr/bin",
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "GATEWAY_ACCOUNT__BASE_URL": relay.url,
            "GATEWAY_ACCOUNT__TIMEOUT": "60",
            "GATEWAY_ACCOUNT__TOKEN": account.token.get_secret_value() if account.token else "",
            "GATEWAY_ACCOUNT__ACCOUNT_ID": account.account_id,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-X",
            "dev",
            str(HOSTS / f"{host}_host.py"),
            str(port),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with ClientSession() as session:
                await responds(session, url, process)
                relay.hold()
                subscription = await session.post(url, json={"query": CHANGED}, headers={"Accept": "text/event-stream"})
                assert subscription.status == 200
                change = asyncio.ensure_future(send(session, url))
                await relay.holds_something()
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(30):
                    await read_to_the_end(subscription)
                    relay.release()
                    output = (await process.stdout.read()).decode() if process.stdout else ""
                    status = await process.wait()
                assert await change == 200
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert status in {0, -signal.SIGTERM}, output  # uvicorn raises the signal again at its end
        assert not [each for each in UNCLEAN if each in output], output
        assert [call.status for call in sandbox.calls if call.method == "PATCH"] == [200]


async def responds(session: ClientSession, url: str, process: asyncio.subprocess.Process) -> None:
    """Wait until the host serves."""
    async with asyncio.timeout(20):
        while process.returncode is None:
            try:
                async with session.post(url, json={"query": "{ __typename }"}) as response:
                    if response.status == 200:
                        return
            except ClientConnectionError:
                await asyncio.sleep(0.05)
    raise AssertionError("the host ended")


async def change_sent(sandbox: Sandbox) -> None:
    """Wait until the source has received a change."""
    async with asyncio.timeout(20):
        while not any(call.method == "PATCH" for call in sandbox.calls):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)


async def send(session: ClientSession, url: str) -> int:
    async with session.post(url, json={"query": RENAME}) as response:
        return response.status


async def read_to_the_end(response: ClientResponse) -> None:
    with suppress(ClientPayloadError, ClientConnectionError):
        await response.read()


class HangingState(MemoryState):
    def __init__(self) -> None:
        super().__init__()
        self.starts = asyncio.Event()
        self.is_closed = False

    async def start(self) -> None:
        self.starts.set()
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        self.is_closed = True


async def test_cancelled_while_it_opens() -> None:
    """A gateway whose start is cancelled has closed what it had opened, and leaves no task and no log handler."""
    before, handlers = asyncio.all_tasks(), [*logging.getLogger("gateway").handlers]
    state = HangingState()
    opening = asyncio.create_task(Gateway(Settings(), state=state).__aenter__())
    async with asyncio.timeout(30):
        await state.starts.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    assert state.is_closed
    assert asyncio.all_tasks() == before
    assert logging.getLogger("gateway").handlers == handlers


async def test_cancelled_while_it_closes() -> None:
    """Who does not wait for a running change loses its response: its outcome is unknown, and no task is left."""
    before = asyncio.all_tasks()
    with Sandbox() as sandbox:
        gateway = Gateway(sandbox.settings(account={"timeout": 120}))
        await gateway.__aenter__()
        sandbox.fail("account", "slow", method="PATCH", delay=60)
        change = asyncio.ensure_future(gateway.execute(RENAME))
        await change_sent(sandbox)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(gateway.__aexit__(None, None, None), 0.2)
        [error] = (await change).errors or ()
        assert error.extensions
        assert error.extensions.get("outcome") == "unknown", error.extensions
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before


def test_in_a_loop_of_anyio() -> None:
    """A host that runs its coroutines by anyio, with a limit of time around them, uses the gateway as any other."""

    async def host() -> object:
        with anyio.fail_after(20):
            async with Gateway(sandbox.settings()) as gateway, anyio.create_task_group() as tasks:
                found: list[object] = []

                async def read() -> None:
                    found.append((await gateway.execute(READ)).data)

                tasks.start_soon(read)
                tasks.start_soon(read)
            return found

    with Sandbox() as sandbox:
        assert anyio.run(host) == [{"user": {"name": "Ada Lovelace"}}] * 2


def test_signals_in_another_thread() -> None:
    """In a thread that gets no signals, draining at signals does nothing, as in the test clients of frameworks."""
    before = signal.getsignal(signal.SIGTERM)
    results: list[object] = []

    async def host() -> None:
        async with Gateway(Settings()) as gateway:
            with gateway.drain_on_signals():
                results.append((await gateway.execute("{ __typename }")).data)

    thread = threading.Thread(target=lambda: asyncio.run(host()))
    thread.start()
    thread.join(20)
    assert results == [{"__typename": "Query"}]
    assert signal.getsignal(signal.SIGTERM) is before


async def test_signals_are_passed_on() -> None:
    """Inside the block a signal drains the gateway and is handled as before; after it the handler is the one before."""
    received: list[int] = []

    def of_the_host(number: int, _frame: object) -> None:
        received.append(number)

    original = signal.signal(signal.SIGTERM, of_the_host)
    try:
        async with Gateway(Settings()) as gateway:
            with gateway.drain_on_signals():
                assert gateway.ready
                signal.raise_signal(signal.SIGTERM)
                async with asyncio.timeout(20):
                    while gateway.ready:  # noqa: ASYNC110 - it has no event
                        await asyncio.sleep(0.01)
        assert received == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGTERM) is of_the_host
    finally:
        signal.signal(signal.SIGTERM, original)


def test_the_log_of_the_host() -> None:
    """A gateway adds no handler to the root logger, sets no level, hook or signal, and no garbage collection."""

    def of_the_process() -> list[object]:
        root = logging.getLogger()
        return [
            [*root.handlers],
            root.level,
            logging.getLogger("gateway").level,
            sys.excepthook,
            sys.unraisablehook,
            threading.excepthook,
            signal.getsignal(signal.SIGTERM),
            gc.get_threshold(),
            gc.get_freeze_count(),
        ]

    async def host() -> list[object]:
        async with Gateway(Settings()) as gateway:
            await gateway.execute("{ __typename }")
            gateway.asgi_app()
            return of_the_process()

    before = of_the_process()
    assert asyncio.run(host()) == before
    assert of_the_process() == before
