"""The real `meltano run`, in the workspace that make set up, against a sandbox of its own."""

from __future__ import annotations

import fcntl
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from box import BIN, Box
from crms import HUBSPOT, Crm, one_crm
from receiver import hook, receiving, sent, settled
from source import KINDS, facts_differ, people, truth
from support import (
    ROOT,
    STREAMS,
    clean_environment,
    contents,
    deliver,
    extract,
    report_of,
    wait_for,
)

pytestmark = [
    pytest.mark.meltano,
    pytest.mark.skipif(
        not (ROOT / ".meltano" / ".ready").exists(),
        reason="the workspace is not set up: run `make setup`",
    ),
]


class Project:
    """The workspace's Meltano project with state, ledgers and reports of this test's own."""

    def __init__(self, box: Box, folder: Path) -> None:
        self.box, self.folder, self.suffix = box, folder, uuid.uuid4().hex

    def environment(self, crm: Crm) -> dict[str, str]:
        prefix = f"TARGET_{crm.name.upper()}_"
        return {
            **clean_environment(),
            "CANAI_SANDBOX_PORT": str(self.box.port),
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder}/meltano.db",
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "NO_COLOR": "1",
            prefix + "LEDGER_URL": f"sqlite:///{self.folder}/{crm}.db",
            prefix + "REPORT_DIR": f"{self.folder}/reports-{crm}",
        }

    def run(self, crm: Crm, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment(crm), **variables}
        command = [str(BIN / "meltano"), "run", f"--state-id-suffix={self.suffix}", f"to-{crm}"]
        with open(ROOT / ".meltano" / "tests.lock", "w") as lock:
            # Two runs of one tap at a time overwrite each other's catalog in Meltano 4.4.
            fcntl.flock(lock, fcntl.LOCK_EX)
            return subprocess.run(
                command,
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=180,
                check=False,
            )


@pytest.fixture
def project(box: Box, tmp_path: Path) -> Project:
    return Project(box, tmp_path)


@one_crm
def test_a_run_fills_the_crm_a_second_writes_nothing_a_third_only_what_changed(
    project: Project, crm: Crm, tmp_path: Path
) -> None:
    box = project.box
    first = project.run(crm)
    assert first.returncode == 0, first.stdout + first.stderr
    assert len(box.people(crm)) == 60
    assert box.objects(crm, crm.deals)
    box.forget_log()
    second = project.run(crm)
    assert second.returncode == 0, second.stdout + second.stderr
    assert box.writes(crm) == []
    days_again = 3  # the lookback of the metrics; everything else is older than its own
    assert sum(line["rows"] for line in box.log("canai")) == days_again, "the state did not arrive"
    changed = box.mutate(users=3)
    before = contents(box, crm)
    third = project.run(crm)
    assert third.returncode == 0, third.stdout + third.stderr
    after = contents(box, crm)
    people = {key for key in after if key.startswith(crm.people) and after[key] != before[key]}
    assert people == {f"{crm.people}/{key}" for key in changed}
    assert report_of(tmp_path, crm)["objects"][crm.people]["updated"] == 3


@one_crm
def test_a_target_killed_on_the_way_is_made_good_by_a_second_run(
    project: Project, crm: Crm
) -> None:
    box = project.box
    undisturbed = project.folder / "undisturbed"
    messages = extract(box, undisturbed, streams=STREAMS)
    assert deliver(box, crm, messages, undisturbed).code == 0
    expected = contents(box, crm)
    box.reset()
    after = crm.calls(40)
    box.fault(crm, "kill_pid", match=crm.record_writes, after=after, args={"pid": "client"})
    killed = project.run(crm)
    assert killed.returncode != 0
    assert box.struck(crm, "kill_pid")
    again = project.run(crm)
    assert again.returncode == 0, again.stdout + again.stderr
    assert contents(box, crm) == expected


def test_a_wrong_key_fails_the_run_with_a_clear_line_and_no_secret(project: Project) -> None:
    done = project.run(HUBSPOT, TARGET_HUBSPOT_ACCESS_TOKEN="pat-very-secret")
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "HubSpot does not accept the access token (401)" in output
    assert "pat-very-secret" not in output
    assert "Traceback" not in output


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        pytest.param(
            "TARGET_HUBSPOT_MAX_CONCURRENCY",
            "four",
            "'max_concurrency' is not valid",
            marks=pytest.mark.soak,
        ),
        ("TARGET_HUBSPOT_MAPING", "mine", "Did you mean 'TARGET_HUBSPOT_MAPPING'?"),
        ("TAP_CANAI_WINDOW_DAYS", "soon", "window_days"),
    ],
)
def test_a_bad_setting_fails_the_run_with_a_clear_line(
    project: Project, variable: str, value: str, said: str
) -> None:
    done = project.run(HUBSPOT, **{variable: value})
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_wrong_api_key_fails_the_run_with_a_clear_line(project: Project) -> None:
    done = project.run(HUBSPOT, TAP_CANAI_API_KEY="wrong-and-secret")
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "does not accept the API key (401)" in output
    assert "wrong-and-secret" not in output
    assert "Traceback" not in output


@one_crm
def test_events_arrive_by_a_pipeline_of_their_own_beside_the_nightly_job(
    project: Project, crm: Crm, tmp_path: Path
) -> None:
    box = project.box
    assert project.run(crm).returncode == 0
    inbox = f"sqlite:///{tmp_path}/inbox.db"
    # Another suite's pipeline is of the same extractor: Meltano 4.4 runs one at a time of each.
    lock = f"flock {ROOT}/.meltano/events.lock"
    run = f"{BIN}/meltano --cwd {ROOT} run --state-id-suffix={project.suffix} events-to-{crm}"
    command = f"{lock} {run}"
    variables = {**project.environment(crm), "TAP_CANAI_EVENTS_INBOX_URL": inbox}
    with (
        receiving(tmp_path, inbox, "--deliver", command, **variables) as receiver,
        ThreadPoolExecutor(1) as pool,
    ):
        hook(box, receiver)
        box.mutate(users=20)
        nightly = pool.submit(project.run, crm)
        touched: set[str] = set()
        for kind in KINDS:
            touched |= box.happen(kind, users=8, shuffle=True, duplicate=True)
            time.sleep(0.7)
        assert all(line["status"] == 200 for line in sent(box))
        done = nightly.result()
        assert done.returncode == 0, done.stdout + done.stderr
        wait_for(lambda: not facts_differ(box, crm, touched), 90)
        metrics = settled(receiver)
    assert 'ended="failed"' not in metrics, receiver.log.read_text()
    assert people(box, crm).keys() == truth(box).keys()
    again = project.run(crm)
    assert again.returncode == 0, again.stdout + again.stderr
    assert facts_differ(box, crm, touched) == []
    assert report_of(tmp_path, crm)["objects"][crm.people]["created"] == 0
