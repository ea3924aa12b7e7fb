"""One version for every package, and wheels that hold what a user needs."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
import release
from packaging.requirements import Requirement
from workspace import ROOT, Package, packages

from box import BIN

PACKAGES = packages()
CLASSIFIERS = {
    "Typing :: Typed",
    *(f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13, 14)),
}
each_package = pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.folder.name)


def test_every_file_says_the_same_version() -> None:
    release.check()


@each_package
def test_a_package_needs_its_sisters_at_its_own_version(package: Package) -> None:
    sisters = {sister.name for sister in PACKAGES}
    for text in package.metadata["dependencies"]:
        requirement = Requirement(text)
        if requirement.name in sisters:
            assert str(requirement.specifier) == f"=={release.current()}"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """A copy of every file that repeats the version."""
    for path, _ in release.files(release.current()):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## [Unreleased]\n")
    return tmp_path


def test_a_version_is_set_everywhere_and_nothing_else_changes(workspace: Path) -> None:
    before = {path: path.read_text() for path, _ in release.files("0.0.0", workspace)}
    assert set(release.set_version("9.8.7rc1", workspace)) == before.keys()
    release.check(workspace)
    for package in packages(workspace):
        assert package.metadata["version"] == "9.8.7rc1"
        assert "==" not in "".join(package.metadata["keywords"])
    release.set_version(release.current(), workspace)
    assert {path: path.read_text() for path in before} == before


@pytest.mark.parametrize("version", ["1.2", "v1.2.0", "1.2.0-beta", ""])
def test_a_version_of_another_form_is_refused(version: str, workspace: Path) -> None:
    with pytest.raises(release.ReleaseError, match="is not a valid version"):
        release.set_version(version, workspace)


def test_a_package_left_behind_is_named(workspace: Path) -> None:
    pyproject = workspace / "reverse-etl" / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace(release.current(), "0.0.9"))
    with pytest.raises(release.ReleaseError, match=r"reverse-etl/pyproject\.toml says otherwise"):
        release.check(workspace)


def test_a_tag_needs_its_version_and_its_heading(workspace: Path) -> None:
    release.set_version("1.2.0", workspace)
    with pytest.raises(release.ReleaseError, match="does not match VERSION"):
        release.check(workspace, "v1.3.0")
    with pytest.raises(release.ReleaseError, match="has no heading"):
        release.check(workspace, "v1.2.0")
    (workspace / "CHANGELOG.md").write_text("# Changelog\n\n## [1.2.0] - 2027-01-31\n")
    release.check(workspace, "v1.2.0")
    release.check(workspace)


@each_package
def test_a_package_carries_the_licence_of_the_project(package: Package) -> None:
    assert (package.folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One wheel per package, by the folder's name."""
    folder = tmp_path_factory.mktemp("wheels")
    build = [str(BIN / "uv"), "build", "--quiet", "--wheel", "--offline", "--no-build-isolation"]
    built = {}
    for package in PACKAGES:
        place = folder / package.folder.name
        command = [*build, "--python", sys.executable, "-o", str(place), str(package.folder)]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
        (built[package.folder.name],) = place.glob("*.whl")
    return built


def metadata_of(wheel: zipfile.ZipFile) -> Message:
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return message_from_bytes(wheel.read(name))


@pytest.mark.process
@each_package
def test_a_wheel_holds_every_file_of_the_package(wheels: dict[str, Path], package: Package) -> None:
    files = {
        str(path.relative_to(package.folder))
        for path in package.source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheels[package.folder.name]) as wheel:
        names = set(wheel.namelist())
        (licence,) = [name for name in names if name.endswith("/licenses/LICENSE")]
        assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()
    assert f"{package.module}/py.typed" in names
    assert {name for name in names if ".dist-info/" not in name} == files


@pytest.mark.process
@pytest.mark.parametrize(
    ("folder", "file"),
    [
        ("reverse-etl", "reverse_etl/mapping/rule.schema.json"),
        ("reverse-etl", "reverse_etl/ledger/migrations/script.py.mako"),
        ("tap-canai", "tap_canai/schemas/users.json"),
        ("tap-canai", "tap_canai/report.html.j2"),
        ("target-hubspot", "target_hubspot/mappings/users.contact.yml"),
        ("target-pipedrive", "target_pipedrive/mappings/users.person.yml"),
        ("target-salesforce", "target_salesforce/mappings/users.contact.yml"),
    ],
)
def test_a_wheel_holds_its_schemas_templates_and_mappings(
    wheels: dict[str, Path], folder: str, file: str
) -> None:
    with zipfile.ZipFile(wheels[folder]) as wheel:
        assert file in wheel.namelist()


@pytest.mark.process
@each_package
def test_a_wheel_says_whose_it_is_and_where_to_look(
    wheels: dict[str, Path], package: Package
) -> None:
    with zipfile.ZipFile(wheels[package.folder.name]) as wheel:
        metadata = metadata_of(wheel)
    assert metadata["Version"] == release.current()
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["Author"]
    assert set(metadata.get_all("Classifier", [])) >= CLASSIFIERS
    urls = {line.partition(",")[0] for line in metadata.get_all("Project-URL", [])}
    assert urls == {"Homepage", "Documentation", "Changelog", "Issues"}
    assert str(metadata.get_payload()).startswith(f"# {package.name}")
