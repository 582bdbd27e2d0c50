"""The style guide shows every part of the design, only during development."""

from __future__ import annotations

from dataclasses import replace

from tests.support.browsers import signed_in


def test_the_style_guide_exists_only_during_development(app, ana, as_ana):
    assert as_ana.get("/style").status_code == 404
    app.config["AURA"] = replace(app.config["AURA"], is_development=True)
    text = signed_in(app, ana).get("/style").text
    assert text.count('class="specimen"') == 2
    for part in (
        "button button-danger",
        "badge badge-wait",
        "task task-critical",
        "figure",
        "bulk",
    ):
        assert f'class="{part}"' in text
