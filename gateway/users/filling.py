"""Looks up the selected records that a source did not send along. All lookups run at once, and each fails alone."""

import asyncio
from inspect import isawaitable
from typing import Any

from msgspec.structs import replace

from gateway.users.ids import ref_of
from gateway.users.loaders import Loaders, load_expanded_reference, load_expansion, load_reference
from gateway.users.planning import EXPANSIONS, REFERENCES, Selection

__all__ = ["Filler"]


class Filler:
    """Fills the records of one operation. `failures` has the lookups that failed: the path of the field, the error."""

    def __init__(self, loaders: Loaders) -> None:
        self.failures: list[tuple[str, Exception]] = []
        self._loaders = loaders

    async def fill(self, record: Any, lookups: Selection, path: str = "") -> Any:
        """Return the record, or the tuple of records, with the results of the lookups; a failed one is None."""
        if record is None or not lookups.fields:
            return record
        if isinstance(record, tuple):
            return tuple(
                # At the same time, so that all lookups of one kind are one batch.
                await asyncio.gather(*(self.fill(item, lookups, f"{path}[{n}]") for n, item in enumerate(record)))
            )
        names = tuple(lookups.fields)
        values = await asyncio.gather(*(self._field(record, name, lookups.fields[name], path) for name in names))
        changed: dict[str, Any] = {
            name: value for name, (value, _) in zip(names, values, strict=True) if value is not getattr(record, name)
        }
        if expansions := [name for name, (_, is_loaded) in zip(names, values, strict=True) if is_loaded]:
            kind = ref_of(record).kind
            changed["loaded"] = record.loaded.union(*(self._loaders.plan.below(kind, name) for name in expansions))
        return replace(record, **changed) if changed else record

    async def _field(self, record: Any, name: str, selection: Selection, path: str) -> tuple[Any, bool]:
        """Return the value of a field, and whether it is an expansion that is loaded now."""
        field_path = f"{path}.{name}" if path else name
        kind = type(record).__name__
        expansion = name in EXPANSIONS.get(kind, ())
        try:
            if expansion and name in REFERENCES.get(kind, ()):
                value = load_expanded_reference(record, name, self._loaders)
            elif expansion:
                value = load_expansion(record, name, self._loaders)
            elif name in REFERENCES.get(kind, ()):
                value = load_reference(getattr(record, name), self._loaders)
            else:
                value = getattr(record, name)
            if isawaitable(value):
                value = await value
        except Exception as error:  # noqa: BLE001 - any exception fails this field only
            self.failures.append((field_path, error))
            return None, False
        return await self.fill(value, selection, field_path), expansion
