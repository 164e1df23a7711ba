"""The comparison is worth something: bugs planted in the compiler are found by it."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from api.graphql.compiled.comparison import Case, case_of

from gateway.api.graphql import compiled

_SEEDS = 1000  # no more than the comparison itself looks at
_CASES: dict[int, Case | None] = {}  # what graphql-core answers is the same for every bug


class Bug(NamedTuple):
    """In that module, what is planted in the place of what stands there."""

    module: str
    stands: str
    planted: str


_BUGS = {
    "an alias is ignored": Bug("field_codegen", "r[{place.key!r}]", "r[{place.nodes[0].name.value!r}]"),
    "the program is that of other switches": Bug(
        "operation", "key = tuple(values.coerced.get(name) for name in self._switches)", "key = ()"
    ),
    "skip and include are swapped": Bug(
        "operation",
        "self._operation, values, hide",
        "self._operation, values._replace("
        "coerced={k: not v if isinstance(v, bool) else v for k, v in values.coerced.items()}), hide",
    ),
    "a type condition fits every type": Bug(
        "codegen",
        "                type_,\n                place.details",
        "                self._schema.get_type('User') if type_.interfaces else type_,\n                place.details",
    ),
    "a null does not come up": Bug("run", "(error, place.type,", "(error, getattr(place.type, 'of_type', place.type),"),
    "an index counts from one": Bug("codegen", "in enumerate(v):", "in enumerate(v, 1):"),
    "an index is that of the outer list": Bug("answer_slots", "indices[self.depth - 1]", "indices[0]"),
    "text is not checked": Bug("leaves", '"a if a.__class__ is str else {text}(a)"', '"a"'),
    "an enum's value stands for its name": Bug(
        "leaves", "{member: type_.coerce_output_value(member)", "{member: member.value"
    ),
    "an item fails its list": Bug("codegen", 'f"        r.append(x.failed(e, ', 'f"        raise #'),
    "a batch comes in another order": Bug(
        "levels", "for ref, _ in self._takers.values()", "for ref, _ in reversed(self._takers.values())"
    ),
    "records of two systems are taken for one": Bug("lookups", '("source", "tenant") if', "() if"),
    "an error is told to one of several": Bug(
        "run", "if before == self._odd:\n                    clean", "if True:\n                    clean"
    ),
    "an error in a shared answer is told to one": Bug("run", "if other != indices:", "if False:"),
    "an answer is shared by places that differ": Bug("field_codegen", "number = len(self.shared)", "number = 0"),
    "what is odd is shared": Bug(
        "run", "if before == self._odd:\n            self.shared", "if True:\n            self.shared"
    ),
    "a lookup is not made": Bug("field_codegen", '"if {need} <= v.loaded or not v.source_id:"', '"if True or {need}:"'),
    "a bare reference is taken for a record": Bug(
        "field_codegen", "a.name is None and {need}", "a.name is None and not {need}"
    ),
    "an expansion lacks what is below it": Bug(
        "lookups", "plan.below(self.kind, self.attribute)", "frozenset({self.attribute})"
    ),
    "mutations run at once": Bug("operation", "run.serially() if mutation else", ""),
    "a change is carried out twice": Bug(
        "run",
        "            value = root.resolve(None,",
        "            await root.resolve(None, self._info(place, ()), **arguments)\n"
        "            value = root.resolve(None,",
    ),
    "a variable's default is forgotten": Bug(
        "arguments", "required or definition.default_value is not None", "required"
    ),
    "a null is no argument": Bug(
        "arguments",
        "if value is None:\n                return self._generally(variables)",
        "if value is None:\n                continue",
    ),
    "a wrong variable is let through": Bug("arguments", "if not plain(value):", "if False:"),
    "a value is not waited for": Bug("run", "if not is_awaitable(completed):", "if True:"),
}


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Bug], Any]]:
    """Makes a copy of the compiler with a bug in it, and gives its `compile_operation`."""
    name = f"planted_{tmp_path.name}"

    def make(bug: Bug) -> Any:
        modules = list(Path(compiled.__file__).parent.glob("*.py"))
        assert bug.module in {module.stem for module in modules}
        for module in modules:
            source = module.read_text()
            if module.stem == bug.module:
                assert bug.stands in source
                source = source.replace(bug.stands, bug.planted)
            target = tmp_path / name / module.name
            target.parent.mkdir(exist_ok=True)
            target.write_text(source.replace("gateway.api.graphql.compiled", name))
        monkeypatch.syspath_prepend(tmp_path)
        return importlib.import_module(name).compile_operation

    yield make
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("bug", [pytest.param(bug, id=name) for name, bug in _BUGS.items()])
async def test_is_found(plant: Callable[[Bug], Any], bug: Bug) -> None:
    """Some document of the comparison is answered otherwise with the bug, or not at all."""
    compile_operation = plant(bug)
    for seed in range(_SEEDS):
        if seed not in _CASES:
            _CASES[seed] = await case_of(seed)
        case = _CASES[seed]
        try:
            found = case is not None and await case.difference(compile_operation)
        except Exception as error:  # noqa: BLE001 - not to answer at all is a difference too
            found = f"{type(error).__name__}: {error}"
        if found:
            print(f"found by seed {seed}: {found}")  # noqa: T201 - seen when a test is run by itself
            return
    pytest.fail("nobody noticed")
