"""Finds phrases that read as translated, by the list scripts/words.yml.

Checks docstrings, comments, messages and the names of tests in Python files, and the whole text of
documents, settings and schemas. `make check` fails if anything is found.

python scripts/check_words.py              checks every file
python scripts/check_words.py FILE …       checks these files
python scripts/check_words.py --count      prints only the number of hits by folder
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import yaml
from workspace import ROOT

LIST = ROOT / "scripts" / "words.yml"
SUFFIXES = {".py", ".md", ".yml", ".yaml", ".toml", ".json", ".j2", ".in"}
NAMES = {"Makefile", "Dockerfile"}
# The change log describes the past; the other two quote the phrases.
EXCLUDED = {"CHANGELOG.md", "scripts/words.yml", "tests/unit/test_check_words.py"}
F_STRING_START: int | None = getattr(tokenize, "FSTRING_START", None)
F_STRING_END: int | None = getattr(tokenize, "FSTRING_END", None)
QUOTES = re.compile(r'([a-z]*)("""|\'\'\'|"|\')', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Phrase:
    """An entry of the list; a hit within `fine` does not count."""

    pattern: re.Pattern[str]
    write: str
    fine: re.Pattern[str] | None = None

    def found_in(self, text: str) -> Iterator[re.Match[str]]:
        """Every hit."""
        allowed = [hit.span() for hit in self.fine.finditer(text)] if self.fine else []
        for hit in self.pattern.finditer(text):
            if not any(start <= hit.start() and hit.end() <= end for start, end in allowed):
                yield hit


@dataclass(frozen=True, slots=True)
class Hit:
    """A phrase found in a file; `line` counts from 1."""

    path: str
    line: int
    text: str
    write: str


@dataclass(frozen=True, slots=True)
class Prose:
    """Text that people read; `offset` is where it begins in its file, in characters."""

    offset: int
    text: str

    def joined(self, other: Prose) -> Prose:
        """Both as one text, with spaces for what is between them."""
        gap = other.offset - self.offset - len(self.text)
        return Prose(self.offset, f"{self.text}{' ' * gap}{other.text}")


def load(path: Path = LIST) -> list[Phrase]:
    """The list of phrases."""
    entries = yaml.safe_load(path.read_text("utf-8"))
    return [
        Phrase(
            compiled(entry["find"]),
            entry["write"],
            compiled(entry["fine"]) if "fine" in entry else None,
        )
        for entry in entries
    ]


def compiled(find: str) -> re.Pattern[str]:
    """A phrase as whole words, with any white space between them."""
    spaced = find.replace(" ", r"\s+")
    return re.compile(rf"(?<!\w)(?:{spaced})(?!\w)", re.IGNORECASE)


def prose_of(path: Path, text: str) -> Iterator[Prose]:
    """What people read of a file."""
    if path.suffix == ".py":
        yield from python_prose(text)
    else:
        # A wrapped comment goes on behind the next line's hash.
        yield Prose(0, text if path.suffix == ".md" else re.sub(r"(?m)^(\s*)#", r"\1 ", text))


def python_prose(source: str) -> Iterator[Prose]:
    """Docstrings, messages, comments and names of tests; what reads as one text comes as one."""
    waiting: tuple[int, Prose] | None = None
    for kind, prose in python_parts(source):
        if prose is None:
            if kind == tokenize.NL:
                continue
        elif waiting is not None and waiting[0] == kind:
            waiting = kind, waiting[1].joined(prose)
            continue
        if waiting is not None:
            yield waiting[1]
        waiting = None if prose is None else (kind, prose)
    if waiting is not None:
        yield waiting[1]


def python_parts(source: str) -> Iterator[tuple[int, Prose | None]]:
    """Every token's kind, and its prose if it has any. An f-string is one string."""
    starts = [0, *accumulate(len(line) for line in source.splitlines(keepends=True))]
    opened: list[int] = []
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        start = starts[token.start[0] - 1] + token.start[1]
        end = starts[token.end[0] - 1] + token.end[1]
        if token.type == F_STRING_START:
            opened.append(start)
        elif token.type == F_STRING_END:
            start = opened.pop()
            if not opened:
                yield tokenize.STRING, string_prose(start, source[start:end])
        elif opened:
            continue
        elif token.type == tokenize.STRING:
            yield tokenize.STRING, string_prose(start, token.string)
        elif token.type == tokenize.COMMENT:
            yield tokenize.COMMENT, Prose(start + 1, token.string[1:])
        elif before == "def" and token.string.startswith("test_"):
            yield tokenize.NAME, Prose(start, token.string.replace("_", " "))
        else:
            yield token.type, None
        before = token.string


def string_prose(start: int, literal: str) -> Prose:
    """The text of a string; an f-string's expressions are blanked out as `XXX`."""
    quotes = QUOTES.match(literal)
    assert quotes is not None
    text = literal[quotes.end() : -len(quotes[2])]
    if "f" in quotes[1].lower():
        text = re.sub(r"\{[^{}]*\}", lambda found: "X" * len(found[0]), text)
    return Prose(start + quotes.end(), text)


def hits_in(name: str, text: str, phrases: Iterable[Phrase]) -> list[Hit]:
    """Every phrase found in a file, in the order of lines."""
    hits = [
        Hit(
            name,
            text.count("\n", 0, prose.offset + found.start()) + 1,
            " ".join(found[0].split()),
            phrase.write,
        )
        for prose in prose_of(Path(name), text)
        for phrase in phrases
        for found in phrase.found_in(prose.text)
    ]
    return sorted(hits, key=lambda hit: hit.line)


def files(root: Path = ROOT) -> list[str]:
    """Every file of the project, by its path from the root."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in listed.split("\0") if name and (root / name).is_file())


def is_checked(name: str) -> bool:
    """True if the list applies to the file."""
    path = Path(name)
    return name not in EXCLUDED and (path.suffix in SUFFIXES or path.name in NAMES)


def main(arguments: list[str] | None = None) -> int:
    """Print every hit; returns 1 if there is any."""
    parser = argparse.ArgumentParser(description="Find phrases that read as translated.")
    parser.add_argument("files", nargs="*", help="the files to check; every file by default")
    parser.add_argument("--count", action="store_true", help="print only numbers by folder")
    options = parser.parse_args(arguments)
    names = [str(Path(name).resolve().relative_to(ROOT)) for name in options.files] or files()
    phrases = load()
    hits = [
        hit
        for name in names
        if is_checked(name)
        for hit in hits_in(name, (ROOT / name).read_text("utf-8"), phrases)
    ]
    if options.count:
        for folder, count in sorted(Counter(hit.path.split("/")[0] for hit in hits).items()):
            print(f"{count:6} {folder}")
    else:
        for hit in hits:
            print(f"{hit.path}:{hit.line}: {hit.text} -> {hit.write}")
    print(f"{len(hits)} phrases to replace" if hits else "no phrase to replace", file=sys.stderr)
    return 1 if hits else 0


if __name__ == "__main__":
    sys.exit(main())
