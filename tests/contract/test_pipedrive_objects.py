"""Any object of Pipedrive by rules alone: organizations, leads, products, deals, activities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from reverse_etl.crm.adapter import Adapter, Lookup
from reverse_etl.errors import CrmError, NoSuchLinkError, NoSuchObjectError
from reverse_etl.objects import FieldWanted, LinkForm, LinkWanted
from reverse_etl.values import FieldInfo, Value

from box import Box
from contract.foreign_shop import RECORDS, RULES, only, run
from crms import PIPEDRIVE
from support import linked, lose_ledger
from writes import create, update


def rows_of(box: Box, kind: str, name: str) -> dict[str, dict[str, Any]]:
    """Records of an object by the value of a field."""
    return {row["properties"][name]: row for row in box.objects(PIPEDRIVE, kind)}


def call(box: Box, method: str, path: str, body: object = None) -> Any:
    """The data that Pipedrive's API returns."""
    return box.call(method, f"/pipedrive{path}", body, PIPEDRIVE.headers())["data"]


@pytest.fixture
def adapter(box: Box) -> Adapter:
    built: Adapter = PIPEDRIVE.target(config=PIPEDRIVE.credentials(box.url)).build_adapter()
    return built


def test_every_object_is_written_and_linked_by_rules_alone(box: Box, tmp_path: Path) -> None:
    assert run(box, tmp_path).code == 0

    companies = rows_of(box, "organizations", "company_key")
    acme, bolt = companies["c1"]["id"], companies["c2"]["id"]
    address = companies["c1"]["properties"]["address"]
    assert address == {"value": "Main St 1, Springfield", "country": "USA"}

    (person,) = box.people(PIPEDRIVE)
    assert linked(person, "organizations") == [str(acme)]

    (deal,) = box.objects(PIPEDRIVE, "deals")
    assert linked(deal, "organizations") == [str(acme)]
    assert linked(deal, "persons") == [str(person["id"])]

    (lead,) = box.objects(PIPEDRIVE, "leads")
    assert lead["properties"]["value"] == {"amount": 12, "currency": "EUR"}
    assert lead["properties"]["request_key"] == "r1"
    assert linked(lead, "organizations") == [str(bolt)]

    (product,) = box.objects(PIPEDRIVE, "products")
    assert product["properties"]["code"] == "D-1"
    assert product["properties"]["prices"] == [{"price": 99.5, "currency": "EUR"}]

    (activity,) = box.objects(PIPEDRIVE, "activities")
    assert activity["properties"]["note"] == "Busy<br>v1"
    assert linked(activity, "persons") == [str(person["id"])]
    assert linked(activity, "leads") == [lead["id"]]


def test_a_second_run_writes_nothing_even_without_the_ledger(box: Box, tmp_path: Path) -> None:
    run(box, tmp_path)
    box.forget_log()
    assert run(box, tmp_path).code == 0
    assert box.writes(PIPEDRIVE) == []

    lose_ledger(tmp_path, PIPEDRIVE)
    result = run(box, tmp_path)
    assert result.code == 0
    assert box.writes(PIPEDRIVE) == []
    for kind in ("organizations", "persons", "deals", "leads", "products", "activities"):
        assert result.counts(kind)["unchanged"] == result.counts(kind)["planned"]


def test_a_change_sends_only_what_changed_and_what_goes_with_it(box: Box, tmp_path: Path) -> None:
    run(box, tmp_path)
    (product,) = box.objects(PIPEDRIVE, "products")
    prices = [{"price": 99.5, "currency": "EUR"}, {"price": 110, "currency": "USD"}]
    call(box, "PATCH", f"/api/v2/products/{product['id']}", {"prices": prices})

    changed = {
        "companies": [{**RECORDS["companies"][0], "street": "Side St 2, Springfield"}],
        "requests": [{**RECORDS["requests"][0], "amount": 15}],
        "goods": [{**RECORDS["goods"][0], "price": 90}],
        "visits": [{**RECORDS["visits"][0], "about": "Visit"}],
    }
    assert run(box, tmp_path, records=changed).code == 0

    company = rows_of(box, "organizations", "company_key")["c1"]
    assert company["properties"]["address"] == {
        "value": "Side St 2, Springfield",
        "country": "USA",
    }
    (lead,) = box.objects(PIPEDRIVE, "leads")
    assert lead["properties"]["value"] == {"amount": 15, "currency": "EUR"}
    (product,) = box.objects(PIPEDRIVE, "products")
    assert product["properties"]["prices"][0] == {"price": 90, "currency": "EUR"}
    assert product["properties"]["prices"][1] == {"price": 110, "currency": "USD"}
    (activity,) = box.objects(PIPEDRIVE, "activities")
    assert activity["properties"]["subject"] == "Visit"
    assert activity["properties"]["note"] == "Busy<br>v1"


