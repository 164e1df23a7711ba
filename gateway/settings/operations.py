"""How much is taken on, and how it may be asked for."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, FilePath, field_validator, model_validator
from pydantic_settings import NoDecode

from gateway.settings.kinds import Count, Seconds, Words, words

__all__ = ["DocumentSettings", "GateSettings", "LimitSettings", "LiveSettings", "RateLimitSettings"]


class LimitSettings(BaseModel):
    """The most that one GraphQL document may have, fragments spread out."""

    model_config = ConfigDict(frozen=True)

    length: Count = Field(50_000, description="characters")
    tokens: Count = Field(5_000, description="lexical tokens")
    depth: Count = Field(12, description="fields inside each other")
    nesting: Count = Field(64, description="selection sets inside each other")
    fields: Count = Field(1_000, description="fields")
    aliases: Count = Field(30, description="aliased fields")
    root_fields: Count = Field(20, description="fields at the root")
    directives: Count = Field(4, description="directives in one place")
    spreads: Count = Field(500, description="fragments spread")
    overlaps: Count = Field(10_000, description="pairs of fields of one name, which validation compares")
    introspection: Count = Field(2, description="introspection's lists inside each other")
    cost: Count = Field(20_000, description="cost by `@cost` and `@listSize` in the schema")
    errors: Count = Field(5, description="mistakes of one document that are told")
    log: Words = Field((), description="limits that are tried out: broken ones are logged, not refused")

    @field_validator("log")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = set(cls.model_fields) - {"errors", "log"}
        if unknown := set(names) - known:
            raise ValueError(f"no limit is called {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
        return names


class RateLimitSettings(BaseModel):
    """What a caller may spend, counted in cost."""

    model_config = ConfigDict(frozen=True)

    cost: Annotated[int, Field(ge=1, le=10_000_000)] | None = Field(
        None, description="cost that a caller may spend in a window; unset: as much as it likes"
    )
    window: Annotated[float, Field(gt=0, le=86_400)] = Field(60.0, description="seconds")


class GateSettings(BaseModel):
    """How many operations are executed at once."""

    model_config = ConfigDict(frozen=True)

    at_once: Count = Field(256, description="operations executed at once")
    queue: Annotated[int, Field(ge=0)] = Field(1_024, description="operations that may wait for their turn")
    patience: Seconds = Field(5.0, description="seconds that one may wait; then, as past the queue: 503")


class LiveSettings(BaseModel):
    """WebSockets and event streams. Times are in seconds."""

    model_config = ConfigDict(frozen=True)

    connections: Count = Field(10_000, description="sockets and event streams that are open at once")
    operations: Count = Field(50_000, description="operations on them at once")
    operations_each: Count = Field(100, description="operations of one connection")
    queue: Count = Field(256, description="answers that may wait for a client")
    ping: Seconds = Field(15.0, description="seconds between signs of life")
    pong: Seconds = Field(10.0, description="seconds until a client has to answer one")
    init: Seconds = Field(10.0, description="seconds until a socket's client has to say `connection_init`")
    drain: Annotated[float, Field(ge=0, le=60)] = Field(2.0, description="seconds over which clients are sent away")
    reservations: Count = Field(1_000, description="event streams that are reserved at once")
    reservation: Seconds = Field(30.0, description="seconds until a reserved event stream has to be fetched")


class DocumentSettings(BaseModel):
    """Trusted documents, and documents that clients may send once and name from then on."""

    model_config = ConfigDict(frozen=True)

    memory: Annotated[int, Field(ge=1024 * 1024)] = Field(
        32 * 1024 * 1024, description="bytes, about, that documents take which are kept ready"
    )
    trust: Literal["off", "log", "enforce"] = Field(
        "off", description="documents that are in no manifest: executed, executed and logged, or refused"
    )
    manifests: Annotated[tuple[FilePath, ...], NoDecode, BeforeValidator(words)] = Field(
        (), description="manifest files (Apollo's, Relay's or graphql-codegen's form), separated by blanks"
    )
    reload: Seconds = Field(5.0, description="seconds between looks at the manifests, which may change")
    automatic: bool = Field(False, description="automatic persisted queries")
    automatic_bytes: Count = Field(16 * 1024 * 1024, description="memory for them, without Redis")
    automatic_ttl: Annotated[int, Field(ge=1)] = Field(86_400, description="seconds that they are kept in Redis")

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if self.trust == "enforce" and self.automatic:
            raise ValueError("automatic persisted queries would let every document in that `enforce` keeps out")
        return self
