"""The server: health, reflection, TLS, draining, and a port in use."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from deadlines import in_time
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_status import rpc_status
from pydantic import ValidationError

from gateway import Settings
from gateway.api.grpc.server import GrpcOptions, Tls, start_grpc
from gateway.users.service import UserService
from gateway.users.source import Sources
from usergateway.v1 import users_pb2

SERVICE = "usergateway.v1.UserService"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def service() -> UserService:
    """A service without sources."""
    return UserService(Sources(()))


@pytest.mark.parametrize("name", ["", SERVICE])
async def test_health(world: Any, name: str) -> None:
    """The server and the service are SERVING, and NOT_SERVING while it drains; calls are still accepted."""
    stub: Any = health_pb2_grpc.HealthStub(world.channel)
    request = health_pb2.HealthCheckRequest(service=name)
    assert (await stub.Check(request)).status == SERVING
    await world.server.drain()
    assert (await stub.Check(request)).status == NOT_SERVING
    assert await world.get("GetRole", id="rl_admin0000000")


async def test_health_of_another_service(world: Any) -> None:
    """The health of an unknown service is NOT_FOUND."""
    stub: Any = health_pb2_grpc.HealthStub(world.channel)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.Check(health_pb2.HealthCheckRequest(service="other.v1.Service"))
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_stopping_lets_calls_finish(world: Any) -> None:
    """A stopping server finishes its running calls and refuses new ones."""
    world.account.hold()
    running = world.start("GetRole", id="rl_admin0000000")
    await world.account.holds_something()
    stopping = asyncio.create_task(world.server.stop(60))
    health: Any = health_pb2_grpc.HealthStub(world.channel)

    async def refused() -> bool:
        try:  # one that arrives in the moment of the stop may have no response until its end
            await health.Check(health_pb2.HealthCheckRequest(), timeout=2)
        except grpc.aio.AioRpcError as error:
            return error.code() is grpc.StatusCode.UNAVAILABLE
        return False

    await world.until(refused)
    world.account.release()
    assert (await running).name == "Admin"
    await stopping
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await world.start("GetRole", id="rl_admin0000000")
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("method", "fields", "outcome"),
    [
        ("UpdateAccountUser", {"id": "acus_adalovelace1", "user": {"name": "Ada"}}, "unknown"),
        ("GetUser", {"id": "acus_adalovelace1", "source": users_pb2.USER_SOURCE_ACCOUNT}, None),
    ],
)
async def test_a_call_that_the_stop_ends(
    world: Any, monkeypatch: pytest.MonkeyPatch, method: str, fields: Any, outcome: str | None
) -> None:
    """A call that is still running at the end of the grace is UNAVAILABLE; a change has the outcome `unknown`."""
    monkeypatch.setattr("gateway.api.grpc.server._CLOSE_TIMEOUT", 30.0)  # for the status, on a busy machine
    world.account.hold()
    running = asyncio.ensure_future(world.fail(method, **fields))
    await world.account.holds_something()
    await world.server.stop(30.2)
    failure = await running
    world.account.release()
    assert (failure.status.name, failure.reason) == ("UNAVAILABLE", "SOURCE_UNAVAILABLE")
    assert failure.metadata.get("outcome") == outcome
    assert failure.retry_after


async def test_a_request_that_does_not_arrive(world: Any) -> None:
    """A call whose message does not arrive before its deadline is no mistake of the client: it may be repeated."""

    async def nothing() -> AsyncIterator[bytes]:
        await asyncio.sleep(60)
        yield b""

    async def call() -> Any:
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await world.channel.stream_unary(f"/{SERVICE}/UpdateAccountUser")(nothing(), timeout=1)
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        if (status := rpc_status.from_call(failed.value)) is None:
            raise TimeoutError  # the client was first: the server has 50 ms to respond before the deadline
        return status

    status = await in_time(call)
    info = error_details_pb2.ErrorInfo()
    status.details[0].Unpack(info)
    assert (info.reason, info.metadata) == ("SOURCE_TIMEOUT", {"retryable": "true"})


async def test_a_health_watcher_does_not_hold_up_the_stop(service: UserService) -> None:
    """A health watch receives NOT_SERVING when the server drains, and does not delay the stop."""
    server = await start_grpc(service, GrpcOptions(port=0))
    async with grpc.aio.insecure_channel(server.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        assert (await stub.Check(health_pb2.HealthCheckRequest(service=SERVICE))).status == SERVING
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        assert (await watch.read()).status == SERVING
        async with asyncio.timeout(20):
            stopping = asyncio.create_task(server.stop(60))
            assert (await watch.read()).status == NOT_SERVING
            await stopping


async def test_idle_connections(service: UserService) -> None:
    """A connection without calls is closed after some time; a channel connects again, and a watch keeps its own."""
    server = await start_grpc(service, GrpcOptions(port=0, max_connection_idle=0.5))
    try:
        async with grpc.aio.insecure_channel(server.address) as channel, asyncio.timeout(30):
            stub: Any = health_pb2_grpc.HealthStub(channel)
            watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
            assert (await watch.read()).status == SERVING
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
            await reader.read()
            writer.close()
            assert not watch.done()
            watch.cancel()
            await asyncio.sleep(1)
            assert (await stub.Check(health_pb2.HealthCheckRequest(service=SERVICE))).status == SERVING
    finally:
        await server.stop(0)


async def test_reflection(service: UserService) -> None:
    """With reflection enabled, a client finds all methods and types, by both names of reflection."""
    server = await start_grpc(service, GrpcOptions(port=0, reflection=True))
    try:
        async with grpc.aio.insecure_channel(server.address) as channel:
            for version in ("v1", "v1alpha"):
                response = await _reflected(channel, version, list_services="*")
                names = {listed.name for listed in response.list_services_response.service}
                assert {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"} <= names
                found = await _reflected(channel, version, file_containing_symbol=SERVICE)
                assert found.file_descriptor_response.file_descriptor_proto
        loop = asyncio.get_running_loop()
        methods = await loop.run_in_executor(None, _discovered, server.address)
        assert methods == [method.name for method in users_pb2.DESCRIPTOR.services_by_name["UserService"].methods]
    finally:
        await server.stop(0)


async def test_no_reflection_by_default(world: Any) -> None:
    """By default reflection is UNIMPLEMENTED."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await _reflected(world.channel, "v1", list_services="*")
    assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_port_in_use(service: UserService) -> None:
    """A second server on the same port fails to start, instead of getting half of the calls."""
    server = await start_grpc(service, GrpcOptions(port=0))
    try:
        with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{server.port}"):
            await start_grpc(service, GrpcOptions(port=server.port))
    finally:
        await server.stop(0)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate authority, and its certificates for a server and a client."""
    folder = tmp_path_factory.mktemp("tls")
    _openssl(folder, "req", "-x509", "-newkey", "ec", *_CURVE, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca")
    for name in ("server", "client", "renewed"):
        files = ("-keyout", f"{name}.key", "-out", f"{name}.csr")
        _openssl(folder, "req", "-newkey", "ec", *_CURVE, *files, "-subj", f"/CN={name}")
        (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        by = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "names", "-days", "2")
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", *by, "-out", f"{name}.pem")
    return folder


async def test_tls(service: UserService, certificates: Path) -> None:
    """With a certificate the server uses TLS; with a CA for clients it accepts only clients with a certificate."""
    tls = Tls(certificates / "server.pem", certificates / "server.key")
    ca = (certificates / "ca.pem").read_bytes()
    plain = grpc.ssl_channel_credentials(ca)
    known = grpc.ssl_channel_credentials(
        ca, (certificates / "client.key").read_bytes(), (certificates / "client.pem").read_bytes()
    )
    server = await start_grpc(service, GrpcOptions(port=0, tls=tls))
    assert await _healthy(server.address, plain)
    await server.stop(0)
    mutual = Tls(tls.certificate, tls.key, certificates / "ca.pem")
    server = await start_grpc(service, GrpcOptions(port=0, tls=mutual))
    assert await _healthy(server.address, known)
    assert not await _healthy(server.address, plain)
    await server.stop(0)


async def test_a_renewed_certificate(service: UserService, certificates: Path, tmp_path: Path) -> None:
    """A certificate that was replaced on disk is used for new connections, without a restart."""
    tls = Tls(tmp_path / "tls.pem", tmp_path / "tls.key")
    ca = grpc.ssl_channel_credentials((certificates / "ca.pem").read_bytes())
    seen = []
    server = None
    for name in ("server", "renewed"):
        tls.certificate.write_bytes((certificates / f"{name}.pem").read_bytes())
        tls.key.write_bytes((certificates / f"{name}.key").read_bytes())
        server = server or await start_grpc(service, GrpcOptions(port=0, tls=tls))
        assert await _healthy(server.address, ca)
        shown = _openssl(tmp_path, "s_client", "-connect", server.address, "-alpn", "h2")
        seen.append(shown.partition("subject=")[2].splitlines()[0].replace(" ", ""))
    assert server is not None
    await server.stop(0)
    assert seen == ["CN=server", "CN=renewed"]


async def test_a_missing_certificate(service: UserService, tmp_path: Path) -> None:
    """A TLS file that cannot be read fails the start; the error has its name."""
    with pytest.raises(OSError, match="nowhere"):
        await start_grpc(service, GrpcOptions(port=0, tls=Tls(tmp_path / "nowhere.pem", tmp_path / "nowhere.key")))


@pytest.mark.parametrize("wrong", ["another's key", "no key", "a key with a password", "no authority"])
async def test_tls_files_that_are_not_valid(
    service: UserService, certificates: Path, tmp_path: Path, wrong: str
) -> None:
    """TLS files that are not valid fail the start; the error has their names, which grpcio does not report."""
    certificate, key, junk = certificates / "server.pem", certificates / "server.key", tmp_path / "junk.pem"
    junk.write_text("not PEM\n")
    locked = tmp_path / "locked.key"
    _openssl(tmp_path, "ec", "-in", str(key), "-aes256", "-passout", "pass:secret", "-out", str(locked))
    tls, named = {
        "another's key": (Tls(certificate, certificates / "client.key"), ("server.pem", "client.key")),
        "no key": (Tls(certificate, junk), ("server.pem", "junk.pem")),
        "a key with a password": (Tls(certificate, locked), ("server.pem", "locked.key")),
        "no authority": (Tls(certificate, key, junk), ("junk.pem",)),
    }[wrong]
    with pytest.raises(OSError, match="TLS") as raised:
        await start_grpc(service, GrpcOptions(port=0, tls=tls))
    assert all(name in str(raised.value) for name in named)


def test_a_client_ca_requires_tls(certificates: Path) -> None:
    """A CA for clients without a certificate is refused, since the server would run without TLS."""
    with pytest.raises(ValidationError, match="GATEWAY_GRPC_TLS_CLIENT_CA"):
        Settings(grpc_tls_client_ca=certificates / "ca.pem")


_CURVE = ("-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(folder: Path, *arguments: str) -> str:
    command = ["openssl", *arguments]
    completed = subprocess.run(command, cwd=folder, capture_output=True, check=True, stdin=subprocess.DEVNULL)
    return completed.stdout.decode(errors="replace")


async def _healthy(address: str, credentials: Any) -> bool:
    # A separate pool of connections, for a new handshake.
    options = (("grpc.use_local_subchannel_pool", 1),)
    async with grpc.aio.secure_channel(address, credentials, options) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            return bool((await stub.Check(health_pb2.HealthCheckRequest(), timeout=20)).status == SERVING)
        except grpc.aio.AioRpcError:
            return False


async def _reflected(channel: Any, version: str, **fields: Any) -> Any:
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )(iter([reflection_pb2.ServerReflectionRequest(**fields)]))
    return await call.read()


def _discovered(address: str) -> list[str]:
    """Return the methods of the service, as a client without the .proto finds them."""
    with grpc.insecure_channel(address) as channel:
        pool = DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
        return [method.name for method in pool.FindServiceByName(SERVICE).methods]
