"""The format of August 2022: its entries, merged as Apollo Client merges them, are the whole response."""

import asyncio
import random
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from graphql import ExecutionResult, build_schema, parse, validate
from graphql.execution import experimental_execute_incrementally

from gateway.api.graphql.http.incremental_2022 import parts_of_2022

SCHEMA = build_schema(
    """
    directive @defer(if: Boolean! = true, label: String) on FRAGMENT_SPREAD | INLINE_FRAGMENT
    directive @stream(if: Boolean! = true, label: String, initialCount: Int! = 0) on FIELD
    type Query { node: Node }
    type Node {
        name: String, slow: String, broken: String, required: String!
        child: Node, list: [Node!], strict: [Node!]!
    }
    """
)


class Record:
    """An object of the schema; its fields take up to three iterations of the event loop, or some fail."""

    def __init__(self, path: str, chance: random.Random, *, failures: bool) -> None:
        self._path = path
        self._chance = chance
        self._failures = failures

    def name(self, _info: Any) -> str:
        return self._path

    def slow(self, _info: Any) -> Any:
        return self._later(f"{self._path} slow")

    def broken(self, _info: Any) -> Any:
        if self._failures:
            raise RuntimeError(f"{self._path} is broken")
        return self._later("whole")

    def required(self, _info: Any) -> Any:
        return self._later(None if self._failures and len(self._path) % 3 == 0 else "given")

    def child(self, _info: Any) -> Any:
        return self._later(self._at("c"))

    def list(self, _info: Any) -> Any:
        return self._later([self._at(f"{number}") for number in range(3)])

    def strict(self, _info: Any) -> Any:
        return self._later([self._at(f"s{number}") for number in range(2)])

    def _at(self, name: str) -> "Record":
        return Record(f"{self._path}.{name}", self._chance, failures=self._failures)

    def _later(self, value: Any) -> Any:
        if self._failures:
            return value  # graphql-core never awaits the coroutines beside a failed field, which would be a warning

        async def delayed() -> Any:
            for _ in range(self._chance.randrange(4)):
                await asyncio.sleep(0)
            return value

        return asyncio.ensure_future(delayed())


def document(chance: random.Random) -> str:
    """Return a random document with nested and overlapping deferred fragments and streamed lists."""
    labels = iter(range(10_000))

    def fields(depth: int) -> str:
        chosen = chance.sample(["name", "slow", "broken", "required"], chance.randint(1, 3))
        if depth:
            for name in chance.sample(["child", "list", "strict"], chance.randint(0, 2)):
                stream = f"@stream(initialCount: {chance.randrange(3)}" + (
                    f', label: "{next(labels)}")' if chance.random() < 0.5 else ")"
                )
                chosen.append(
                    f"{name} {stream if name != 'child' and chance.random() < 0.5 else ''} {{ {fields(depth - 1)} }}"
                )
            for _ in range(chance.randint(0, 2)):
                label = f'(label: "{next(labels)}")' if chance.random() < 0.7 else ""
                chosen.append(f"... @defer{label} {{ {fields(depth - 1)} }}")
        return " ".join(chosen)

    return f"{{ node {{ {fields(3)} }} }}"


async def computed(text: str, seed: int, *, failures: bool) -> AsyncGenerator[dict[str, Any]]:
    """Execute a document; yield its parts in the newer format."""
    root = {"node": Record("n", random.Random(seed), failures=failures)}  # noqa: S311 - repeatable
    executed: Any = experimental_execute_incrementally(SCHEMA, parse(text), root)
    if not isinstance(executed, ExecutionResult) and hasattr(executed, "__await__"):
        executed = await executed
    if isinstance(executed, ExecutionResult):
        yield {**executed.formatted, "hasNext": False}
        return
    yield executed.initial_result.formatted
    async with aclosing(executed.subsequent_results) as parts:
        async for part in parts:
            yield part.formatted


