"""Custom objects that link to each other and that `provision` creates, in any order of streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from box import Box
from crms import SALESFORCE
from support import Message, deliver, record_message, written

TEXT = {"type": ["string", "null"]}
OBJECTS = """\
objects:
  House__c: {label: House, plural: Houses}
  Room__c: {label: Room, plural: Rooms}
"""
HOUSES = """\
stream: houses
object: House__c
upsert_key: House_ID__c
fields: {House_ID__c: id, Name: name}
links: [{to: Room__c, key: room, field: Main_Room__c, wait: link}]
"""
ROOMS = """\
stream: rooms
object: Room__c
upsert_key: Room_ID__c
fields: {Room_ID__c: id}
links: [{to: House__c, key: house, field: House__c}]
"""


def stream(name: str, *records: dict[str, str]) -> list[Message]:
    properties = {"id": TEXT, "name": TEXT, "house": TEXT, "room": TEXT}
    schema: Message = {
        "type": "SCHEMA",
        "stream": name,
        "key_properties": ["id"],
        "schema": {"type": "object", "properties": properties},
    }
    return [schema, *(record_message(name, record) for record in records)]


@pytest.mark.parametrize("rooms_first", [True, False])
def test_two_new_objects_link_to_each_other(box: Box, rooms_first: bool, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    for name, text in {"objects": OBJECTS, "houses.house": HOUSES, "rooms.room": ROOMS}.items():
        written(folder, f"{name}.yml", text)
    houses = stream("houses", {"id": "h1", "name": "Villa", "room": "r1"})
    rooms = stream("rooms", {"id": "r1", "house": "h1"})
    messages = [*rooms, *houses] if rooms_first else [*houses, *rooms]
    result = deliver(box, SALESFORCE, messages, tmp_path, mapping=str(folder), provision=True)
    assert result.code == 0, result.report["message"]
    (house,) = box.objects(SALESFORCE, "House__c")
    (room,) = box.objects(SALESFORCE, "Room__c")
    assert house["properties"]["Name"] == "Villa"
    assert house["properties"]["Main_Room__c"] == room["id"]
    assert room["properties"]["House__c"] == house["id"]
