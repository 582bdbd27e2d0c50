"""Typed addresses and site reports with any value are refused with a reason or stored clean."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from app.domain.errors import Invalid
from app.domain.inventory import report_schema
from app.domain.inventory.received_report import digest_of
from app.domain.inventory.report_schema import ReportInvalid
from app.domain.sites import urls
from app.protocol import canonical
from tests.support.factories import report
from tests.support.hypothesis_profiles import examples

TEXT = st.text(max_size=40)
# parse_json has refused larger numbers before a report gets here.
NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    ("v",),
    ("taken_at",),
    ("wordpress",),
    ("wordpress", "version"),
    ("wordpress", "environment"),
    ("php", "extensions_missing"),
    ("plugins",),
    ("plugins", 0),
    ("plugins", 0, "active"),
    ("updates", "plugins", 0, "version"),
    ("updates", "checked_at", "themes"),
    ("health", "disk_free"),
    ("unheard_of",),
]


@examples(quick=30, thorough=200, suppress_health_check=[HealthCheck.too_slow])
@given(place=st.sampled_from(PLACES), value=VALUES)
def test_a_report_with_any_one_value_changed_is_stored_clean_or_refused(
    place: tuple[str | int, ...], value: object
) -> None:
    document = report()
    inner: object = document
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    try:
        digest_of(document)
        checked = report_schema.check(document)
    except ReportInvalid:
        return
    canonical(checked.document)
    assert set(checked.document) <= set(report())


@given(
    text=TEXT
    | st.builds("https://{}".format, TEXT)
    | st.builds("http://{}:{}/{}".format, TEXT, TEXT, TEXT)
)
def test_any_typed_address_has_one_spelling_or_is_refused(text: str) -> None:
    try:
        url = urls.normalize_url(text)
    except Invalid:
        return
    assert urls.normalize_url(url) == url
    assert url.isascii()
    assert url.isprintable()
    assert len(url) <= urls.MAX_URL_CHARS


@given(one=TEXT, other=TEXT)
def test_comparing_homes_never_fails(one: str, other: str) -> None:
    assert urls.same_home(f"https://{one}", f"https://{other}") in (True, False)


@pytest.mark.parametrize("depth", [40, 100_000])
def test_a_report_nested_without_end_is_refused(depth: int) -> None:
    nested: object = "x"
    for _ in range(depth):
        nested = [nested]
    with pytest.raises(ReportInvalid):
        digest_of(report(plugins=nested))
