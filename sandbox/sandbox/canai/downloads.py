"""Downloads under `/storage`: the files of exports, and those of deliverables."""

from __future__ import annotations

import hmac

from sandbox.canai.errors import expired_url, no_object
from sandbox.canai.files import MEDIA_TYPES
from sandbox.canai.pdf import pdf
from sandbox.canai.state import Platform
from sandbox.http import Call, Reply

EXPORTS, PLANS = "/storage/exports/", "/storage/plans/"


def download(call: Call, platform: Platform) -> Reply:
    """The file of a path, if the URL is signed and has not expired."""
    if call.path.startswith(PLANS):
        return plan(platform, call.path.removeprefix(PLANS).removesuffix(".pdf"))

    export_id, _, rest = call.path.removeprefix(EXPORTS).partition("/")
    number = rest.split("/")[0].split(".")[0]
    export = platform.export_of(export_id)
    if export is None or not number.isdigit() or int(number) >= len(export.files):
        return no_object()
    if not is_signed(call, platform, export_id):
        return expired_url()

    content, records = export.files[int(number)]
    return Reply(200, content, {"Content-Type": MEDIA_TYPES[export.format]}, rows=records)


def is_signed(call: Call, platform: Platform, export_id: str) -> bool:
    """Returns True if a download URL is signed and has not expired."""
    expires = call.query.get("expires", "0")
    if not expires.isdigit():
        return False

    signature = platform.sign(export_id, int(expires))
    good = hmac.compare_digest(signature, call.query.get("token", ""))
    return good and int(expires) >= platform.clock.now().timestamp()


def plan(platform: Platform, deliverable_id: str) -> Reply:
    """The PDF of a deliverable."""
    row = platform.source.rows["deliverables"].get(deliverable_id)
    if row is None:
        return no_object()

    content = pdf(f"{row['product_track']} {deliverable_id}")
    return Reply(200, content, {"Content-Type": "application/pdf"}, rows=1)
