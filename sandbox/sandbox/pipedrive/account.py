"""Stages, pipelines, users, currencies, and the user whose token it is."""

from __future__ import annotations

from sandbox.http import Call, Reply
from sandbox.pipedrive import fixtures
from sandbox.pipedrive.responses import only, page_reply, success
from sandbox.pipedrive.state import Company


def list_stages(call: Call, company: Company) -> Reply:
    """Stages, of one pipeline where asked."""
    pipeline = call.query.get("pipeline_id")
    stages = [stage for stage in company.stages if pipeline in (None, str(stage["pipeline_id"]))]
    return page_reply(stages)


def list_pipelines(call: Call, company: Company) -> Reply:
    """The pipelines."""
    return page_reply(fixtures.pipelines(company.now()))


def list_users(call: Call, company: Company) -> Reply:
    """Users of the company."""
    users = fixtures.users()
    return success(users, rows=len(users))


def get_current_user(call: Call, company: Company) -> Reply:
    """Whose token this is."""
    return success(fixtures.current_user(company.company_id, company.name), rows=1)


def list_currencies(call: Call, company: Company) -> Reply:
    """Currencies; inactive ones cannot be used."""
    only(call, ())
    currencies = fixtures.currencies()
    return success(currencies, rows=len(currencies))
