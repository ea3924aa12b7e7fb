"""Singer records into CRM objects. This module is what a target for another CRM imports.

A target subclasses `CrmTarget`, describes its objects with `ObjectSpec`, and implements `Adapter`
on `CrmHttp`; docs/adding-a-crm.md shows a whole one. Everything else in the package is internal.
"""

from singer_kit.words import nearest

from reverse_etl.crm.adapter import (
    Account,
    Adapter,
    Attachment,
    Currencies,
    ErasureAdapter,
    FileAdapter,
    Hit,
    JobAdapter,
    JobResults,
    ListAdapter,
    Lookup,
    MergeAdapter,
    MoneyAdapter,
    OptionAdapter,
    OwnerAdapter,
    RowResult,
    UnlinkAdapter,
)
from reverse_etl.crm.call_count import CallCount, CallLimits, whole_number
from reverse_etl.crm.http import SETUP, Answer, CrmHttp, Meaning, Purpose, Upload
from reverse_etl.crm.notes import note_html, note_parts
from reverse_etl.crm.oauth import OAuth
from reverse_etl.crm.preflight import AccountState, PreflightAdapter, Problem
from reverse_etl.crm.stored_token import StoredToken
from reverse_etl.errors import (
    AmbiguousAnswerError,
    BatchRejectedError,
    BudgetSpentError,
    CrmError,
    FatalError,
    GoneError,
    NoSuchLinkError,
    NoSuchObjectError,
    NotRepresentableError,
    RowError,
    SettingError,
    StoppedError,
    TakenError,
)
from reverse_etl.hashes import hash_value
from reverse_etl.mapping.rules import Rule
from reverse_etl.near_names import near_name
from reverse_etl.objects import FieldWanted, Lane, LinkForm, LinkWanted, Namespace, ObjectSpec
from reverse_etl.pipeline.batch import parent_key
from reverse_etl.records import CrmRecord, WantedLink, Write
from reverse_etl.singer.cli import main
from reverse_etl.singer.settings import COMMON, checked_url, other_names
from reverse_etl.singer.target import CrmTarget
from reverse_etl.values import FieldInfo, Kind, Value, canonical, key_of, plain_number

__all__ = [
    "COMMON",
    "SETUP",
    "Account",
    "AccountState",
    "Adapter",
    "AmbiguousAnswerError",
    "Answer",
    "Attachment",
    "BatchRejectedError",
    "BudgetSpentError",
    "CallCount",
    "CallLimits",
    "CrmError",
    "CrmHttp",
    "CrmRecord",
    "CrmTarget",
    "Currencies",
    "ErasureAdapter",
    "FatalError",
    "FieldInfo",
    "FieldWanted",
    "FileAdapter",
    "GoneError",
    "Hit",
    "JobAdapter",
    "JobResults",
    "Kind",
    "Lane",
    "LinkForm",
    "LinkWanted",
    "ListAdapter",
    "Lookup",
    "Meaning",
    "MergeAdapter",
    "MoneyAdapter",
    "Namespace",
    "NoSuchLinkError",
    "NoSuchObjectError",
    "NotRepresentableError",
    "OAuth",
    "ObjectSpec",
    "OptionAdapter",
    "OwnerAdapter",
    "PreflightAdapter",
    "Problem",
    "Purpose",
    "RowError",
    "RowResult",
    "Rule",
    "SettingError",
    "StoppedError",
    "StoredToken",
    "TakenError",
    "UnlinkAdapter",
    "Upload",
    "Value",
    "WantedLink",
    "Write",
    "canonical",
    "checked_url",
    "hash_value",
    "key_of",
    "main",
    "near_name",
    "nearest",
    "note_html",
    "note_parts",
    "other_names",
    "parent_key",
    "plain_number",
    "whole_number",
]
