"""Parses documents into sections and fenced blocks.

The text after the language of a block is its use: `run` it, start it in the `background`, or only read it (`example`).
A `json` block is the response to the block before it. A `text` block is the output of the commands of the section so
far; … stands for any text. A `graphql` block is sent to the gateway of the section.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "Section", "sections"]

_FENCE = re.compile(r"```(\w*) ?(\w*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, and the number of its first line in the document."""

    language: str
    use: str
    text: str
    line: int

    @property
    def runs(self) -> bool:
        """Whether the block is executed."""
        return self.use in {"run", "background"} or self.language == "graphql"


@dataclass(frozen=True, slots=True)
class Section:
    """The blocks under one heading of a document; the first ones may start a gateway for the others."""

    document: str
    heading: str
    blocks: tuple[Block, ...]

    @property
    def serves(self) -> bool:
        """Whether the section starts a gateway."""
        return any(block.use == "background" and "gateway" in block.text for block in self.blocks)


def sections(root: Path, file: Path) -> Iterator[Section]:
    """Yield the sections of a document that have blocks."""
    heading, blocks = "", list[Block]()
    fence: re.Match[str] | None = None
    text, start = "", 0
    for number, line in enumerate((root / file).read_text().splitlines(), 1):
        if fence is not None:
            if line == "```":
                blocks.append(Block(fence[1], fence[2], text, start))
                fence = None
            else:
                text += f"{line}\n"
        elif line.startswith("```"):
            fence = _FENCE.match(line)
            assert fence, f"{file}:{number}: {line}"
            text, start = "", number
        elif line.startswith("## "):
            if blocks:
                yield Section(str(file), heading, tuple(blocks))
            heading, blocks = line.removeprefix("## "), []
    assert fence is None, f"{file}:{start} is not closed"
    if blocks:
        yield Section(str(file), heading, tuple(blocks))
