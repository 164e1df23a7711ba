"""Generated gRPC requests, sent to the console script, get a documented status with details, and no defect.

The number of requests and their seed are those of `test_fuzz.py`.
"""

import asyncio
from collections import Counter
from random import Random
from typing import Any

import grpc
from google.protobuf.descriptor import FieldDescriptor
from google.rpc import error_details_pb2, status_pb2
from security.fuzzing import REQUESTS, SEED
from security.outside import RecordedProcess, Serve

from gateway.api.grpc.errors import STATUS
from gateway.api.grpc.watching import RESUME_TOKEN
from gateway.errors import Code
from gateway.sandbox import LANDMARKS
from gateway.users.ids import Kind, Ref, encode
from gateway.users.model import UserSource
from usergateway.v1 import users_pb2

METHODS = users_pb2.DESCRIPTOR.services_by_name["UserService"].methods
IDS = [
    *(landmarks["ada"] for landmarks in LANDMARKS.values() if "ada" in landmarks),
    *(
        encode(Ref(Kind.USER, source, LANDMARKS[source]["ada"]))
        for source in UserSource
        if source is not UserSource.RESELLER
    ),
    "rl_admin0000000",
    encode(Ref(Kind.ROLE, UserSource.ACCOUNT, "x")),
    encode(Ref(Kind.ORGANIZATION, UserSource.RESELLER, "1", "2")),
]
TEXTS = ["", "x", "Ada", "\r\n", "\0", "é" * 300, "🂡", "'\"\\", "../..", "*", "a" * 5000]
EXISTING = {
    "id": IDS,
    "ids": IDS,
    "email": ["ada@example.com", "new@example.com"],
    "name": ["Ada Lovelace"],
    "request_id": ["one", "two"],
    "resume_token": ["e1" + "0" * 32],
    "reseller_id": [LANDMARKS["reseller"].get("reseller", "r")],
}
NUMBERS: dict[int, list[Any]] = {
    FieldDescriptor.CPPTYPE_BOOL: [False, True],
    FieldDescriptor.CPPTYPE_INT32: [0, 1, 5, -1, 2**31 - 1, -(2**31)],
    FieldDescriptor.CPPTYPE_DOUBLE: [0.0, -1.5, float("nan"), float("inf")],
}
RESOURCES = frozenset({"User", "Role", "Department"})
ALL_FIELDS = [field.name for kind in users_pb2.DESCRIPTOR.message_types_by_name.values() for field in kind.fields]
ONE_CALL = 30.0  # seconds


