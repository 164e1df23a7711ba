"""The kinds of values that settings have."""

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

__all__ = ["Count", "PollInterval", "Port", "PortOrOff", "Seconds", "Words", "words"]


def _port_or_off(value: object) -> object:
    return None if value == "off" else value


def words(value: object) -> object:
    """What is separated by blanks in the environment."""
    return tuple(value.split()) if isinstance(value, str) else value


Count = Annotated[int, Field(ge=1)]
Port = Annotated[int, Field(ge=0, le=65535)]
PortOrOff = Annotated[Port | None, BeforeValidator(_port_or_off)]
Seconds = Annotated[float, Field(gt=0, le=600)]
PollInterval = Annotated[float, Field(ge=1)] | None
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(words)]
