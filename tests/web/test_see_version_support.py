"""The health of a site says how long its WordPress and its PHP get security fixes."""

from __future__ import annotations

import re

import pytest

from tests.support.factories import read_report


@pytest.mark.parametrize(
    ("wordpress", "newest", "php", "sentences"),
    [
        (
            "7.1.2",
            None,
            "8.4.3",
            [
                "WordPress 7.1.2 is of the newest branch",
                "PHP 8.4.3 gets security fixes from the PHP project until 31 Dec 2028",
            ],
        ),
        (
            "7.1.2",
            "7.3",
            "8.1.30",
            [
                "WordPress supports only its newest branch, 7.3.",
                "PHP 8.1.30 has had no security fixes from the PHP project since 31 Dec 2025",
            ],
        ),
        (
            "6.8.1",
            None,
            "9.0.1",
            ["newest branch, 7.1. Older branches", "How long PHP 9.0.1 gets security fixes is not"],
        ),
        ("4.6.30", None, "8.4.3", ["WordPress 4.6.30 has had no security fixes since 31 Jul 2025"]),
    ],
)
def test_the_health_tab_says_how_long_the_versions_are_supported(
    as_cleo, ready, fake, config, wordpress, newest, php, sentences
):
    fake.report["wordpress"]["version"] = wordpress
    fake.report["php"]["version"] = php
    fake.report["updates"]["core"] = (
        [{"version": newest, "kind": "major", "package": True}] if newest else []
    )
    assert read_report(ready, fake, config=config).state == "done"
    text = re.sub(r"\s+", " ", as_cleo.get(f"/sites/{ready.id}/health").text)
    for words in sentences:
        assert words in text
    assert "As of 30 Nov 2026" in text
