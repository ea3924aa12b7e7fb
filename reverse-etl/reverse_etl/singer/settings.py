"""Settings that every target has, declared once.

meltano.yml, the README tables and .env.example are generated from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from singer_kit.settings import checked_url, run_folder
from singer_sdk import typing as th

from reverse_etl.mapping.objects_file import shipped_settings
from reverse_etl.pipeline.engine_settings import EngineSettings
from reverse_etl.pipeline.guard import DEFAULT_MAX_REJECTED, SHARE_AT_LEAST, rejected_limit
from reverse_etl.singer.alerts import DEFAULT_SILENCE_H
from reverse_etl.singer.erasure_settings import DEFAULT_MAX_ERASURES, ERASURE

__all__ = [
    "COMMON",
    "checked_url",
    "engine_settings",
    "ledger_url",
    "other_names",
    "report_dir",
    "with_other_names",
]

MOST_DAYS = 36_500
"""A hundred years: more days than a date can be moved by are a mistake."""
MOST_SECONDS = 86_400
NUMBER_OR_SHARE = th.CustomType({"type": ["string", "number"]})
"""Of a guard: `100`, "100" or "5%". The SDK would read an integer from any variable."""
COMMON: list[th.Property[Any]] = [
    th.Property(
        "api_version",
        th.StringType,
        title="API version",
        description="Version of the CRM's API.",
    ),
    th.Property(
        "mapping",
        th.StringType,
        title="Mapping",
        description="Folder of YAML rules. The default is `shipped`, the rules that come with the "
        "target. Separate several with commas: `shipped, optional/payments.deal` adds an optional "
        "rule.",
    ),
    th.Property(
        "transforms",
        th.StringType,
        title="Transforms",
        description="Module, or path of a Python file, with functions that the rules may name in "
        "addition to those the target ships with.",
    ),
    th.Property(
        "ledger_url",
        th.StringType,
        secret=True,
        title="Ledger URL",
        description="Database of the sync ledger: sqlite:///FILE or postgresql+psycopg://…. "
        "The default is a SQLite file under .meltano/run/<target>/, or outside Meltano "
        "./ledger-<target>.db.",
    ),
    th.Property(
        "namespace",
        th.StringType,
        title="Namespace",
        description="Name under which `provision` creates groups, folders and rights in the CRM. "
        "The default is the one in the mapping's objects.yml, or `Singer`.",
    ),
    th.Property(
        "provision",
        th.BooleanType,
        default=False,
        title="Provision",
        description="Create fields that are missing in the CRM. When off, missing fields are "
        "listed in one error.",
    ),
    th.Property(
        "add_options",
        th.BooleanType,
        default=False,
        title="Add options",
        description="Add values that come up to choice and multi-select fields of the CRM. When "
        "off, a record with a value that is not an option becomes a dead letter.",
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        title="Dry run",
        description="Ask the CRM and write nothing: no record, no field, no STATE, no ledger. The "
        "report and plan.json, which holds every change, go to the folder dry-run in report_dir.",
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
        description="What to do with a stream that no rule maps: log it once, skip it and keep its "
        "bookmark out of the STATE, or fail.",
    ),
    th.Property(
        "ignore_streams",
        th.ArrayType(th.StringType),
        title="Ignore streams",
        description="Streams that no rule maps on purpose, by name or by a pattern with `*`. Their "
        "bookmarks stay in the STATE, so a rule written later does not see earlier records.",
    ),
    th.Property(
        "on_mapping_change",
        th.StringType,
        default="warn",
        allowed_values=["warn", "fail"],
        title="On mapping change",
        description="What to do if known records lack what a changed rule adds, until a full "
        "refresh brings it: warn, or fail before the first record.",
    ),
    th.Property(
        "on_missing",
        th.StringType,
        default="follow",
        allowed_values=["leave", "follow", "recreate"],
        title="On missing",
        description="What to do about a record that was deleted or merged in the CRM. `leave`: "
        "nothing, until people restore it; what the source says until then is kept as a dead "
        "letter. `follow`: continue with the record that carries its key, or that it was merged "
        "into. `recreate`: the same, and create it again if there is none.",
    ),
    th.Property(
        "verify_days",
        th.NumberType(minimum=0, maximum=MOST_DAYS),
        default=7,
        title="Verify days",
        description="Days after which a record that comes along unchanged is looked up in the CRM, "
        "many in a call, to see whether it was deleted or merged; 0 for every run.",
    ),
    th.Property(
        "max_concurrency",
        th.IntegerType(minimum=1, maximum=32),
        title="Max concurrency",
        description="Maximum number of calls in flight at the same time. Each target has its own "
        "default.",
    ),
    th.Property(
        "max_api_calls",
        th.IntegerType(minimum=1),
        title="Max API calls",
        description="Maximum number of calls in a run. Once these, or the CRM's daily calls, are "
        "used up, nothing more is written, no further STATE is emitted, and the remaining records "
        "are counted as not attempted.",
    ),
    th.Property(
        "keep_calls_free",
        NUMBER_OR_SHARE,
        title="Keep calls free",
        description="Calls of the CRM's day to leave to other apps, such as `5000`, or their "
        "share, such as `20%`; tokens where the CRM counts those. Once no more are left, the run "
        "goes on as when they are used up. The CRM's own headers say how many are left.",
    ),
    th.Property(
        "fail_on_budget",
        th.BooleanType,
        default=False,
        title="Fail on budget",
        description="Exit with code 1 if the calls were used up. When off, the exit code is 0.",
    ),
    th.Property(
        "max_creates",
        NUMBER_OR_SHARE,
        title="Max creates",
        description="Maximum number of records of an object that a run may create, such as `100`, "
        "or their share of the object's records, such as `5%`. The run is planned before its first "
        "write; beyond the limit it writes nothing and ends with exit code 3.",
    ),
    th.Property(
        "max_updates",
        NUMBER_OR_SHARE,
        title="Max updates",
        description="The same for the records of an object that a run may update.",
    ),
    th.Property(
        "max_rejected",
        NUMBER_OR_SHARE,
        default=DEFAULT_MAX_REJECTED,
        title="Max rejected",
        description="Maximum number of writes that may be rejected, such as `100`, or their share, "
        f"such as `5%`; a share always allows {SHARE_AT_LEAST}. Beyond it the run ends with exit "
        "code 3, and no STATE passes the rejected records.",
    ),
    th.Property(
        "link_wait_days",
        th.NumberType(minimum=0, maximum=MOST_DAYS),
        default=7,
        title="Link wait days",
        description="Days that a link waits for the record at its other end before it becomes a "
        "dead letter.",
    ),
    th.Property(
        "mask_dead_letters",
        th.BooleanType,
        default=False,
        title="Mask dead letters",
        description="Keep dead letters, and what waits for a link, without the values of their "
        "records: key, reason and names of properties only. They are tried again when their "
        "records come again.",
    ),
    th.Property(
        "retention_days",
        th.NumberType(minimum=1, maximum=MOST_DAYS),
        title="Retention days",
        description="Days after which a run deletes closed dead letters, old runs and their "
        "outcomes from the ledger, and the values of open dead letters. By default everything is "
        "kept.",
    ),
    th.Property(
        "attach_files",
        th.BooleanType,
        default=False,
        title="Attach files",
        description="Attach the files that rules name under `attach` to the records in the CRM.",
    ),
    th.Property(
        "allow_private_download_hosts",
        th.BooleanType,
        default=False,
        title="Allow private download hosts",
        description="Allow downloading these files from this machine or a private network.",
    ),
    th.Property(
        "report_dir",
        th.StringType,
        title="Report folder",
        description="Folder for latest.json. The default is .meltano/run/<target>/reports, or "
        "outside Meltano ./reports-<target>.",
    ),
    *ERASURE,
    th.Property(
        "alert_url",
        th.StringType,
        secret=True,
        title="Alert URL",
        description="Incoming webhook of a chat that takes Slack's JSON, such as Slack or "
        "Mattermost. It gets one message when runs begin to fail, to deliver in part or to receive "
        "nothing, and one when that is over.",
    ),
    th.Property(
        "alert_silence_h",
        th.NumberType(minimum=0, maximum=MOST_DAYS * 24),
        default=DEFAULT_SILENCE_H,
        title="Alert silence",
        description="Hours without a single record after which `alert_url` is notified that the "
        "source is silent; 0 for never.",
    ),
    th.Property(
        "stop_grace_s",
        th.NumberType(minimum=0, maximum=MOST_SECONDS),
        default=20,
        title="Stop grace",
        description="Seconds to wait for calls in flight after SIGTERM.",
    ),
    th.Property(
        "batch_size_rows",
        th.IntegerType(minimum=1),
        title="Batch size rows",
        description="Records to collect from a stream before they are delivered (10,000 by "
        "default).",
    ),
]


def setting_or(config: Mapping[str, Any], name: str, default: object) -> object:
    """A setting, or the default where it is not set or empty; 0 is a value."""
    value = config.get(name)
    return default if value in (None, "") else value


def ledger_url(config: Mapping[str, Any], target: str) -> str:
    """The ledger's URL, set or by default."""
    if config.get("ledger_url"):
        return str(config["ledger_url"])
    folder = run_folder(target)
    return f"sqlite:///{folder / 'ledger.db'}" if folder else f"sqlite:///ledger-{target}.db"


