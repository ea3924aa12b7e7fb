"""More options for the choice and multi-select properties of an account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reverse_etl.crm.adapter import OptionAdapter
from reverse_etl.crm.http import SETUP
from reverse_etl.errors import CrmError
from reverse_etl.values import FieldInfo

from target_hubspot.api import HubSpotApi
from target_hubspot.errors import body_of, check
from target_hubspot.fields import Fields, field_info
from target_hubspot.provision import option_bodies


@dataclass(frozen=True, slots=True)
class Options(OptionAdapter):
    """Options of one account."""

    api: HubSpotApi
    fields: Fields

    def add_options(self, object_name: str, field_name: str, options: Sequence[str]) -> FieldInfo:
        """Add options that a property lacks. Raises: CrmError.

        HubSpot replaces the options of a property as a whole, so they are read right before.
        Source: HubSpot, Properties guide, read 2026-11-29.
        """
        path = self.api.paths.properties(object_name, field_name)
        known = list(self.api.get(path).get("options") or [])
        values = {str(option["value"]) for option in known}
        missing = [option for option in dict.fromkeys(options) if option not in values]
        first = 1 + max((option.get("displayOrder", 0) for option in known), default=-1)
        body = {"options": [*known, *option_bodies(missing, first)]}

        answer = check(self.api.http.call("PATCH", path, SETUP, json=body))
        if not answer.ok:
            message = body_of(answer).get("message", "")
            raise CrmError(
                f"HubSpot could not add options to {field_name} ({answer.status}): {message}",
                "Add them by hand, or grant the token the schema scopes.",
            )
        info = field_info(object_name, body_of(answer))
        self.fields.infos[object_name][field_name] = info
        return info
