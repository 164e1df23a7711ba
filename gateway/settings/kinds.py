"""The types of values that settings have."""

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, GetCoreSchemaHandler, HttpUrl
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, core_schema
from pydantic_settings import NoDecode

__all__ = [
    "Count",
    "LogLevel",
    "Origins",
    "PollInterval",
    "Port",
    "PortOrOff",
    "Seconds",
    "Share",
    "StringList",
    "Url",
    "is_off",
    "split_blanks",
]


def _port_or_off(value: object) -> object:
    return None if value == "off" else value


_Level = Literal["DEBUG", "INFO", "WARNING", "ERROR"]


def _upper_case(value: object) -> object:
    """Return a level in capitals; anything else unchanged, so that a message shows it as it was given."""
    return value.upper() if isinstance(value, str) and value.upper() in get_args(_Level) else value


def is_off(field: FieldInfo) -> bool:
    """Return whether None, as the value of a setting, is written `off`."""
    return any(isinstance(item, BeforeValidator) and item.func is _port_or_off for item in field.metadata)


def split_blanks(value: object) -> object:
    """Split a text at its blanks, as lists are written in environment variables; return other values unchanged."""
    return tuple(value.split()) if isinstance(value, str) else value


_ORIGIN = re.compile(r"\*|loopback|[A-Za-z][A-Za-z0-9+.-]*://[^/\s?#@]+/?")


def _check_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    if not all(map(_ORIGIN.fullmatch, origins)):
        raise ValueError("write each origin as scheme, host and port, as in https://app.example, or `loopback`, or `*`")
    return origins


class _HttpUrlText:
    """Validates a text as an HTTP URL and normalises it; it gets no slash at its end that was not given."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def as_text(value: Any, validate: core_schema.ValidatorFunctionWrapHandler) -> str:
            text = str(validate(value))
            return text if str(value).endswith("/") else text.removesuffix("/")

        return core_schema.no_info_wrap_validator_function(
            as_text, handler.generate_schema(HttpUrl), serialization=core_schema.to_string_ser_schema()
        )


Count = Annotated[int, Field(ge=1)]
LogLevel = Annotated[_Level, BeforeValidator(_upper_case)]
Port = Annotated[int, Field(ge=0, le=65535)]
PortOrOff = Annotated[Port | None, BeforeValidator(_port_or_off)]
Seconds = Annotated[float, Field(gt=0, le=600)]
PollInterval = Annotated[float, Field(ge=1)] | None
Share = Annotated[float, Field(ge=0, le=1)]
StringList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(split_blanks)]
Url = Annotated[str, _HttpUrlText()]
Origins = Annotated[StringList, AfterValidator(_check_origins)]
