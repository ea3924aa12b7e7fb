"""The packages of this workspace: every folder at the root that holds a pyproject.toml."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True, slots=True)
class Package:
    """One distribution, in a folder of its own."""

    folder: Path

    @property
    def pyproject(self) -> Path:
        """Its metadata file."""
        return self.folder / "pyproject.toml"

    @property
    def metadata(self) -> dict[str, Any]:
        """The file's `project` table."""
        project: dict[str, Any] = tomllib.loads(self.pyproject.read_text("utf-8"))["project"]
        return project

    @property
    def name(self) -> str:
        """The name that an index knows it by."""
        return str(self.metadata["name"])

    @property
    def module(self) -> str:
        """The name that Python imports it by."""
        return self.folder.name.replace("-", "_")

    @property
    def source(self) -> Path:
        """The folder of its code."""
        return self.folder / self.module


def packages(root: Path = ROOT) -> list[Package]:
    """Every package of the workspace, by folder."""
    return [Package(file.parent) for file in sorted(root.glob("*/pyproject.toml"))]
