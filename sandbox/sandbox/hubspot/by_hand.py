"""What people do in a portal by hand: merge, restore from the recycle bin, change properties.

A property that is deleted can be made again under its name, and is empty then.
"""

from __future__ import annotations

from sandbox.by_hand import Deed
from sandbox.hubspot import merges
from sandbox.hubspot.definitions import FIELD_TYPES
from sandbox.hubspot.state import Portal


def merge(portal: Portal, deed: Deed) -> None:
    """Merge a record into another, whose values stand."""
    kept, other = (merges.live(portal, deed.object, key) for key in (deed.into, deed.id))
    merges.merged(portal, deed.object, kept, other)


def undelete(portal: Portal, deed: Deed) -> None:
    """Restore a record from the recycle bin."""
    portal.restore(deed.object, portal.records[deed.object][deed.id])


def delete_field(portal: Portal, deed: Deed) -> None:
    """Delete a property with all its values."""
    portal.drop_property(deed.object, deed.field)


def retype_field(portal: Portal, deed: Deed) -> None:
    """Change the type of a property: `number`, `string`, …"""
    known = portal.properties[deed.object][deed.field]
    known |= {"type": deed.type, "fieldType": FIELD_TYPES.get(deed.type, "text")}


def remove_option(portal: Portal, deed: Deed) -> None:
    """Remove an option of a property: a lifecycle stage, a stage or a pipeline with its stages."""
    known = portal.properties[deed.object][deed.field]
    known["options"] = [entry for entry in known["options"] if entry["value"] != deed.option]
    portal.removed_places.add((deed.object, deed.option))


ACTIONS = {
    "remove_option": remove_option,
    "merge": merge,
    "undelete": undelete,
    "delete_field": delete_field,
    "retype_field": retype_field,
}