def put(whole: Any, path: list[Any], content: Any) -> Any:
    """Return the whole response with content merged into it at a path, as Apollo Client does."""
    if path:
        if isinstance(whole, list):
            assert path[0] <= len(whole), "an item is missing before this one"
            items = [*whole, None] if path[0] == len(whole) else list(whole)
            items[path[0]] = put(items[path[0]], path[1:], content)
            return items
        return {**(whole or {}), path[0]: put((whole or {}).get(path[0]), path[1:], content)}
    if isinstance(whole, dict) and isinstance(content, dict):
        merged = dict(whole)
        for key, value in content.items():
            merged[key] = put(merged.get(key), [], value)
        return merged
    if isinstance(whole, list) and isinstance(content, list):
        shorter = min(len(whole), len(content))
        return [put(whole[i], [], content[i]) for i in range(shorter)] + (whole[shorter:] or content[shorter:])
    return content


def merged_2022(parts: list[Any]) -> tuple[Any, list[str]]:
    """Merge parts of the format of August 2022: the data, and the messages of the errors."""
    data, errors = parts[0]["data"], list(parts[0].get("errors", ()))
    for part in parts[1:]:
        for entry in part.get("incremental", ()):
            errors += entry.get("errors", ())
            if entry.get("items") is not None:
                for number, item in enumerate(entry["items"], entry["path"][-1]):
                    data = put(data, [*entry["path"][:-1], number], item)
            elif entry.get("data") is not None:
                data = put(data, entry["path"], entry["data"])
    return data, sorted(str(error) for error in errors)


def merged(parts: list[Any]) -> tuple[Any, list[str]]:
    """Merge parts of the newer format: the data, and the messages of the errors."""
    data, errors, pending = parts[0]["data"], list(parts[0].get("errors", ())), {}
    for part in parts:
        pending |= {entry["id"]: entry["path"] for entry in part.get("pending", ())}
        for entry in part.get("incremental", ()):
            errors += entry.get("errors", ())
            path = [*pending[entry["id"]], *entry.get("subPath", ())]
            if "items" in entry:
                present = data
                for key in path:
                    present = present[key]
                data = put(data, path, [*present, *entry["items"]])
            else:
                data = put(data, path, entry["data"])
        for entry in part.get("completed", ()):
            errors += entry.get("errors", ())
    return data, sorted(str(error) for error in errors)


@pytest.mark.parametrize("failures", [False, True])
async def test_merged(*, failures: bool) -> None:
    """Random documents: the same data and errors as in the newer format; without errors, the whole response."""
    chance = random.Random(2022)  # noqa: S311 - repeatable
    compared = streamed = 0
    for seed in range(200):
        text = document(chance)
        if validate(SCHEMA, parse(text)):
            continue
        newer = [part async for part in computed(text, seed, failures=failures)]
        older = [part async for part in parts_of_2022(computed(text, seed, failures=failures))]
        assert [part["hasNext"] for part in older] == [part["hasNext"] for part in newer]
        assert all(not {"pending", "completed"} & part.keys() for part in older)
        entries = [entry for part in older for entry in part.get("incremental", ())]
        assert all("id" not in entry and entry.keys() & {"data", "items"} for entry in entries)
        labels = {entry["label"] for part in newer for entry in part.get("pending", ()) if "label" in entry}
        deferred = {label for label in labels if f'@defer(label: "{label}")' in text}
        assert deferred <= {entry.get("label") for entry in entries} <= labels | {None}
        assert merged_2022(older) == merged(newer), text
        if not failures:
            plain = [part async for part in computed(without_directives(text), seed, failures=failures)]
            assert merged_2022(older) == merged(plain), text
        compared += len(newer) > 1
        streamed += any("items" in entry for entry in entries)
    assert compared > 50
    assert streamed > 20


def without_directives(text: str) -> str:
    """Return the document without `@defer` and `@stream`."""
    return re.sub(r"@(defer|stream)(\([^)]*\))?", "", text)
