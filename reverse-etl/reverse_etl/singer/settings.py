"""Settings that every target has, declared once; meltano.yml, README tables and .env.example are generated from them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from singer_sdk import typing as th

from reverse_etl.errors import SettingError
from reverse_etl.pipeline.engine import EngineSettings

COMMON: list[th.Property[Any]] = [
    th.Property(
        "api_version", th.StringType, title="API version", description="Version of the CRM's API."
    ),
    th.Property(
        "mapping",
        th.StringType,
        title="Mapping",
        description="Folder of YAML rules; by default `shipped`, the rules that come with the target. Several, with commas between, "
        "are read together: `shipped, optional/payments.deal` adds one of the optional rules.",
    ),
    th.Property(
        "transforms",
        th.StringType,
        title="Transforms",
        description="A module, or a path to a Python file, whose functions the rules may name besides those the target ships with.",
    ),
    th.Property(
        "ledger_url",
        th.StringType,
        secret=True,
        title="Ledger URL",
        description="Where the sync ledger lives: sqlite:///FILE or postgresql+psycopg://…. "
        "By default a SQLite file under .meltano/run/<target>/, outside Meltano ./ledger-<target>.db.",
    ),
    th.Property(
        "provision",
        th.BooleanType,
        default=False,
        title="Provision",
        description="Create fields that are missing in the CRM; otherwise they are named as one error.",
    ),
    th.Property(
        "force",
        th.BooleanType,
        default=False,
        title="Force",
        description="Send every field, changed or not.",
    ),
    th.Property(
        "on_unmapped_stream",
        th.StringType,
        default="skip",
        allowed_values=["skip", "fail"],
        title="On unmapped stream",
        description="What to do with a stream that no rule maps: skip it, said once, or fail.",
    ),
    th.Property(
        "max_concurrency",
        th.IntegerType(minimum=1, maximum=32),
        title="Max concurrency",
        description="Calls in flight at a time; each target has its own default.",
    ),
    th.Property(
        "max_api_calls",
        th.IntegerType(minimum=1),
        title="Max API calls",
        description="Calls a run may make. When they, or the CRM's calls of the day, are used up, nothing more is written, "
        "no further STATE goes out, and what is left is counted as not attempted.",
    ),
    th.Property(
        "fail_on_budget",
        th.BooleanType,
        default=False,
        title="Fail on budget",
        description="End with exit code 1 where calls were used up; otherwise with 0.",
    ),
    th.Property(
        "link_wait_days",
        th.NumberType(minimum=0),
        default=7,
        title="Link wait days",
        description="Days a link waits for its other end before it becomes a dead letter.",
    ),
    th.Property(
        "attach_deliverables",
        th.BooleanType,
        default=False,
        title="Attach deliverables",
        description="Attach the files that rules name under `attach` to the records in the CRM.",
    ),
    th.Property(
        "allow_private_download_hosts",
        th.BooleanType,
        default=False,
        title="Allow private download hosts",
        description="Whether these files may be fetched from this machine or a private network.",
    ),
    th.Property(
        "report_dir",
        th.StringType,
        title="Report folder",
        description="Where latest.json is written; by default .meltano/run/<target>/reports, outside Meltano ./reports-<target>.",
    ),
    th.Property(
        "stop_grace_s",
        th.NumberType(minimum=0),
        default=20,
        title="Stop grace",
        description="Seconds that calls in flight are given after SIGTERM.",
    ),
]


SETTING_NAME = re.compile(r"in config\['?(\w+)'?\]|'(\w+)' is a required property")
EXPECTED = re.compile(
    r"is not (of type|one of) [^$]*?(?= in config)|is (less|greater) than the (minimum|maximum) of [\d.]+"
)


def bad_setting(messages: Sequence[str]) -> SettingError:
    """The SDK's validation errors as one, without the values they quote, which may be secrets."""
    told = []
    for message in messages:
        match = SETTING_NAME.search(message)
        name = next((group for group in match.groups() if group), "") if match else ""
        expected = EXPECTED.search(message)
        why = f": it {expected.group()}" if expected else ""
        told.append(
            f"The setting {name!r} is not valid{why}." if name else "A setting is not valid."
        )
    return SettingError(" ".join(told), "The README says what each setting takes.")


def coerced(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with numbers, booleans, lists and objects that came as text (from the environment, or Meltano) converted.

    Text that is none of these stays as it is, and the validation that follows tells it by name.
    """
    made = dict(config)
    for name, value in config.items():
        types = schema["properties"].get(name, {}).get("type", [])
        wanted = {types} if isinstance(types, str) else set(types)
        if not isinstance(value, str) or "string" in wanted:
            continue
        if not value.strip():
            made.pop(name)
            continue
        try:
            made[name] = json.loads(value.lower() if "boolean" in wanted else value)
        except ValueError:
            continue
    return made


def run_folder(target: str) -> Path | None:
    """Meltano's folder for what a plugin leaves behind; None outside Meltano."""
    root = os.environ.get("MELTANO_PROJECT_ROOT")
    return Path(root) / ".meltano" / "run" / target if root else None


def ledger_url(config: Mapping[str, Any], target: str) -> str:
    """The ledger's URL, set or by default."""
    if config.get("ledger_url"):
        return str(config["ledger_url"])
    folder = run_folder(target)
    return f"sqlite:///{folder / 'ledger.db'}" if folder else f"sqlite:///ledger-{target}.db"


def report_dir(config: Mapping[str, Any], target: str) -> Path:
    """Where reports go, set or by default."""
    if config.get("report_dir"):
        return Path(str(config["report_dir"]))
    folder = run_folder(target)
    return folder / "reports" if folder else Path(f"reports-{target}")


def engine_settings(
    config: Mapping[str, Any], default_concurrency: int, regress_setting: str
) -> EngineSettings:
    """What the settings say to the engine."""
    return EngineSettings(
        provision=bool(config.get("provision")),
        force=bool(config.get("force")),
        max_concurrency=int(config.get("max_concurrency") or default_concurrency),
        link_wait_days=float(config.get("link_wait_days", 7)),
        attach=bool(config.get("attach_deliverables")),
        merge_duplicates=bool(config.get("merge_duplicates")),
        regress=bool(regress_setting and config.get(regress_setting)),
        allow_private_hosts=bool(config.get("allow_private_download_hosts")),
        gather=not config.get("batch_size_rows"),
    )


def checked_url(value: str, name: str) -> str:
    """A base URL without a trailing slash; plain http only to loopback. Raises: SettingError."""
    url = value.rstrip("/")
    scheme, _, rest = url.partition("://")
    host = rest.split("/")[0].rsplit("@", 1)[-1]
    bare = host.rsplit(":", 1)[0].strip("[]") if not host.endswith("]") else host.strip("[]")
    if scheme not in ("https", "http") or not bare:
        raise SettingError(
            f"{name} is no http(s) URL.",
            "Give the host without version, as in https://api.example.com.",
        )
    if scheme == "http" and bare not in ("127.0.0.1", "localhost", "::1"):
        raise SettingError(
            f"{name} uses plain http to a host that is not this machine.", "Use https://."
        )
    return url
