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

    def find_list(self, content: Any, path: Path) -> None:
        """Set `next_index` if a list is at this path of the response, whose part at the given path is `content`."""
        if self.path[: len(path)] != path:
            return
        for key in self.path[len(path) :]:
            if not isinstance(content, dict | list) or (isinstance(content, dict) and key not in content):
                return
            content = content[key]  # type: ignore[index]  # a list has integer keys
        if isinstance(content, list):
            self.next_index = len(content)


def _translated(part: Part, pending: dict[str, _Pending]) -> Part:
    """Translate one part; `pending` has what was announced before by its id, and is brought up to date."""
    announced = {
        entry["id"]: _Pending(entry["path"], {"label": entry["label"]} if "label" in entry else {})
        for entry in part.get("pending", ())
    }
    pending |= announced
    for each in announced.values():
        each.find_list(part.get("data"), [])
    completed = {entry["id"]: entry.get("errors") for entry in part.get("completed", ())}
    incremental: list[Part] = []
    with_entry: set[str] = set()
    for delivered in part.get("incremental", ()):
        target = pending[delivered["id"]]
        path = [*target.path, *delivered.get("subPath", ())]
        if target.next_index is not None:
            content: Any = dict(enumerate(delivered["items"], target.next_index))
            entry = target.entry(delivered["items"])
            target.next_index += len(content)
        else:
            content = delivered["data"]
            entry = {"data": content, "path": path}
            if path == target.path and delivered["id"] in completed:  # else the fragment is not complete with this
                entry |= target.label
                with_entry.add(delivered["id"])
        incremental.append(entry | {name: delivered[name] for name in ("errors", "extensions") if name in delivered})
        for each in announced.values():
            each.find_list(content, path)
    for pending_id, errors in completed.items():
        target = pending.pop(pending_id)
        if errors:
            incremental.append(target.entry(None) | {"errors": errors})
        elif target.next_index is None and pending_id not in with_entry:
            incremental.append(target.entry({}))  # its fields were all delivered by other entries
    translated = {name: part[name] for name in ("data", "errors", "extensions") if name in part}
    return translated | ({"incremental": incremental} if incremental else {}) | {"hasNext": part.get("hasNext", False)}
