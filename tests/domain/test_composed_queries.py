"""A query composed once reads the same rows as one composed for each call."""

from __future__ import annotations

from typing import Any

import pytest
from peewee import Select

from app.models.clients import Client
from app.models.composed import composed_once
from app.models.statements import given
from app.models.visibility import EVERYTHING, Visibility

pytestmark = pytest.mark.both_databases


@composed_once
def named(visible: Visibility) -> Any:
    query = Client.select().where(visible.in_sql(Client.id), Client.name == given(Client.name))
    return query.order_by(Client.id)


@pytest.fixture
def clients(database) -> list[Client]:
    return [Client.create(name=name) for name in ("Bakery", "Forge", "Mill")]


def ids(visible: Visibility, name: str) -> list[int]:
    return [client.id for client in named(visible, name=name)]


def test_a_query_is_composed_once_for_each_form(clients, monkeypatch) -> None:
    named(EVERYTHING, name="")
    of_forge = Visibility.of_clients([clients[1].id])
    named(of_forge, name="")
    monkeypatch.setattr(Select, "__sql__", pytest.fail)
    bakery, forge, _ = clients
    assert ids(EVERYTHING, "Bakery") == [bakery.id]
    assert ids(EVERYTHING, "Forge") == [forge.id]
    assert ids(of_forge, "Bakery") == []
    assert ids(Visibility.of_clients([forge.id]), "Forge") == [forge.id]


def test_a_value_is_never_a_part_of_the_statement(clients) -> None:
    assert ids(EVERYTHING, "Bakery' OR '1' = '1") == []


def test_each_call_reads_the_database(clients) -> None:
    first = named(EVERYTHING, name="Mill")
    assert len(first) == 1
    Client.delete().execute()
    assert not list(named(EVERYTHING, name="Mill"))
