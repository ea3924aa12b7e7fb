"""One version for every package: `make version V=1.2.0` sets it, `make check` compares.

The file VERSION holds it. What repeats it (metadata, the requirements of one package on another,
the image's tag) is written from that file and never edited by hand.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from workspace import ROOT, packages

VERSION_FORM = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")
DEPENDENCIES = re.compile(r"^dependencies = \[.*?\]$", re.MULTILINE | re.DOTALL)


class ReleaseError(Exception):
    """The tree is not ready for a release; the message says what to change."""


def current(root: Path = ROOT) -> str:
    """The version in the file VERSION."""
    return (root / "VERSION").read_text("utf-8").strip()


def files(version: str, root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Every file that repeats the version, and the text it should have."""
    yield root / "VERSION", f"{version}\n"
    workspace = packages(root)
    names = "|".join(re.escape(package.name) for package in workspace)
    for package in workspace:
        text = package.pyproject.read_text("utf-8")
        text = re.sub(r'(?m)^(version = ")[^"]*', rf"\g<1>{version}", text)
        yield (
            package.pyproject,
            DEPENDENCIES.sub(lambda block: pinned(block[0], names, version), text),
        )
    for pattern, before in (
        ("*/airbyte/metadata.yaml", r"\bdockerImageTag: "),
        ("*/Dockerfile", r"\bio\.airbyte\.version="),
    ):
        for path in root.glob(pattern):
            yield path, re.sub(rf"({before})\S+", rf"\g<1>{version}", path.read_text("utf-8"))


def pinned(dependencies: str, names: str, version: str) -> str:
    """A list of dependencies that asks for exactly this version of the workspace's own packages."""
    return re.sub(
        rf'"((?:{names})(?:\[[\w,-]+\])?)(?:[=<>~!][^"]*)?"', rf'"\1=={version}"', dependencies
    )


def set_version(version: str, root: Path = ROOT) -> list[Path]:
    """Write the version into every file; gives the files that changed. Raises: ReleaseError."""
    if not VERSION_FORM.fullmatch(version):
        raise ReleaseError(f"{version!r} is not a valid version. Write one like 1.2.0 or 1.2.0rc1.")
    changed = [(path, text) for path, text in files(version, root) if differs(path, text)]
    for path, text in changed:
        path.write_text(text, "utf-8")
    return [path for path, _ in changed]


def differs(path: Path, text: str) -> bool:
    """True if the file does not exist or holds another text."""
    return not path.exists() or path.read_text("utf-8") != text


def check(root: Path = ROOT, tag: str | None = None) -> None:
    """Compare the files with VERSION and, if there is one, the tag. Raises: ReleaseError."""
    version = current(root)
    stale = [path.relative_to(root) for path, text in files(version, root) if differs(path, text)]
    if stale:
        raise ReleaseError(
            f"VERSION is {version}, but {', '.join(map(str, stale))} says otherwise. "
            f"Run `make version V={version}`."
        )
    headings = re.findall(r"(?m)^## (.+)$", (root / "CHANGELOG.md").read_text("utf-8"))
    released = re.compile(rf"\[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d")
    if tag is not None:
        check_tag(tag, version, any(released.fullmatch(heading) for heading in headings))
    elif not headings or not (headings[0] == "[Unreleased]" or released.fullmatch(headings[0])):
        raise ReleaseError(
            f"CHANGELOG.md must begin with '## [Unreleased]' or '## [{version}] - YYYY-MM-DD'."
        )


def check_tag(tag: str, version: str, in_changelog: bool) -> None:
    """Compare a tag with the version and the change log. Raises: ReleaseError."""
    if tag != f"v{version}":
        raise ReleaseError(f"The tag {tag} does not match VERSION. Tag v{version} instead.")
    if not in_changelog:
        raise ReleaseError(f"CHANGELOG.md has no heading '## [{version}] - YYYY-MM-DD'. Add it.")


def main(arguments: list[str] | None = None) -> int:
    """Set or check; returns 1 if the tree is not ready."""
    parser = argparse.ArgumentParser(description="One version for every package.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("set", help="write a version into every file").add_argument("version")
    checking = commands.add_parser("check", help="compare every file with VERSION")
    checking.add_argument("--tag", help="the tag of the release, such as v1.2.0")
    options = parser.parse_args(arguments)
    try:
        if options.command == "set":
            for path in set_version(options.version):
                print(f"wrote {path.relative_to(ROOT)}")
        else:
            check(tag=options.tag)
    except ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
