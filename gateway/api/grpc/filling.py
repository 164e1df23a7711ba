"""Looks up what a record came without, along a selection: everything at once, each field failing alone."""

import asyncio
from inspect import isawaitable
from typing import Any

from msgspec.structs import replace

from gateway.users.loaders import Loaders, load_expansion, load_reference
from gateway.users.planning import EXPANSIONS, REFERENCES, Selection

__all__ = ["Filler"]


class Filler:
    """Fills records of one operation; what could not be looked up is in `failures`, by the path of the field."""

    def __init__(self, loaders: Loaders) -> None:
        self.failures: list[tuple[str, Exception]] = []
        self._loaders = loaders

    async def fill(self, record: Any, lookups: Selection, path: str = "") -> Any:
        """The record, or a tuple of records, with the looked-up fields in it; None in place of what failed."""
        if record is None or not lookups.fields:
            return record
        if isinstance(record, tuple):
            return tuple(
                # Together, so that all lookups of a kind come into one batch.
                await asyncio.gather(*(self.fill(one, lookups, f"{path}[{n}]") for n, one in enumerate(record)))
            )
        names = tuple(lookups.fields)
        values = await asyncio.gather(*(self._field(record, name, lookups.fields[name], path) for name in names))
        changed: dict[str, Any] = {
            name: value for name, (value, _) in zip(names, values, strict=True) if value is not getattr(record, name)
        }
        if known := {name for name, (_, told) in zip(names, values, strict=True) if told}:
            changed["loaded"] = record.loaded | known
        return replace(record, **changed) if changed else record

    async def _field(self, record: Any, name: str, below: Selection, path: str) -> tuple[Any, bool]:
        """The field's value, and whether it is an expansion that can be trusted now."""
        here = f"{path}.{name}" if path else name
        kind = type(record).__name__
        expansion = name in EXPANSIONS.get(kind, ())
        try:
            if expansion:
                value = load_expansion(record, name, self._loaders)
            elif name in REFERENCES.get(kind, ()):
                value = load_reference(getattr(record, name), self._loaders)
            else:
                value = getattr(record, name)
            if isawaitable(value):
                value = await value
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this field's alone
            self.failures.append((here, error))
            return None, False
        return await self.fill(value, below, here), expansion