def report_dir(config: Mapping[str, Any], target: str) -> Path:
    """The folder of the reports, set or by default."""
    if config.get("report_dir"):
        return Path(str(config["report_dir"]))
    folder = run_folder(target)
    return folder / "reports" if folder else Path(f"reports-{target}")


def other_names(mappings: Path) -> list[th.Property[Any]]:
    """The settings that a target's own mapping calls by other names too. Raises: MappingError."""
    settings = {setting.name: setting for setting in COMMON}
    return [
        th.Property(
            other,
            settings[name].wrapped,
            title=other.replace("_", " ").capitalize(),
            description=f"Another name of `{name}`.",
        )
        for other, name in shipped_settings(mappings).items()
    ]


def with_other_names(config: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The settings, those included that were set under their other names."""
    also = {name: config[other] for other, name in names.items() if other in config}
    return {**config, **also}


def engine_settings(
    config: Mapping[str, Any], default_concurrency: int, regress_setting: str
) -> EngineSettings:
    """What the settings say to the engine. Raises: SettingError."""
    return EngineSettings(
        provision=bool(config.get("provision")),
        force=bool(config.get("force")),
        add_options=bool(config.get("add_options")),
        max_concurrency=int(config.get("max_concurrency") or default_concurrency),
        link_wait_days=float(config.get("link_wait_days", 7)),
        attach=bool(config.get("attach_files")),
        merge_duplicates=bool(config.get("merge_duplicates")),
        regress=bool(regress_setting and config.get(regress_setting)),
        allow_private_hosts=bool(config.get("allow_private_download_hosts")),
        max_rejected=rejected_limit(setting_or(config, "max_rejected", DEFAULT_MAX_REJECTED)),
        on_missing=config.get("on_missing") or "follow",
        verify_days=float(config.get("verify_days", 7)),
        gather=not config.get("batch_size_rows"),
        erase_deleted=bool(config.get("erase_deleted")),
        max_erasures=int(config.get("max_erasures", DEFAULT_MAX_ERASURES)),
    )
