"""The real `meltano run`, in the workspace that make set up, against a sandbox of its own."""

from __future__ import annotations

import fcntl
import subprocess
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from receiver import hook, receiver, sent, settled
from source import KINDS, facts_differ, people, truth
from support import BIN, DEALS, PEOPLE, ROOT, TARGETS, Box, clean_environment, contents, report_of

CRMS = sorted(TARGETS)
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

    def environment(self, crm: str) -> dict[str, str]:
        prefix = f"TARGET_{crm.upper()}_"
        return {
            **clean_environment(),
            "CANAI_SANDBOX_PORT": str(self.box.port),
            "MELTANO_DATABASE_URI": f"sqlite:///{self.folder}/meltano.db",
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "NO_COLOR": "1",
            prefix + "LEDGER_URL": f"sqlite:///{self.folder}/{crm}.db",
            prefix + "REPORT_DIR": f"{self.folder}/reports-{crm}",
        }

    def run(self, crm: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**self.environment(crm), **variables}
        command = [
            str(BIN / "meltano"),
            "run",
            f"--state-id-suffix={self.suffix}",
            *options,
            f"to-{crm}",
        ]
        with open(ROOT / ".meltano" / "tests.lock", "w") as lock:
            fcntl.flock(
                lock, fcntl.LOCK_EX
            )  # two runs of one tap at a time overwrite each other's catalog in Meltano 4.4
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
    box.call("POST", "/_sandbox/limits", {"crm": "pipedrive", "calls": 100_000, "per_s": 1})
    return Project(box, tmp_path)


@pytest.mark.parametrize("crm", CRMS)
def test_a_run_fills_the_crm_a_second_writes_nothing_a_third_only_what_changed(
    project: Project, crm: str, tmp_path: Path
) -> None:
    box = project.box
    first = project.run(crm)
    assert first.returncode == 0, first.stdout + first.stderr
    assert len(box.objects(crm, PEOPLE[crm])) == 60
    assert box.objects(crm, DEALS[crm])
    box.forget_log()
    second = project.run(crm)
    assert second.returncode == 0, second.stdout + second.stderr
    assert box.writes(crm) == []
    days_again = 3  # the lookback of the metrics; everything else is older than its own
    assert sum(line["rows"] for line in box.log("canai")) == days_again, "the state did not arrive"
    changed = box.call("POST", "/_sandbox/mutate", {"users": 3})
    before = contents(box, crm)
    third = project.run(crm)
    assert third.returncode == 0, third.stdout + third.stderr
    after = contents(box, crm)
    people = {key for key in after if key.startswith(PEOPLE[crm]) and after[key] != before[key]}
    assert people == {f"{PEOPLE[crm]}/{key}" for key in changed}
    assert report_of(tmp_path, crm)["objects"][PEOPLE[crm]]["updated"] == 3


@pytest.mark.parametrize("crm", CRMS)
def test_a_target_killed_on_the_way_is_made_good_by_a_second_run(
    project: Project, crm: str
) -> None:
    box = project.box
    path = {"hubspot": "/batch/", "pipedrive": "/api/v2/", "salesforce": "/composite/sobjects/"}[
        crm
    ]
    assert project.run(crm).returncode == 0
    expected = contents(box, crm)
    box.reset()
    box.call("POST", "/_sandbox/limits", {"crm": "pipedrive", "calls": 100_000, "per_s": 1})
    fresh = Project(box, project.folder / "second")
    fresh.folder.mkdir()
    box.fault(
        crm, "kill_pid", match=path, after=1 if crm != "pipedrive" else 40, args={"pid": "client"}
    )
    killed = fresh.run(crm)
    assert killed.returncode != 0
    assert [line for line in box.log(crm) if line["fault"] == "kill_pid"]
    again = fresh.run(crm)
    assert again.returncode == 0, again.stdout + again.stderr
    assert contents(box, crm) == expected


def test_a_wrong_key_fails_the_run_with_a_clear_line_and_no_secret(project: Project) -> None:
    done = project.run("hubspot", TARGET_HUBSPOT_ACCESS_TOKEN="pat-very-secret")
    told = done.stdout + done.stderr
    assert done.returncode != 0
    assert "HubSpot does not accept the access token (401)" in told
    assert "pat-very-secret" not in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("TARGET_HUBSPOT_MAX_CONCURRENCY", "four", "'max_concurrency' is not valid"),
        ("TARGET_HUBSPOT_PROVISION", "perhaps", "'provision' is not valid"),
        ("TARGET_HUBSPOT_MAPPING", "nowhere", "does not exist"),
        ("TAP_CANAI_WINDOW_DAYS", "soon", "window_days"),
    ],
)
def test_a_bad_setting_fails_the_run_with_a_clear_line(
    project: Project, variable: str, value: str, told: str
) -> None:
    done = project.run("hubspot", **{variable: value})
    assert done.returncode != 0
    assert told in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def test_a_wrong_api_key_fails_the_run_with_a_clear_line(project: Project) -> None:
    done = project.run("hubspot", TAP_CANAI_API_KEY="wrong-and-secret")
    told = done.stdout + done.stderr
    assert done.returncode != 0
    assert "does not accept the API key (401)" in told
    assert "wrong-and-secret" not in told
    assert "Traceback" not in told


@pytest.mark.parametrize("crm", CRMS)
def test_events_arrive_by_a_pipeline_of_their_own_beside_the_nightly_job(
    project: Project, crm: str, tmp_path: Path
) -> None:
    box = project.box
    assert project.run(crm).returncode == 0
    inbox = f"sqlite:///{tmp_path}/inbox.db"
    # another worker's pipeline is of the same extractor: Meltano 4.4 runs one at a time of each
    lock = f"flock {ROOT}/.meltano/events.lock"
    command = (
        f"{lock} {BIN}/meltano --cwd {ROOT} run --state-id-suffix={project.suffix} events-to-{crm}"
    )
    variables = {**project.environment(crm), "TAP_CANAI_EVENTS_INBOX_URL": inbox}
    with (
        receiver(tmp_path, inbox, "--deliver", command, **variables) as one,
        ThreadPoolExecutor(1) as pool,
    ):
        hook(box, one)
        box.call("POST", "/_sandbox/mutate", {"users": 20})
        nightly = pool.submit(project.run, crm)
        touched: set[str] = set()
        for kind in KINDS:
            touched |= set(
                box.call(
                    "POST",
                    "/_sandbox/events",
                    {"event": kind, "users": 8, "shuffle": True, "duplicate": True},
                )
            )
            time.sleep(0.7)
        assert all(line["status"] == 200 for line in sent(box))
        done = nightly.result()
        assert done.returncode == 0, done.stdout + done.stderr
        deadline = time.monotonic() + 90
        while facts_differ(box, crm, touched):
            assert time.monotonic() < deadline, (
                facts_differ(box, crm, touched)[:5],
                one.log.read_text()[-2000:],
            )
            time.sleep(0.2)
        told = settled(one)
    assert 'ended="failed"' not in told, one.log.read_text()
    assert dict.fromkeys(people(box, crm), 1) == dict.fromkeys(truth(box), 1)
    again = project.run(crm)
    assert again.returncode == 0, again.stdout + again.stderr
    assert facts_differ(box, crm, touched) == []
    assert report_of(tmp_path, crm)["objects"][PEOPLE[crm]]["created"] == 0
