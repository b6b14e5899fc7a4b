# SPDX-License-Identifier: MIT
"""Markdown as the documents use it: fenced blocks, links, headings."""

import dataclasses
import re

#: Languages of blocks with commands, which the test runs. `console` also shows output.
COMMANDS = ("sh", "console")

#: Blocks of configuration; the test checks them.
CONFIGURATION = ("conf",)

#: Blocks that are only read.
READ = ("html", "js", "markdown", "yaml", "python", "nginx", "json", "text", "c")

NOT_RUN = re.compile(r"<!-- not run: (\S.*?) -->")
RUN_WITH = re.compile(r"<!-- run with: (\w+) -->")


@dataclasses.dataclass
class Block:
    line: int
    language: str
    text: str
    mark: str  # the comment in the line above, or ""

    @property
    def why_not_run(self):
        found = NOT_RUN.fullmatch(self.mark)
        return found[1] if found else None

    @property
    def environment(self):
        found = RUN_WITH.fullmatch(self.mark)
        return found[1] if found else "daemon"


class Malformed(Exception):
    """A block in a form that the test cannot read, or an unknown mark."""


def parse_blocks(text):
    """The fenced blocks of a document, in their order."""
    blocks = []
    before = ""
    opened = None
    for number, line in enumerate(text.splitlines(), 1):
        if opened is not None:
            if line == "```":
                blocks.append(opened)
                opened = None
            else:
                opened.text += line + "\n"
        elif line.startswith("```"):
            opened = Block(number, line[3:].strip(), "", before.strip())
            check_block(opened)
        elif line.lstrip().startswith(("```", "~~~")):
            raise Malformed(f"{number}: a block inside of a list, or one of ~~~: write it at the line's begin, with ```")
        elif line.startswith("    ") and not before.strip():
            raise Malformed(f"{number}: an indented block: write a fenced one with its language")
        elif (NOT_RUN.search(before) or RUN_WITH.search(before)) and before.startswith("<!--"):
            raise Malformed(f"{number}: a mark stands in the line before its block")
        before = line
    if opened is not None:
        raise Malformed(f"{opened.line}: the block has no end")
    return blocks


def check_block(block):
    if block.language not in COMMANDS + CONFIGURATION + READ:
        raise Malformed(f"{block.line}: language {block.language!r}: one of {', '.join(COMMANDS + CONFIGURATION + READ)}")
    if block.mark.startswith("<!--") and re.match(r"<!--\s*(not )?run", block.mark):
        if not NOT_RUN.fullmatch(block.mark) and not RUN_WITH.fullmatch(block.mark):
            raise Malformed(f"{block.line}: {block.mark}: neither <!-- not run: REASON --> nor <!-- run with: NAME -->")


def without_blocks(text):
    """The document without its blocks, with the same number of lines."""
    return re.sub(r"^```.*?^```$", lambda found: "\n" * found[0].count("\n"), text, flags=re.MULTILINE | re.DOTALL)


def find_links(text):
    """(line, target) of each link and picture."""
    for number, line in enumerate(without_blocks(text).splitlines(), 1):
        for found in re.finditer(r"\]\(([^()\s]+)\)", re.sub(r"`[^`]*`", "", line)):
            yield number, found[1]


def anchor_of(heading):
    """The anchor that GitHub makes from a heading."""
    plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-")


def find_anchors(text):
    return {anchor_of(found[1]) for found in re.finditer(r"^#+ (.+)$", without_blocks(text), re.MULTILINE)}


@dataclasses.dataclass
class Step:
    """One command of a `console` block, and the output that the block shows."""

    command: str
    output: str

    def matches(self, output):
        """Whether the output is the one shown. Numbers may differ, "…" stands for any text, and several blanks count as one."""
        return re.fullmatch(pattern_of(self.output), squeeze(output), re.DOTALL) is not None


def squeeze(text):
    return re.sub(r"\s+", " ", text).strip()


def pattern_of(shown):
    pieces = re.split(r"(…|\d+)", squeeze(shown))
    return "".join(".*" if piece == "…" else r"\d+" if piece.isdigit() else re.escape(piece) for piece in pieces)


def parse_steps(block):
    steps = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            steps.append(Step(line[2:], ""))
        elif steps:
            steps[-1].output += line + "\n"
        else:
            raise Malformed(f"{block.line}: a console block begins with a line of \"$ \"")
    return steps
