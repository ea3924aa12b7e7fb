"""Workflows, forms and hooks: they parse, and the commands and files they name exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspace import ROOT, packages

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
FORMS = sorted(
    set((GITHUB / "ISSUE_TEMPLATE").glob("*.yml")) - {GITHUB / "ISSUE_TEMPLATE/config.yml"}
)
MAKE_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
HOOKS = ROOT / ".pre-commit-config.yaml"
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
each_form = pytest.mark.parametrize("path", FORMS, ids=lambda path: path.name)


def loaded(path: Path) -> dict[Any, Any]:
    content: dict[Any, Any] = yaml.safe_load(path.read_text())
    return content


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = loaded(path)["jobs"]
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(path).values() for step in job.get("steps", [])]


def test_there_are_workflows_for_changes_and_for_releases() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "release.yml"]
    assert [path.name for path in FORMS] == ["bug.yml", "feature.yml"]


@each_workflow
def test_a_workflow_runs_commands_that_exist(path: Path) -> None:
    commands = [step["run"] for step in steps(path) if "run" in step]
    assert commands
    for command in commands:
        assert set(re.findall(r"\bmake ([a-z-]+)", command)) <= MAKE_TARGETS
        for file in re.findall(r"[\w.-]+(?:/[\w.-]+)+", command):
            assert (ROOT / file).exists(), file


@each_workflow
def test_a_workflow_pins_actions_and_calls_files_that_exist(path: Path) -> None:
    used = [step["uses"] for step in steps(path) if "uses" in step]
    used += [job["uses"] for job in jobs(path).values() if "uses" in job]
    assert used
    for name in used:
        if name.startswith("./"):
            assert (ROOT / name).is_file()
        else:
            assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|release/v\d+)", name), name


@each_workflow
def test_a_workflow_may_only_read_and_a_job_only_publish(path: Path) -> None:
    assert loaded(path)["permissions"] == {"contents": "read"}
    granted = {name: job["permissions"] for name, job in jobs(path).items() if "permissions" in job}
    assert granted == ({"publish": {"id-token": "write"}} if path.name == "release.yml" else {})
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@each_workflow
def test_a_job_waits_for_jobs_that_exist(path: Path) -> None:
    for job in jobs(path).values():
        needs = job.get("needs", [])
        assert set([needs] if isinstance(needs, str) else needs) <= jobs(path).keys()


def test_the_tests_run_on_every_python_that_the_packages_name() -> None:
    matrix = jobs(GITHUB / "workflows" / "ci.yml")["fast"]["strategy"]["matrix"]["python"]
    prefix = "Programming Language :: Python :: "
    for package in packages():
        names = [text.removeprefix(prefix) for text in package.metadata["classifiers"]]
        assert [name for name in names if name.startswith("3.")] == matrix
        assert package.metadata["requires-python"] == f">={matrix[0]}"


def test_a_tag_publishes_only_after_tests_and_build() -> None:
    release = GITHUB / "workflows" / "release.yml"
    # YAML 1.1 reads the key `on` as true.
    assert loaded(release)[True] == {"push": {"tags": ["v*"]}}
    assert jobs(release)["build"]["needs"] == "test"
    assert jobs(release)["publish"]["needs"] == "build"
    commands = [step["run"] for step in jobs(release)["build"]["steps"] if "run" in step]
    assert commands == ['python scripts/release.py check --tag "$GITHUB_REF_NAME"', "make dist"]


@each_form
def test_a_form_has_fields_with_labels_and_its_own_ids(path: Path) -> None:
    form = loaded(path)
    assert {"name", "description", "labels", "body"} <= form.keys()
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in fields} <= {"dropdown", "input", "textarea", "checkboxes"}
    assert all(field["attributes"]["label"] for field in fields)
    ids = [field["id"] for field in fields]
    assert len(ids) == len(set(ids))


def test_the_bug_form_offers_every_package() -> None:
    (field,) = [
        field
        for field in loaded(GITHUB / "ISSUE_TEMPLATE/bug.yml")["body"]
        if field.get("id") == "package"
    ]
    options = {option.split(" ")[0] for option in field["attributes"]["options"]}
    assert {package.name for package in packages()} - {"canai-rules", "singer-kit"} <= options


def test_dependabot_looks_where_there_is_something() -> None:
    config = loaded(GITHUB / "dependabot.yml")
    assert config["version"] == 2
    files = {"pip": "pyproject.toml", "docker": "Dockerfile", "github-actions": ".github/workflows"}
    for entry in config["updates"]:
        for folder in entry.get("directories") or [entry["directory"]]:
            pattern = f"{folder}/{files[entry['package-ecosystem']]}".lstrip("/")
            assert list(ROOT.glob(pattern)), pattern


def test_hooks_are_local_and_run_what_exists() -> None:
    (repository,) = loaded(HOOKS)["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        tool, *arguments = hook["entry"].split()
        if tool == "make":
            assert {word for word in arguments if not word.startswith("-")} <= MAKE_TARGETS
        else:
            assert tool.startswith(".venv/bin/")
        for word in arguments:
            assert "/" not in word or (ROOT / word).is_file(), word
