"""Refuse references that lead nowhere: `python tests/lint/references.py`.

In every text file of the repository, a mention of a Markdown page, of a module with its folder, of a path below a
top-level folder, or of a heading (docs/architecture.md, "Habits") must lead to what exists. The number of an issue
leads nowhere: issues are not in the repository.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from os.path import normpath
from pathlib import Path

ROOT = Path(__file__).parents[2]
_TEXTS = frozenset({".py", ".md", ".toml", ".yaml", ".yml", ".proto", ".mjs", ".sh", ".graphql", ""})
_PAGE = re.compile(r"(?<![\w/.\"-])((?:[\w.-]+/)*[\w-]+\.md)\b(?:, \"([^\"\n]+)\")?")
_PATH = re.compile(r"(?<![\w/.-])((?:gateway|tests|docs|docker|examples|benchmarks)/[\w./-]*[\w/])(?![\w*{<…-])")
_FILE = re.compile(r"(?<![\w/.*<{-])((?:[a-z]\w*/)+\w+\.py)\b")  # perhaps below a folder that is not named
_LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
_ISSUE = re.compile(r"\bissue \d+\b", re.IGNORECASE)
_BUILT = re.compile(r"/(?:dist|node_modules)\b")  # not committed
_OTHERS = re.compile(r"https?://\S+|github:\S+")  # pages of other repositories


def complaints(root: Path, names: list[str]) -> Iterator[str]:
    """What the text files among the files `names` of the repository at `root` refer to and does not exist."""
    known = set(names) | {str(parent) for name in names for parent in Path(name).parents}
    for name in names:
        file = Path(name)
        if file.suffix not in _TEXTS or file.match("tests/lint/test_*.py"):  # whose references are made up
            continue
        for number, line in enumerate((root / file).read_text().splitlines(), 1):
            for complaint in _missing(root, file, _OTHERS.sub("", line), known):
                yield f"{file}:{number}: {complaint}"


def _missing(root: Path, file: Path, line: str, known: set[str]) -> Iterator[str]:
    for issue in _ISSUE.findall(line):
        yield f"{issue!r} is not in this repository"
    for page, heading in _PAGE.findall(line):
        found = _page(page, file, known)
        if found is None:
            yield f"there is no {page}"
        elif heading and not _has_heading((root / found).read_text(), heading):
            yield f"{page} has no heading {heading!r}"
    for path in dict.fromkeys(_PATH.findall(line) + _FILE.findall(line)):
        if not path.endswith(".md") and not _is_known(path, known):
            yield f"there is no {path}"
    for target in _LINK.findall(line) if file.suffix == ".md" else ():
        if not (root / file.parent / target).exists():
            yield f"the link to {target} leads nowhere"


def _is_known(path: str, known: set[str]) -> bool:
    if _BUILT.search(path) or path.rstrip("/.") in known:
        return True
    return path.endswith(".py") and any(name.endswith(f"/{path}") for name in known)


def _page(page: str, file: Path, known: set[str]) -> str | None:
    named = [page, normpath(file.parent / page)]
    if "/" not in page and file.suffix == ".md":  # the text of a link, which has the whole path
        named += [name for name in known if Path(name).name == page]
    return next((name for name in named if name in known), None)


def _has_heading(text: str, heading: str) -> bool:
    return re.search(rf"^#+ (?:[\d.]+ )?{re.escape(heading)}$", text, re.MULTILINE) is not None


def main() -> None:
    """Print every complaint; exit 1 where there is one."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, check=True)  # noqa: S607 - git
    found = list(complaints(ROOT, listed.stdout.decode().splitlines()))
    print(*found, sep="\n", end="\n" if found else "")  # noqa: T201 - a command prints
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
