"""What a target is and what its settings say: names, secrets, folders, mapping and rules."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from importlib import resources
from pathlib import Path
from typing import ClassVar

from singer_kit.plugin import CheckedFiles
from singer_kit.secret_files import secret_of

from reverse_etl.crm.adapter import Adapter
from reverse_etl.dry_run.run import DryRun
from reverse_etl.mapping.rules import Rule
from reverse_etl.objects import Namespace, ObjectSpec
from reverse_etl.singer.alerts import Alerts
from reverse_etl.singer.chosen_mapping import ChosenMapping, object_names
from reverse_etl.singer.sdk_settings import SdkSettings
from reverse_etl.singer.settings import report_dir
from reverse_etl.singer.unmapped import StreamChoice


class TargetSettings(CheckedFiles, SdkSettings):
    """A target before its first run."""

    crm: ClassVar[str]
    objects: ClassVar[Mapping[str, ObjectSpec]]
    default_object: ClassVar[ObjectSpec | None] = None
    """What holds for any other object; None if there are no others."""
    default_concurrency: ClassVar[int] = 1
    regress_setting: ClassVar[str] = ""
    """The setting that lets `forward_only` fields go back."""
    secret_env: ClassVar[Mapping[str, str]] = {}
    """Settings that may also come from an environment variable of the source's own guide."""
    dry_run: DryRun | None

    @abstractmethod
    def build_adapter(self) -> Adapter:
        """The adapter for these settings. Raises: SettingError, CrmError."""

    def secret(self, name: str) -> str:
        """A secret as its setting, its file or its variable holds it now. Raises: SettingError."""
        return secret_of(self.config, name, self.secret_env.get(name, ""))

    @property
    def report_folder(self) -> Path:
        """Where the reports go; those of dry runs into a folder of their own."""
        folder = report_dir(self.config, self.name)
        return folder if self.dry_run is None else folder / "dry-run"

    @property
    def alerts(self) -> Alerts:
        """Who is notified how runs end."""
        return Alerts.of(self.config, self.name, self.report_folder)

    @classmethod
    def shipped_mapping(cls) -> Path:
        """The folder of the rules that the target ships."""
        return Path(str(resources.files(cls.__module__.split(".")[0]) / "mappings"))

    @cached_property
    def mapping(self) -> ChosenMapping:
        """The mapping that the settings choose."""
        objects = self.objects if self.default_object is None else None
        names = partial(object_names, self.objects, self.build_adapter)
        settings = self.config_jsonschema["properties"]
        return ChosenMapping(self.config, settings, self.shipped_mapping(), objects, names)

    def mapping_notes(self, rules: Sequence[Rule]) -> list[str]:
        """What `mapping check` should say about rules that are right, but may surprise."""
        return []

    @cached_property
    def rules(self) -> list[Rule]:
        """The mapping in use. Raises: MappingError."""
        return self.mapping.rules()

    @cached_property
    def streams(self) -> StreamChoice:
        """Which streams are mapped, ignored, or neither. Raises: MappingError."""
        return StreamChoice.of(self.config, self.rules)

    @property
    def namespace(self) -> Namespace:
        """Under which name `provision` puts what it creates. Raises: MappingError."""
        return self.mapping.namespace
