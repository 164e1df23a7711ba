"""The documents as data: their sections, and the fenced blocks in them.

The word behind a block's language says what a reader does with it, and a test likewise: `run` it, start it in the
`background`, or just look at an `example`. A `json` block is what the block before it answers, a `text` block what the
section's commands print by then; … stands for anything. `graphql` is sent to the section's gateway.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "Section", "sections"]

_FENCE = re.compile(r"```(\w*) ?(\w*)$")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, and the line of the document that it starts at."""

    language: str
    use: str
    text: str
    line: int

    @property
    def runs(self) -> bool:
        """Whether a reader would do something with it."""
        return self.use in {"run", "background"} or self.language == "graphql"


@dataclass(frozen=True, slots=True)
class Section:
    """What is under one heading of a document. Its first blocks may start what the others talk to."""

    document: str
    heading: str
    blocks: tuple[Block, ...]

    @property
    def serves(self) -> bool:
        """Whether it starts a gateway of its own."""
        return any(block.use == "background" and "gateway" in block.text for block in self.blocks)


def sections(root: Path, file: Path) -> Iterator[Section]:
    """The sections of a document that have blocks."""
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
