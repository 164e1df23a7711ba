"""The settings of limits, live connections and documents."""

from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Field,
    FilePath,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode

from gateway.settings.kinds import Count, Seconds, StringList, split_blanks
from gateway.settings.secret_files import Secret, SettingsGroup

__all__ = [
    "DocumentSettings",
    "GateSettings",
    "LimitSettings",
    "LiveSettings",
    "PictureSettings",
    "RateLimitSettings",
]


class LimitSettings(SettingsGroup, frozen=True):
    """The limits of one GraphQL document, counted with its fragments inserted."""

    length: Count = Field(default=50_000, description="maximum number of characters of a document")
    tokens: Count = Field(default=5_000, description="maximum number of lexical tokens")
    depth: Count = Field(default=12, description="maximum nesting depth of fields")
    nesting: Count = Field(default=64, description="maximum nesting depth of selection sets")
    fields: Count = Field(default=1_000, description="maximum number of fields")
    aliases: Count = Field(default=30, description="maximum number of aliased fields")
    root_fields: Count = Field(default=20, description="maximum number of fields at the root")
    directives: Count = Field(default=4, description="maximum number of directives at one position")
    spreads: Count = Field(default=500, description="maximum number of fragment spreads")
    overlaps: Count = Field(
        default=10_000, description="maximum number of pairs of fields with the same name, which validation compares"
    )
    introspection: Count = Field(default=2, description="maximum nesting depth of lists in introspection")
    comparisons: Count = Field(
        default=50_000,
        description="maximum number of comparisons of fields and fragments in the validation of a document",
    )
    values: Count = Field(
        default=2_000, description="maximum number of list items and object fields in the variables, at all levels"
    )
    cost: Count = Field(default=20_000, description="maximum cost, computed from `@cost` and `@listSize` in the schema")
    errors: Count = Field(
        default=5, description="maximum number of validation errors that are reported for one document"
    )
    log: StringList = Field(default=(), description="limits that are logged instead of enforced, to try them out")

    @field_validator("log")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = set(cls.model_fields) - {"errors", "log"}
        if unknown := set(names) - known:
            raise ValueError(f"unknown limit: {', '.join(sorted(unknown))}; known are {', '.join(sorted(known))}")
        return names


class PictureSettings(SettingsGroup, frozen=True):
    """The settings of pictures of users, and of their URLs."""

    secret: Annotated[Secret, Field(min_length=16)] | None = Field(
        default=None,
        description="secret that the URLs of pictures are signed and encrypted with, the same in all replicas; unset: "
        "derived from `GATEWAY_CURSOR_SECRET`, else from the tokens of the sources",
    )
    lifetime: Annotated[float, Field(ge=60, le=7 * 86_400)] = Field(
        default=7200.0,
        description="maximum seconds that the URL of a picture is valid; it is for half of them at least",
    )
    max_bytes: Annotated[int, Field(ge=1024)] = Field(
        default=5 * 1024 * 1024, description="maximum size of a picture in bytes; a larger one is not served"
    )
    cache_bytes: Annotated[int, Field(ge=0)] = Field(
        default=16 * 1024 * 1024, description="bytes of pictures that are kept in memory, for a minute; 0: none"
    )


class RateLimitSettings(SettingsGroup, frozen=True):
    """The allowance of each caller, in units of cost."""

    cost: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        default=None, description="cost that a caller may spend in one window; unset: no limit"
    )
    window: Annotated[float, Field(gt=0, le=86_400)] = Field(
        default=60.0, description="length of the window in seconds"
    )


class GateSettings(SettingsGroup, frozen=True):
    """The bounds on the operations that are executed at the same time."""

    at_once: Count = Field(default=256, description="maximum number of operations executed at the same time")
    queue: Annotated[int, Field(ge=0)] = Field(
        default=1_024, description="maximum number of operations that wait for a slot"
    )
    patience: Seconds = Field(
        default=5.0, description="maximum seconds to wait for a slot; then, and with a full queue: 503"
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.5,
        description="share of the slots and of the queue that one caller may have, where callers are distinguished",
    )


class LiveSettings(SettingsGroup, frozen=True):
    """The settings of WebSockets and event streams. Times are in seconds."""

    connections: Count = Field(default=10_000, description="maximum number of open WebSockets and event streams")
    uninitialised: Count = Field(
        default=1_000,
        description="maximum number of WebSockets before `connection_init`; beyond it the oldest one is closed",
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.5,
        description="maximum share of the connections, reserved event streams and operations for one caller",
    )
    operations: Count = Field(default=50_000, description="maximum number of operations on all of them")
    operations_each: Count = Field(default=100, description="maximum number of operations on one connection")
    subscriptions: Count = Field(
        default=2_000,
        description="maximum number of different subscriptions of one caller, where callers are distinguished",
    )
    queue: Count = Field(default=256, description="maximum number of responses that wait for one client")
    ping: Seconds = Field(default=15.0, description="seconds between pings")
    pong: Seconds = Field(default=10.0, description="seconds for the pong of a client")
    init: Seconds = Field(default=10.0, description="seconds for `connection_init` on a WebSocket")
    drain: Annotated[float, Field(ge=0, le=60)] = Field(
        default=2.0, description="seconds within which all connections are closed while draining"
    )
    reservations: Count = Field(default=1_000, description="maximum number of reserved event streams")
    reservation: Seconds = Field(default=30.0, description="seconds for fetching a reserved event stream")


class DocumentSettings(SettingsGroup, frozen=True):
    """The settings of trusted documents and automatic persisted queries."""

    memory: Annotated[int, Field(ge=1024 * 1024)] = Field(
        default=32 * 1024 * 1024, description="approximate bytes for prepared documents that are kept"
    )
    trust: Literal["off", "log", "enforce"] = Field(
        default="off",
        description="documents in no manifest: `off` executes, `log` executes and logs, `enforce` refuses them",
    )
    manifests: Annotated[tuple[FilePath, ...], NoDecode, BeforeValidator(split_blanks)] = Field(
        default=(), description="manifest files of Apollo, Relay or graphql-codegen, separated by blanks"
    )
    reload: Seconds = Field(default=5.0, description="seconds between checks of the manifests for changes")
    automatic: bool = Field(default=False, description="automatic persisted queries")
    automatic_bytes: Count = Field(
        default=16 * 1024 * 1024, description="bytes for automatic persisted queries without Redis"
    )
    automatic_ttl: Annotated[int, Field(ge=1)] = Field(
        default=86_400, description="seconds that Redis keeps automatic persisted queries"
    )

    @model_validator(mode="after")
    def _not_both(self) -> Self:
        if self.trust == "enforce" and self.automatic:
            raise ValueError("automatic persisted queries would permit any document: not possible with trust=enforce")
        return self
