"""objects.yml: what the mapping says about objects, completed into rules and specs."""

from __future__ import annotations

from pathlib import Path

import pytest
from reverse_etl.errors import MappingError
from reverse_etl.mapping.load import load_rules
from reverse_etl.mapping.objects_file import (
    ObjectsFile,
    complete_rules,
    complete_specs,
    load_objects,
    named_objects,
)
from reverse_etl.objects import Lane, ObjectSpec

from support import written

FILE = """\
namespace: Acme Ltd.
functions: [acme]
objects:
  companies: {key: domain}
  tasks: {marker: hs_task_body, required: [hs_timestamp]}
  projects: {label: Project, plural: Projects, optional: true, links: {companies: {label: Sponsor}}}
"""
RULE = "stream: s\nobject: {0}\nfields: {{{1}: id}}\nlinks: [{{to: companies, key: firm}}]\n"
DEFAULT = ObjectSpec("", (Lane("batch", 1, 9),), True, True, 9)


def test_without_a_file_nothing_is_said(tmp_path: Path) -> None:
    assert load_objects(tmp_path) == ObjectsFile()


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("namespace:", "namespaces:", 1, "unknown word 'namespaces'. Did you mean 'namespace'?"),
        ("{key:", "{keys:", 4, "unknown word 'keys'. Did you mean 'key'?"),
        ("optional: true", "optional: maybe", 6, "objects/projects/optional"),
        ("Sponsor}", "Sponsor", 7, "not valid YAML"),
    ],
)
def test_a_wrong_word_is_an_error_with_its_line(
    tmp_path: Path, old: str, new: str, line: int, message: str
) -> None:
    written(tmp_path, "objects.yml", FILE.replace(old, new))
    with pytest.raises(MappingError) as error:
        load_objects(tmp_path)
    assert str(error.value).startswith(f"objects.yml:{line}: ")
    assert message in str(error.value)


def test_a_rule_takes_its_key_and_its_links_from_the_file(tmp_path: Path) -> None:
    written(tmp_path, "objects.yml", FILE)
    written(
        tmp_path, "a.yml", RULE.format("projects", "id").replace("fields", "upsert_key: id\nfields")
    )
    written(tmp_path, "b.yml", RULE.format("tasks", "marker"))
    project, task = complete_rules(load_rules(tmp_path), load_objects(tmp_path))
    (link,) = project.links
    # the name stays that of the rule, so that a file which is added later changes no ledger
    assert (link.by, link.label, link.name) == ("domain", "Sponsor", "companies")
    assert task.upsert_key == "marker"


def test_a_rule_without_a_key_is_an_error_where_the_file_has_none_either(tmp_path: Path) -> None:
    written(tmp_path, "a.yml", RULE.format("projects", "id"))
    with pytest.raises(MappingError, match=r"a.yml:1: 'upsert_key' is missing"):
        complete_rules(load_rules(tmp_path), ObjectsFile())


def test_the_default_is_completed_by_what_the_file_says(tmp_path: Path) -> None:
    written(tmp_path, "objects.yml", FILE)
    written(tmp_path, "b.yml", RULE.format("tasks", "marker"))
    file = load_objects(tmp_path)
    rules = complete_rules(load_rules(tmp_path), file)
    specs = complete_specs({}, DEFAULT, rules, file)
    assert set(specs) == {"tasks", "companies"}
    tasks = specs["tasks"]
    assert (tasks.marker_in, tasks.upserts, tasks.unique_keys) == ("hs_task_body", False, False)
    assert set(tasks.required) == {"hs_timestamp"}
    assert complete_specs({}, None, rules, file) == {}


def test_of_several_folders_the_last_word_counts(tmp_path: Path) -> None:
    for name, namespace in (("a", "First"), ("b", "Second")):
        (tmp_path / name).mkdir()
        text = f"namespace: {namespace}\nfunctions: [f_{name}]\n"
        written(tmp_path / name, "objects.yml", text)
    merged = named_objects([str(tmp_path / "b"), "shipped"], tmp_path / "a")
    assert (merged.namespace, merged.functions) == ("First", ("f_b", "f_a"))


@pytest.mark.parametrize(("old", "line"), [("companies: {key", 4), ("companies: {label", 6)])
def test_an_object_that_is_close_to_one_in_use_is_a_mistake(
    tmp_path: Path, old: str, line: int
) -> None:
    written(tmp_path, "objects.yml", FILE.replace(old, old.replace("companies", "compnaies")))
    written(tmp_path, "b.yml", RULE.format("tasks", "marker"))
    wrong = (
        rf"objects.yml:{line}: no rule maps 'compnaies' or links to it. Did you mean 'companies'"
    )
    with pytest.raises(MappingError, match=wrong):
        complete_rules(load_rules(tmp_path), load_objects(tmp_path))
