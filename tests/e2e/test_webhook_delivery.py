"""The command that the receiver starts for what came in."""

from __future__ import annotations

import sys
from pathlib import Path

from receiver import event, receiving, settled, stored
from support import wait_for

SCRIPT = """
import pathlib, sys, time
log = pathlib.Path(sys.argv[1])
runs = log.read_text().count("begin") if log.exists() else 0
with log.open("a") as file:
    file.write("begin\\n")
    file.flush()
    time.sleep(0.5)
    file.write("end\\n")
sys.exit(1 if runs < 1 else 0)
"""


def test_the_command_runs_one_at_a_time_again_after_a_failure_and_for_what_came_meanwhile(
    tmp_path: Path,
) -> None:
    script, log = tmp_path / "deliver.py", tmp_path / "runs.log"
    script.write_text(SCRIPT)
    with receiving(
        tmp_path, f"sqlite:///{tmp_path}/inbox.db", "--deliver", f"{sys.executable} {script} {log}"
    ) as receiver:
        for number in range(5):
            assert receiver.post(event(user_id=f"u-{number}"))[0] == 200
        # The first failed, the second did it.
        wait_for(lambda: log.exists() and log.read_text().count("end") == 2)
        assert "canai_webhooks_undelivered 0.0" in settled(receiver)
        assert log.read_text().count("begin") == 2
        receiver.post(event(user_id="u-6"))
        wait_for(lambda: log.read_text().count("begin") == 3)
        receiver.post(event(user_id="u-7"))  # while the third works
        wait_for(lambda: log.read_text().count("end") == 4)
        metrics = settled(receiver)
        assert 'canai_webhooks_deliveries{ended="failed"} 1.0' in metrics
        assert 'canai_webhooks_deliveries{ended="succeeded"} 3.0' in metrics
    assert log.read_text().split() == ["begin", "end"] * 4


def test_a_stop_asks_the_command_to_end_and_waits_for_it(tmp_path: Path) -> None:
    log = tmp_path / "runs.log"
    wait = f'trap "echo stopped >> {log}; exit 0" TERM; echo begin >> {log}'
    command = f"sh -c '{wait}; while :; do sleep 0.1; done'"
    with receiving(tmp_path, f"sqlite:///{tmp_path}/inbox.db", "--deliver", command) as receiver:
        receiver.post(event())
        wait_for(lambda: log.exists())
        receiver.stop()
    assert log.read_text().split() == ["begin", "stopped"]


def test_a_command_that_hangs_is_ended_and_tried_again(tmp_path: Path) -> None:
    log = tmp_path / "runs.log"
    command = f"sh -c 'echo begin >> {log}; test $(wc -l < {log}) -gt 1 || exec sleep 600'"
    with receiving(
        tmp_path, f"sqlite:///{tmp_path}/inbox.db", "--deliver", command, "--deliver-timeout-s", "1"
    ) as receiver:
        receiver.post(event())
        wait_for(lambda: log.exists() and log.read_text().count("begin") == 2)
        metrics = settled(receiver)
        assert 'canai_webhooks_deliveries{ended="failed"} 1.0' in metrics
        assert 'canai_webhooks_deliveries{ended="succeeded"} 1.0' in metrics
        assert "the delivery command hangs" in receiver.log.read_text()


def test_a_command_that_does_not_exist_is_logged_and_tried_again(tmp_path: Path) -> None:
    with receiving(
        tmp_path, f"sqlite:///{tmp_path}/inbox.db", "--deliver", "no-such-command"
    ) as receiver:
        assert receiver.post(event())[0] == 200
        wait_for(lambda: "cannot be started" in receiver.log.read_text())
        assert receiver.post(event(user_id="u-2"))[0] == 200
    assert len(stored(receiver.inbox_url)) == 2
