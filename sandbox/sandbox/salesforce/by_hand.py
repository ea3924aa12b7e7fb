"""What people do in an org by hand: merge, restore from the recycle bin, change the schema."""

from __future__ import annotations

from sandbox.by_hand import Deed
from sandbox.salesforce import recycle_bin
from sandbox.salesforce.state import Org


def merge(org: Org, deed: Deed) -> None:
    """Merge a row into another, whose values stand."""
    rows = org.rows[deed.object]
    recycle_bin.merge(org, deed.object, rows[deed.into], rows[deed.id])


def undelete(org: Org, deed: Deed) -> None:
    """Restore a row from the recycle bin."""
    recycle_bin.undelete(org, deed.object, deed.id)


def purge(org: Org, deed: Deed) -> None:
    """Delete a row from the recycle bin, too."""
    recycle_bin.purge(org, deed.object, deed.id)


def delete_field(org: Org, deed: Deed) -> None:
    """Delete a custom field with all its values."""
    org.drop_field(deed.object, deed.field)


def retype_field(org: Org, deed: Deed) -> None:
    """Change the type of a custom field: `double`, `string`, … as describe names it."""
    org.objects[deed.object][deed.field]["type"] = deed.type


def remove_option(org: Org, deed: Deed) -> None:
    """Deactivate a value of a picklist."""
    for value in org.objects[deed.object][deed.field]["picklistValues"]:
        if value["value"] == deed.option:
            value["active"] = False


ACTIONS = {
    "remove_option": remove_option,
    "merge": merge,
    "undelete": undelete,
    "purge": purge,
    "delete_field": delete_field,
    "retype_field": retype_field,
}
