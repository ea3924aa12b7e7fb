"""Personal data and secrets are only where they may be, at every level of the log.

`leaks.MAY_HOLD` is the table of the exceptions, beside the CRM and the messages between tap and
target: dead letters, what waits, and the inbox, which only their owner can read.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from reverse_etl.crm.http import CrmHttp
from reverse_etl.singer import cli as commands

from box import BIN, Box
from crms import Crm, each_crm
from leaks import PERSONAL, Places, forms_of, modes_open_to_others, personal_data, secret_settings
from receiver import event, receiving
from support import (
    Message,
    catalog,
    deliver,
    lines_of,
    state,
    tap_config,
    target_command,
    users,
    written,
)

STREAMS = ("users", "payments", "deliverables", "feedback", "events")
HOOK_SECRET = "hook-secret-of-the-receiver"
WRONG_KEY = "a-key-that-nobody-knows"
FILES = {"attach_deliverables": True, "allow_private_download_hosts": True}


def hooked(places: Places, box: Box) -> str:
    """Events of the source's people, and others that are refused; returns the inbox's URL."""
    inbox = f"sqlite:///{places.folder}/inbox.db"
    people = [row["properties"] for row in box.objects("canai", "users")[:5]]
    options = ("--log-level", "debug")
    with receiving(places.folder, inbox, *options, WEBHOOK_SECRET=HOOK_SECRET + "\n") as receiver:
        for person in people:
            known = {"user_id": person["user_id"], "email": person["email"]}
            assert receiver.post(event(**known), token=HOOK_SECRET)[0] == 200
            assert receiver.post(event(**known), token=WRONG_KEY)[0] == 401
            broken = json.dumps(event(**known)).encode()[:-3]
            assert receiver.post(broken, token=HOOK_SECRET)[0] in (400, 422)
            odd = event(**known, referrals_made=person["email"])
            assert receiver.post(odd, token=HOOK_SECRET)[0] == 422
        places.add("the receiver's metrics", receiver.get("/metrics")[1])
        places.add("the receiver's answers", json.dumps(receiver.post(odd, token=HOOK_SECRET)))
    return inbox


def extracted(places: Places, box: Box, inbox: str) -> list[Message]:
    """The messages of a tap, whose first key is refused and one of whose URLs has expired."""
    folder = places.folder
    chosen = ["--catalog", catalog(folder, STREAMS)]
    keys = json.dumps([WRONG_KEY, "sandbox-key\n"])
    config = tap_config(box, folder, api_key=keys, inbox_url=inbox)
    box.fault("canai", "expired_url", match="/storage", times=1)
    command = [BIN / "tap-canai", "--config", written(folder, "tap.json", config), *chosen]
    code, out = places.run("the tap", command)
    assert code == 0
    wrong = written(folder, "wrong.json", {**config, "api_key": WRONG_KEY})
    refused = [BIN / "tap-canai", "--config", wrong, *chosen]
    assert places.run("a tap with a wrong key", refused)[0] == 1
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def extract(
    shared_box: Box, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Places, list[Message]]:
    """Places that receiver and tap have written to, and the messages."""
    shared_box.reset()
    places = Places(tmp_path_factory.mktemp("source"))
    messages = extracted(places, shared_box, hooked(places, shared_box))
    places.add_files()
    return places, messages


def spoiled(messages: list[Message]) -> list[Message]:
    """The messages, in which some users end as dead letters by values that no CRM takes."""
    names = sorted(PERSONAL - {"user_email", "comment"})
    spoiled = copy.deepcopy(messages)
    of_users = [message for message in spoiled if message.get("stream") == "users"]
    records = [message["record"] for message in of_users if message["type"] == "RECORD"]
    for number, record in enumerate(records[:18]):
        name = names[number % len(names)]
        record[name] = f"{record.get(name) or name} - {number} - " + "x" * 300
    return spoiled


def wanted(box: Box, *secrets: str) -> dict[str, set[str]]:
    """What no place may hold, by kind."""
    people = personal_data(box)
    assert len(people) > 150
    return {"personal data": people, "a secret": forms_of(secrets)}


def test_nothing_leaves_its_place_between_the_source_and_the_tap(
    extract: tuple[Places, list[Message]], box: Box
) -> None:
    places, _ = extract
    assert "DEBUG" in places.texts["the log of the tap"]
    assert places.texts["the file receiver.log"].count("INFO") > 3
    assert places.leaks(wanted(box, "sandbox-key", HOOK_SECRET, WRONG_KEY)) == []
    assert modes_open_to_others(places.folder) == []


@each_crm
def test_nothing_leaves_its_place_between_the_tap_and_the_crm(
    extract: tuple[Places, list[Message]], box: Box, crm: Crm, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level("DEBUG")
    monkeypatch.setenv("LOGLEVEL", "DEBUG")
    places, messages = Places(tmp_path), spoiled(extract[1])
    secrets = secret_settings(crm.credentials(box.url))
    asked = {name: f"{secret}\n" for name, secret in secrets.items()}
    lines = lines_of(tmp_path, messages)
    first = target_command(box, crm, lines, tmp_path, batch_size_rows=20, **FILES, **asked)
    box.fault(crm, "kill_pid", match=crm.record_writes, after=1, args={"pid": "client"})
    assert places.run("a killed target", first)[0] == -9
    box.clear_faults()
    again = target_command(box, crm, lines, tmp_path, **FILES, **asked)
    code, states = places.run("the target", again)
    assert code == 0
    places.add("the STATE", states)

    wrong = dict.fromkeys(secrets, WRONG_KEY)
    assert deliver(box, crm, messages[:9], tmp_path, **wrong).code == 1
    cut = written(tmp_path, "cut.jsonl", lines.read_text()[:-200])
    assert deliver(box, crm, cut, tmp_path, **asked).code == 1
    config = ["--config", str(tmp_path / f"{crm}.json")]
    assert commands.main(crm.target, ["dead-letters", "list", *config]) == 0
    out, err = capsys.readouterr()
    places.add("the list of dead letters", out)
    places.add("the logs in this process", err + caplog.text)

    places.add_files()
    assert "DEBUG" in places.texts["the log of the target"]
    assert places.texts[f"{crm}.db's dead_letter.key"].count("\n") >= 2
    assert places.leaks(wanted(box, *secrets.values(), WRONG_KEY)) == []
    assert modes_open_to_others(tmp_path) == []


@each_crm
def test_an_unexpected_error_says_nothing_of_what_it_met(
    box: Box, crm: Crm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level("DEBUG")
    secrets = secret_settings(crm.credentials(box.url))

    def fail(self: CrmHttp, call: object) -> None:
        raise RuntimeError(f"{call} {secrets}")

    messages = [*users(3), state(1)]
    assert deliver(box, crm, messages, tmp_path).code == 0
    monkeypatch.setattr(CrmHttp, "_send", fail)
    changed = users(3, first_name="Beatrice")
    assert deliver(box, crm, changed, tmp_path).code == 1
    said = caplog.text + "".join(capsys.readouterr())
    said += (tmp_path / f"reports-{crm}" / "latest.json").read_text()
    assert "RuntimeError in reverse_etl" in said
    assert not {value for value in ("Beatrice", "@example.com", *secrets.values()) if value in said}
