"""A benchmark figure as a line of text and as JSON."""

from __future__ import annotations

from bench.measure import Figure


def test_a_ratio_has_its_floor() -> None:
    seconds = {"ping": 0.003, "floor": 0.006}
    figure = Figure.ratio("site.ping", "ping", "floor", seconds, target=0.4)
    assert figure.as_json() == {
        "name": "site.ping",
        "value": 3.0,
        "unit": "ms",
        "floor": 6.0,
        "ratio": 0.5,
    }
    assert figure.line().split() == [
        "ping",
        "0.500",
        *["of", "floor", "(3", "of", "6", "ms)", "BEYOND", "0.4"],
    ]


def test_a_figure_without_a_floor_has_its_unit() -> None:
    figure = Figure.absolute("x.rate", "rate", 12, "ms", note=" of all", least=10)
    assert figure.as_json() == {
        "name": "x.rate",
        "value": 12,
        "unit": "ms",
        "floor": None,
        "ratio": None,
    }
    assert figure.line().split() == ["rate", "12", "ms", "of", "all", "above", "10"]
