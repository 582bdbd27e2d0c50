"""A list of sites is read from a CSV file, and every problem is named by line and column."""

from __future__ import annotations

import pytest

from app.domain.csv_cells import escape_csv_formula, unescape_csv_formula
from app.domain.errors import Invalid
from app.domain.sites.site_csv import MAX_CHARS, MAX_SITES, SiteFile, read_sites


def problems(file: SiteFile) -> list[tuple[int, str, str]]:
    return [(line.number, one.column, one.message) for line in file.lines for one in line.problems]


def test_every_column_is_read_in_any_order():
    file = read_sites(
        'Client,Address,Tags,Name\nHarbour Ltd,Bakery.example/,"shop, VIP",Bakery\n', ()
    )
    (line,) = file.lines
    assert (line.number, line.name, line.url) == (2, "Bakery", "https://bakery.example")
    assert (line.client, list(line.tags.values())) == ("Harbour Ltd", ["shop", "VIP"])
    assert not line.problems


def test_an_address_is_enough():
    file = read_sites("url\nbakery.example\n\nflorist.example\n", ())
    assert [(line.number, line.url) for line in file.good] == [
        (2, "https://bakery.example"),
        (4, "https://florist.example"),
    ]


@pytest.mark.parametrize("text", ["address;name\na.example;A\n", "address\tname\na.example\tA\n"])
def test_semicolons_and_tabs_separate_as_well(text):
    (line,) = read_sites("\ufeff" + text, ()).lines
    assert (line.url, line.name) == ("https://a.example", "A")


def test_each_problem_names_its_line_and_column():
    file = read_sites(
        "name,address,client,tags\n"
        "A,,,\n"
        f"B,ftp://b.example,{'c' * 121},\n"
        "C,c.example,,bad\u200btag\n"
        "D,https://c.example,,\n"
        "E,e.example,,\n"
        "F,f.example,,,more\n",
        ["https://e.example"],
    )
    assert [(line, column) for line, column, _ in problems(file)] == [
        (2, "address"),
        (3, "client"),
        (3, "address"),
        (4, "tags"),
        (5, "address"),
        (6, "address"),
        (7, ""),
    ]
    words = [message for _, _, message in problems(file)]
    assert "Same address as line 4." in words
    assert "This site is already in Aura." in words
    assert "5 cells, but the header has 4." in words
    assert file.good == []


def test_a_row_of_several_lines_has_the_number_of_its_first():
    file = read_sites('name,address\n"A\nB",a.example\nC,nonsense://c\n', ())
    assert [line.number for line in file.lines] == [2, 4]


def test_other_columns_are_named_and_not_read():
    file = read_sites("address,PHP,updates\na.example,8.4,3\n", ())
    assert file.ignored == ("PHP", "updates")
    assert file.good


def test_an_unreachable_address_is_a_problem():
    file = read_sites("address\n10.0.0.8\n", (), allow_nets=())
    assert "private network" in problems(file)[0][2]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("  \n", "Choose a file"),
        ("name,client\nA,B\n", "Line 1 must name the columns"),
        ("address\n", "no sites below"),
        ('address\n"a.example\n', "Line 2 is not valid CSV"),
        ("address\n" + "a.example\n" * (MAX_SITES + 1), f"At most {MAX_SITES} sites"),
        ("x" * (MAX_CHARS + 1), "characters"),
    ],
)
def test_a_file_that_is_no_list_of_sites_is_refused(text, why):
    with pytest.raises(Invalid) as refused:
        read_sites(text, ())
    assert why in refused.value.messages["csv"]


@pytest.mark.parametrize("text", ["=1+1", "-Shop", "+49", "@home", "Bakery", "'quoted'", ""])
def test_values_escaped_for_spreadsheets_are_unescaped(text):
    assert unescape_csv_formula(escape_csv_formula(text)) == text
    (line,) = read_sites(f'address,name\na.example,"{escape_csv_formula(text)}"\n', ()).lines
    assert line.name == text
