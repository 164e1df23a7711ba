"""Translates incremental delivery into the format of August 2022, which clients name by `deferSpec=20220824`.

This format has no lists of what is pending or completed. Each entry of `incremental` has its `path`, and the `label` of
its fragment or list; an error that ends a fragment or a list is in an entry with null. A fragment does not repeat the
fields that were delivered before it: clients merge all entries by their paths.

https://github.com/graphql/graphql-spec/tree/48cf7263a71a683fab03d45d309fd42d8d9a6659/spec
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

__all__ = ["parts_of_2022"]

Part = dict[str, Any]
Path = list[str | int]
Contents = dict[tuple[str | int, ...], list[Any]]
"""What one part has at which paths of the response."""


async def parts_of_2022(parts: AsyncGenerator[Part]) -> AsyncGenerator[Part]:
    """Translate the parts of one response, which are in the format `incrementalSpec=v0.2`."""
    pending: dict[str, _Pending] = {}
    async with aclosing(parts):
        async for part in parts:
            yield _translated(part, pending)


@dataclass(slots=True)
class _Pending:
    """A fragment or a list that is not complete; `label` is a map, which is empty where it has none.

    `next_index` is the index of the next item of a list; it is None for a fragment.
    """

    path: Path
    label: dict[str, str]
    next_index: int | None = None

    def entry(self, content: Any) -> Part:
        """Return an entry with the data of a fragment, or with the next items of a list."""
        if self.next_index is None:
            return {"data": content, "path": self.path, **self.label}
        return {"items": content, "path": [*self.path, self.next_index], **self.label}

    def delivered(self, result: Part, contents: Contents) -> Part:
        """Return the entry for a result of this fragment or list, and add what it has to the contents of the part."""
        path = [*self.path, *result.get("subPath", ())]
        if "items" not in result:
            contents.setdefault(tuple(path), []).append(result["data"])
            return {"data": result["data"], "path": path}  # without a label: there may be more of the fragment
        if self.next_index is None:
            self.find_list(contents)
        entry = self.entry(result["items"])
        for index, item in enumerate(result["items"], self.next_index or 0):
            contents[*path, index] = [item]
        self.next_index = (self.next_index or 0) + len(result["items"])
        return entry

    def find_list(self, contents: Contents) -> None:
        """Set `next_index` if there is a list at this path."""
        for length in range(len(self.path) + 1):
            for content in contents.get(tuple(self.path[:length]), ()):
                if isinstance(found := _value_at(content, self.path[length:]), list):
                    self.next_index = len(found)


def _value_at(content: Any, path: Path) -> Any:
    """Return the value at a path in a content; None where there is none."""
    try:
        for key in path:
            content = content[key]
    except (LookupError, TypeError):
        return None
    return content


def _translated(part: Part, pending: dict[str, _Pending]) -> Part:
    """Translate one part; `pending` has what was announced before by its id, and is brought up to date."""
    announced = {
        entry["id"]: _Pending(entry["path"], {"label": entry["label"]} if "label" in entry else {})
        for entry in part.get("pending", ())
    }
    pending |= announced
    contents: Contents = {(): [part.get("data")]}
    completed = {entry["id"]: entry.get("errors") for entry in part.get("completed", ())}
    incremental: list[Part] = []
    with_entry: set[str] = set()
    for result in part.get("incremental", ()):
        target = pending[result["id"]]
        entry = target.delivered(result, contents)
        if entry["path"] == target.path and result["id"] in completed:
            entry |= target.label
            with_entry.add(result["id"])
        incremental.append(entry | {name: result[name] for name in ("errors", "extensions") if name in result})
    for each in announced.values():
        if each.next_index is None:
            each.find_list(contents)
    for pending_id, errors in completed.items():
        target = pending.pop(pending_id)
        if errors:
            incremental.append(target.entry(None) | {"errors": errors})
        elif target.next_index is None and pending_id not in with_entry:
            incremental.append(target.entry({}))  # its fields were all delivered by other entries
    translated = {name: part[name] for name in ("data", "errors", "extensions") if name in part}
    return translated | ({"incremental": incremental} if incremental else {}) | {"hasNext": part.get("hasNext", False)}