def test_an_organization_is_found_by_its_name_where_no_rule_writes_it(
    box: Box, tmp_path: Path
) -> None:
    call(box, "POST", "/api/v2/organizations", {"name": "Other"})
    acme = call(box, "POST", "/api/v2/organizations", {"name": "Acme"})
    rule = RULES["people.person.yml"].replace("key: company", "key: company, by: name")
    people = [{**RECORDS["people"][0], "company": "Acme"}]
    assert run(box, tmp_path, {"people.person.yml": rule}, {"people": people}).code == 0

    (person,) = box.people(PIPEDRIVE)
    assert linked(person, "organizations") == [str(acme["id"])]


def test_a_link_named_by_a_field_creates_the_field(box: Box, tmp_path: Path) -> None:
    rule = RULES["orders.deal.yml"].replace(
        "{to: organizations, key: company}", "{to: organizations, key: company, field: Reseller}"
    )
    rules = {**only("companies", "people"), "orders.deal.yml": rule}
    assert (
        run(
            box,
            tmp_path,
            rules,
            {name: RECORDS[name] for name in ("companies", "people", "orders")},
        ).code
        == 0
    )

    (deal,) = box.objects(PIPEDRIVE, "deals")
    acme = rows_of(box, "organizations", "company_key")["c1"]
    assert deal["properties"]["Reseller"] == acme["id"]
    (field,) = [
        field
        for field in call(box, "GET", "/api/v2/dealFields?limit=500")
        if field["field_name"] == "Reseller"
    ]
    assert field["field_type"] == "org"


