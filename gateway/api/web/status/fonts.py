"""The fonts of GraphiQL for the status page, so that both look like one product."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

__all__ = ["FOLDER", "Fonts"]

FOLDER: Final = "status/"
"""The path of the fonts, relative to the page."""

_FACE: Final = re.compile(r"@font-face\{[^}]*\}")
_FILE: Final = re.compile(r'url\("?\./([\w.-]+\.woff2?)"?\)')
# Upright letters of Western languages, in the weights that the page has.
_PARTS: Final = ("font-style:normal", "unicode-range:U+0000-00FF")
_USED: Final = re.compile(r'font-family:(Roboto;.*font-weight:(400|500)|"?Fira Code"?;.*font-weight:400);')


@dataclass(frozen=True, slots=True)
class Fonts:
    """The rules of a style sheet that load the fonts, and the files by their names."""

    css: str = ""
    files: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def load(cls, build: Path) -> Self:
        """Take the fonts of a build of GraphiQL; none if there is no build, and the page has those of the machine."""
        rules, files = [], {}
        for sheet in sorted(build.glob("*.css")):
            for face in _FACE.findall(sheet.read_text()):
                name = _FILE.search(face)
                if name is None or not all(part in face for part in _PARTS) or not _USED.search(face):
                    continue
                files[name[1]] = (build / name[1]).read_bytes()
                rules.append(_FILE.sub(f'url("{FOLDER}{name[1]}")', face))
        return cls("\n".join(rules), files)
