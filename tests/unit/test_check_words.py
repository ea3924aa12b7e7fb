"""scripts/check_words.py: what it takes for prose, and where it says a phrase is."""

from __future__ import annotations

from pathlib import Path

import check_words
import pytest
import yaml
from check_words import LIST, Phrase, compiled, hits_in, load

MEND = [Phrase(compiled("mend(s|ed)?"), "fix")]


def lines(name: str, text: str, phrases: list[Phrase] = MEND) -> list[int]:
    return [hit.line for hit in hits_in(name, text, phrases)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('"""Mends a row."""\n', [1]),
        ("x = 1  # to mend\n", [1]),
        ("raise E(\n    f'{mend} is wrong',\n    'Mend it.',\n)\n", [3]),
        ("def test_a_mended_row_goes_out() -> None: ...\n", [1]),
        ("mend = amend('commend')\n", []),
        ("def mend() -> None: ...\n", []),
    ],
    ids=["docstring", "comment", "message", "name of a test", "names", "name of a function"],
)
def test_in_python_only_what_people_read_counts(text: str, found: list[int]) -> None:
    assert lines("module.py", text) == found


@pytest.mark.parametrize(
    "text",
    [
        '"""Tried once\nmore."""\n',
        "# Tried once\n# more.\n",
        'x = (\n    "Tried once "\n    f"more, {x}"\n)\n',
        'x = (f"Tried {1} once "  f"more, {x}")\n',
    ],
    ids=["docstring", "comments", "strings side by side", "f-strings side by side"],
)
def test_a_phrase_is_found_across_lines(text: str) -> None:
    (hit,) = hits_in("module.py", text, [Phrase(compiled("once more"), "again")])
    assert hit.text == "once more"
    assert "once" in text.splitlines()[hit.line - 1]


def test_strings_that_do_not_belong_together_are_not_joined() -> None:
    text = 'x = ["once", "more"]\n# once\ny = 1\n# more\n'
    assert lines("module.py", text, [Phrase(compiled("once more"), "again")]) == []


def test_an_expression_in_a_message_stands_for_a_word() -> None:
    is_no = [Phrase(compiled(r"is no \w+"), "is not a valid …")]
    assert lines("module.py", 'x = f"{a} is no {kind!r}"\n', is_no) == [1]


def test_a_caret_is_the_start_of_a_docstring() -> None:
    whether = [Phrase(compiled("^Whether"), "Returns True if …")]
    assert lines(
        "module.py", '"""Whether it fits."""\n\n"""Say whether it fits."""\n', whether
    ) == [1]


@pytest.mark.parametrize("name", ["page.md", "rule.yml", "table.toml", "schema.json", "Makefile"])
def test_other_files_count_as_a_whole(name: str) -> None:
    assert check_words.is_checked(name)
    assert lines(name, "fix\nmend\n# mended\n") == [2, 3]


def test_a_wrapped_comment_of_a_settings_file_is_one_text() -> None:
    again = [Phrase(compiled("once more"), "again")]
    assert lines("rule.yml", "# tried once\n# more\n", again) == [1]


def test_a_hit_within_what_is_fine_does_not_count() -> None:
    is_no = [
        Phrase(compiled(r"is no \w+"), "is not a …", compiled(r"there is no \w+|is no longer"))
    ]
    text = "There is no key.\nIt is no longer here.\nIt is no key.\n"
    assert lines("page.md", text, is_no) == [3]


def test_the_change_log_and_the_list_are_left_alone() -> None:
    assert not check_words.is_checked("CHANGELOG.md")
    assert not check_words.is_checked("scripts/words.yml")
    assert not check_words.is_checked("icon.svg")


def test_a_hit_names_file_line_phrase_and_replacement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check_words, "ROOT", tmp_path)
    page = tmp_path / "page.md"
    page.write_text("# A page\n\nIt lies\nin a folder.\n")
    assert check_words.main([str(page)]) == 1
    assert capsys.readouterr().out.startswith("page.md:3: lies in -> is in")
    page.write_text("# A page\n")
    assert check_words.main([str(page)]) == 0


@pytest.mark.parametrize(
    "text",
    [
        "is no URL", "mend the state", "told of it", "lies in a folder", "once more", "afresh",
        "whether it was made", "the other's key", "every row's fate", "no personal datum",
        "it is not there", "for a cause", "an answer was lost", "if it stays", "live no more",
        "was called off", "taken at the end", "to whom", "anew", "so many a second",
    ],
)  # fmt: skip
def test_the_list_knows_the_pattern(text: str) -> None:
    assert hits_in("page.md", text, load())


@pytest.mark.parametrize(
    "text",
    [
        "There is no such field.", "It is no longer read.", "You need to fix this.",
        "Returns True if it was created.", "a response was lost", "Are there two of them?",
        "retried at the end of the run", "It exists.", "N per second per sender",
    ],
)  # fmt: skip
def test_the_list_leaves_plain_english_alone(text: str) -> None:
    assert hits_in("page.md", text, load()) == []


def test_every_entry_has_a_phrase_and_a_replacement_that_is_not_one_itself() -> None:
    phrases = load()
    for entry in yaml.safe_load(LIST.read_text()):
        assert entry.keys() <= {"find", "write", "fine"}
        assert entry["write"]
        assert hits_in("page.md", entry["write"], phrases) == [], entry