def test_a_wrong_object_fails_before_the_first_record(
    box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = RULES["companies.organization.yml"].replace(
        "object: organizations", "object: organisations"
    )
    assert (
        run(box, tmp_path, {"companies.yml": rule}, {"companies": RECORDS["companies"]}).code == 1
    )
    assert "organizations" in capsys.readouterr().err
    assert box.writes(PIPEDRIVE) == []


# The adapter alone


def test_standard_fields_are_described_by_the_field_lists(adapter: Adapter) -> None:
    persons, deals = adapter.describe("persons"), adapter.describe("deals")
    assert persons["name"] == FieldInfo("name", "text", max_length=255, required=True)
    assert persons["emails"] == FieldInfo("emails", "text", folds_case=True)
    assert persons["phones"] == FieldInfo("phones", "text")
    assert deals["value"] == FieldInfo("value", "number", scale=2)
    assert deals["currency"] == FieldInfo("currency", "text")
    assert deals["expected_close_date"] == FieldInfo("expected_close_date", "date")
    assert deals["person_id"] == FieldInfo("person_id", "integer", refers=("persons",))
    for name in ("stage_id", "pipeline_id", "owner_id"):
        assert deals[name] == FieldInfo(name, "integer")
    assert deals["status"].options == ("open", "won", "lost")
    assert deals["status"].strict_options
    assert not adapter.describe("organizations")["people_count"].writable


def test_leads_share_the_custom_fields_of_deals(adapter: Adapter) -> None:
    adapter.describe("leads")
    adapter.provision("leads", [FieldWanted("Source key", "text")])
    assert "Source key" in adapter.describe("leads")
    assert "Source key" in adapter.describe("deals")


def test_a_multi_select_is_written_read_back_and_gets_options(adapter: Adapter) -> None:
    for kind, more in (("organizations", {"name": "Acme"}), ("leads", {"title": "Chairs"})):
        adapter.describe(kind)
        adapter.provision(kind, [FieldWanted("Tags", "choices", ("red", "blue"))])
        adapter.describe(kind)
        links = {}
        if kind == "leads":
            adapter.describe("persons")
            (person,) = adapter.write("persons", "name", [create("Ann", {"name": "Ann"})])
            links = {"person_id": int(person.crm_id or 0)}
        values: dict[str, Value] = {**more, **links, "Tags": ("red", "blue")}
        (made,) = adapter.write(kind, "Tags", [create("k", values)])
        crm_id = made.crm_id or ""
        assert adapter.read(kind, [crm_id], ["Tags"])[crm_id].values == {"Tags": ("red", "blue")}

        assert adapter.choosing is not None
        info = adapter.choosing.add_options(kind, "Tags", ["blue", "green"])
        assert info.options == ("red", "blue", "green")
        adapter.write(kind, "Tags", [update("k", crm_id, {"Tags": ("green",)})])
        assert adapter.read(kind, [crm_id], ["Tags"])[crm_id].values == {"Tags": ("green",)}

        adapter.write(kind, "Tags", [update("k", crm_id, {"Tags": None})])
        assert adapter.read(kind, [crm_id], ["Tags"])[crm_id].values == {"Tags": None}


def test_an_amount_goes_out_with_its_currency(box: Box, adapter: Adapter) -> None:
    body = {"field_name": "Budget", "field_type": "monetary"}
    call(box, "POST", "/api/v2/organizationFields", body)
    infos = adapter.describe("organizations")
    assert infos["Budget"].kind == "number"

    values: dict[str, Value] = {"name": "Acme", "Budget": 5, "Currency of Budget": "EUR"}
    (made,) = adapter.write("organizations", "name", [create("Acme", values)])
    crm_id = made.crm_id or ""
    adapter.write("organizations", "name", [update("Acme", crm_id, {"Budget": 7})])
    read = adapter.read("organizations", [crm_id], ["Budget", "Currency of Budget"])
    assert read[crm_id].values == {"Budget": 7, "Currency of Budget": "EUR"}

    (other,) = adapter.write("organizations", "name", [create("B", {"name": "B", "Budget": 1})])
    read = adapter.read("organizations", [other.crm_id or ""], ["Currency of Budget"])
    assert read[other.crm_id or ""].values == {"Currency of Budget": "USD"}


def test_currencies_are_those_that_the_company_uses(adapter: Adapter) -> None:
    assert adapter.money is not None
    currencies = adapter.money.currencies()
    assert currencies.default == "USD"
    assert {"USD", "EUR"} <= currencies.active
    assert "HRK" not in currencies.active


def test_links_are_the_fields_that_refer_to_an_object(box: Box, adapter: Adapter) -> None:
    for kind in ("persons", "deals", "leads", "activities", "notes"):
        adapter.describe(kind)
    form = adapter.link_form("persons", LinkWanted("organizations"))
    assert form == LinkForm("organizations", "reference", field="org_id")
    form = adapter.link_form("leads", LinkWanted("organizations"))
    assert form == LinkForm("organizations", "reference", field="organization_id")
    form = adapter.link_form("activities", LinkWanted("leads"))
    assert form == LinkForm("leads", "reference", field="lead_id")
    assert adapter.link_form("notes", LinkWanted("deals")).on_create

    with pytest.raises(NoSuchLinkError, match="no field that refers to products"):
        adapter.link_form("persons", LinkWanted("products"))
    with pytest.raises(NoSuchLinkError, match="no labels"):
        adapter.link_form("persons", LinkWanted("organizations", label="Boss"))
    with pytest.raises(NoSuchLinkError) as refused:
        adapter.link_form("persons", LinkWanted("organizations", field="org_if"))
    assert "org_id" in refused.value.hint


def test_several_fields_that_refer_to_an_object_need_a_name(box: Box, adapter: Adapter) -> None:
    for name in ("Maker", "Importer"):
        body = {"field_name": name, "field_type": "org"}
        call(box, "POST", "/api/v2/productFields", body)
    adapter.describe("products")
    with pytest.raises(NoSuchLinkError) as refused:
        adapter.link_form("products", LinkWanted("organizations"))
    assert "Importer, Maker" in refused.value.hint
    form = adapter.link_form("products", LinkWanted("organizations", field="Maker"))
    assert form == LinkForm("organizations", "reference", field="Maker")


def test_two_fields_of_one_name_matter_only_to_a_rule_that_uses_it(
    box: Box, adapter: Adapter
) -> None:
    for _ in range(2):
        call(box, "POST", "/api/v2/dealFields", {"field_name": "Region", "field_type": "text"})
    infos = adapter.describe("deals")
    assert "title" in infos
    with pytest.raises(CrmError, match="two fields of deals named 'Region'"):
        assert "Region" in infos


def test_an_object_that_pipedrive_does_not_have_is_refused(adapter: Adapter) -> None:
    with pytest.raises(NoSuchObjectError, match="no object tickets"):
        adapter.describe("tickets")


@pytest.mark.parametrize("known", [0, 5000])
def test_products_are_found_by_code_and_leads_by_title(adapter: Adapter, known: int) -> None:
    adapter.describe("products")
    for code in ("D-1", "D-2"):
        adapter.write("products", "code", [create(code, {"name": "Desk", "code": code})])
    hits = adapter.find("products", "code", [Lookup("D-2", {})], ["name"], known=known)
    assert [hit.values["code"] for hit in hits["D-2"]] == ["D-2"]
    both = adapter.find("products", "name", [Lookup("Desk", {})], ["code"], known=known)
    assert {hit.values["code"] for hit in both["Desk"]} == {"D-1", "D-2"}


def test_organizations_merge(box: Box, adapter: Adapter) -> None:
    kept = call(box, "POST", "/api/v2/organizations", {"name": "Acme"})["id"]
    other = call(box, "POST", "/api/v2/organizations", {"name": "Acme"})["id"]
    person = call(box, "POST", "/api/v2/persons", {"name": "Ann", "org_id": other})["id"]
    assert adapter.merging is not None
    assert adapter.merging.merge("organizations", str(kept), str(other))
    assert call(box, "GET", f"/api/v2/persons/{person}")["org_id"] == kept


def test_the_emulator_refuses_a_parameter_that_it_does_not_act_on(box: Box) -> None:
    with pytest.raises(Exception, match="501"):
        call(box, "GET", "/api/v2/products?updated_since=2026-01-01T00:00:00Z")