class Requests:
    """Generates messages of any type by its descriptor. Half of them have many values that break a rule, half few."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._mistakes = 0.0
        self._paths: list[str] = []

    def request(self, method: Any) -> Any:
        """Return a request of a method."""
        kind, resource = method.input_type, method.output_type.name
        resource = resource if resource in RESOURCES else method.name.removeprefix("List").removesuffix("s")
        changed = kind.fields_by_name.get("user")
        described = changed.message_type if changed else users_pb2.DESCRIPTOR.message_types_by_name.get(resource)
        self._paths = [field.name for field in described.fields] if described else ["users"]
        self._mistakes = self._random.choice([0.02, 0.4])
        message = self.message(getattr(users_pb2, kind.name))
        if self._random.random() > self._mistakes and kind.fields_by_name.get("view"):
            message.ClearField(self._random.choice(["view", "read_mask"]))
        return message

    def message(self, kind: Any, depth: int = 0) -> Any:
        """Return a message in which some fields have a value."""
        message = kind()
        for field in kind.DESCRIPTOR.fields:
            if self._random.random() < (0.6 if depth == 0 else 0.4):
                self._fill(message, field, depth)
        return message

    def _fill(self, message: Any, field: FieldDescriptor, depth: int) -> None:
        if field.is_repeated:
            count = 250 if self._makes_mistake() else self._random.randint(1, 3)
            for _ in range(count):
                value = self._value(message, field, depth)
                if field.message_type:
                    getattr(message, field.name).add().CopyFrom(value)
                else:
                    getattr(message, field.name).append(value)
        elif field.message_type:
            getattr(message, field.name).CopyFrom(self._value(message, field, depth))
        else:
            setattr(message, field.name, self._value(message, field, depth))

    def _value(self, message: Any, field: FieldDescriptor, depth: int) -> Any:
        random = self._random
        if field.message_type:
            kind = getattr(users_pb2, field.message_type.name) if field.is_repeated else getattr(message, field.name)
            return self.message(kind if isinstance(kind, type) else type(kind), depth + 1)
        if field.enum_type:
            known = sorted(field.enum_type.values_by_number)
            return random.choice([99, -1, *known] if self._makes_mistake() else known[bool(field.is_repeated) :])
        if field.type == FieldDescriptor.TYPE_BYTES:
            return random.randbytes(random.choice([0, 1, 1000]))
        if field.cpp_type != FieldDescriptor.CPPTYPE_STRING:
            numbers = NUMBERS[field.cpp_type]
            return random.choice(numbers if self._makes_mistake() else numbers[:2])
        if field.name == "paths":
            return self._path()
        return random.choice(TEXTS if self._makes_mistake() else EXISTING.get(field.name, ["Ada", "x"]))

    def _makes_mistake(self) -> bool:
        return self._random.random() < self._mistakes

    def _path(self) -> str:
        """Return a path of a mask: that of a field, or nonsense."""
        if not self._makes_mistake():
            return self._random.choice(self._paths)
        length = self._random.choice([1, 2, 3, 20])
        return ".".join(self._random.choice([*ALL_FIELDS, "*", ""]) for _ in range(length))

    def corrupted(self, data: bytes) -> bytes:
        """Return the bytes with some of them changed, removed or repeated."""
        random, changed = self._random, bytearray(data or b"\n\1x")
        for _ in range(random.randint(1, 8)):
            at = random.randrange(len(changed)) if changed else 0
            if random.random() < 0.6 and changed:
                changed[at] = random.randrange(256)
            elif random.random() < 0.5:
                del changed[at : at + random.randint(1, 5)]
            else:
                changed[at:at] = random.randbytes(3) + changed[at : at + random.randint(1, 50)]
        return bytes(changed)


async def call(channel: grpc.aio.Channel, method: Any, data: bytes, metadata: Any) -> str:
    """Call a method with the bytes of a message, check the response, and return its code."""
    path = f"/usergateway.v1.UserService/{method.name}"
    response = getattr(users_pb2, method.output_type.name)
    if method.server_streaming:
        pending = channel.unary_stream(path, response_deserializer=response.FromString)(
            data, metadata=metadata, timeout=ONE_CALL
        )
        if RESUME_TOKEN in dict(await pending.initial_metadata()):  # else it was refused
            pending.cancel()
            return "OK"
        return check_failure(await pending.code(), await pending.trailing_metadata())
    try:
        await channel.unary_unary(path, response_deserializer=response.FromString)(
            data, metadata=metadata, timeout=ONE_CALL
        )
    except grpc.aio.AioRpcError as error:
        return check_failure(error.code(), error.trailing_metadata())
    return "OK"


def check_failure(code: Any, trailers: Any) -> str:
    """Check that a failed call has the details that belong to its code, and is no defect; return the reason."""
    trailers = dict(trailers or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    reason = Code(info.reason)
    assert STATUS[reason] == code.value[0]
    assert reason not in {Code.INTERNAL, Code.SOURCE_INVALID_RESPONSE}, status
    assert trailers["x-request-id"]
    return reason.value


async def fuzz(running: RecordedProcess, random: Random, count: int, *, corrupt: bool) -> Counter[str]:
    """Send `count` generated requests, ten at a time; return the number of results by their code."""
    print(f"TEST_FUZZ_SEED={SEED}")  # noqa: T201 - the seed is needed to repeat a failure
    requests, seen = Requests(random), Counter[str]()
    async with grpc.aio.insecure_channel(running.grpc) as channel:
        for _ in range(0, count, 10):
            batch = []
            for _ in range(10):
                method = random.choice(METHODS)
                data = requests.request(method).SerializeToString()
                metadata = [("x-request-id", random.choice(["mine", "a b"])), ("traceparent", "00-x")][
                    : random.randint(0, 2)
                ]
                batch.append(call(channel, method, requests.corrupted(data) if corrupt else data, metadata))
            seen.update(await asyncio.gather(*batch))
    assert "defect" not in running.output
    assert "Traceback" not in running.output
    return seen


async def test_messages(serve: Serve, second_sandbox: dict[str, str]) -> None:
    """Messages with any values are executed, or refused with a documented error."""
    with serve(**second_sandbox) as running:
        seen = await fuzz(running, Random(SEED), REQUESTS, corrupt=False)  # noqa: S311 - not a secret
    assert seen["OK"] > seen.total() / 20, seen
    assert len(seen) > 2, seen


async def test_corrupted_messages(serve: Serve, second_sandbox: dict[str, str]) -> None:
    """Messages with changed bytes are executed, or refused with a documented error."""
    with serve(**second_sandbox) as running:
        seen = await fuzz(running, Random(SEED + 1), REQUESTS, corrupt=True)  # noqa: S311 - not a secret
    assert seen["BAD_USER_INPUT"] > seen.total() / 10, seen
