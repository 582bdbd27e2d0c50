"""The Merkle tree is the one of RFC 9162, and a path leads to its root and to no other."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain.audit.merkle import EMPTY, Frontier, Tree
from app.verifier.verify_audit import root_by_path


def by_the_book(leaves: list[bytes]) -> bytes:
    """Return the Merkle tree hash as RFC 9162 section 2.1.1 defines it."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    left, right = by_the_book(leaves[:split]), by_the_book(leaves[split:])
    return sha256(b"\x01" + left + right).digest()


def leaves_of(count: int) -> list[bytes]:
    return [sha256(b"\x00" + bytes([number])).digest() for number in range(count)]


def root_from_path(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """Return the root of a path, computed by the script that comes with an export."""
    return root_by_path(leaf, index, size, [each.hex() for each in path])


def test_the_well_known_tree_of_certificate_transparency() -> None:
    """The eight inputs that implementations of RFC 6962 share as their test vector."""
    inputs = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657"]
    inputs.append("606162636465666768696a6b6c6d6e6f")
    leaves = [sha256(b"\x00" + bytes.fromhex(each)).digest() for each in inputs]
    expected_root = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    assert Tree(leaves).root().hex() == expected_root
    assert Frontier().grown(leaves).root().hex() == expected_root


@pytest.mark.parametrize("count", range(70))
def test_both_implementations_match_rfc_9162(count: int) -> None:
    leaves = leaves_of(count)
    assert Tree(leaves).root() == Frontier().grown(leaves).root() == by_the_book(leaves)


def test_a_tree_without_leaves_has_a_root_of_its_own() -> None:
    assert Tree([]).root() == Frontier().root() == EMPTY


@given(st.integers(0, 200), st.integers(0, 200))
def test_appending_in_two_parts_gives_the_same_tree(first: int, second: int) -> None:
    leaves = leaves_of(200)[: first + second]
    grown = Frontier().grown(leaves[:first]).grown(leaves[first:])
    assert grown == Frontier().grown(leaves)
    assert grown.size == len(leaves)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 64, 65])
def test_every_leaf_has_a_path_to_the_root(count: int) -> None:
    leaves = leaves_of(count)
    tree = Tree(leaves)
    for index, leaf in enumerate(leaves):
        assert root_from_path(leaf, index, count, tree.path(index)) == tree.root()


@given(st.data())
def test_a_path_fits_only_its_leaf_index_and_size(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 40))
    index = data.draw(st.integers(0, count - 1))
    leaves = leaves_of(count)
    tree = Tree(leaves)
    path = tree.path(index)
    other = sha256(b"other").digest()
    assert root_from_path(other, index, count, path) != tree.root()
    assert root_from_path(leaves[index], index, count, [*path, other]) is None
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        changed = [*path[:at], other, *path[at + 1 :]]
        assert root_from_path(leaves[index], index, count, changed) != tree.root()
        assert root_from_path(leaves[index], index, count, path[:-1]) is None
    elsewhere = data.draw(
        st.integers(0, count - 1).filter(lambda place: place != index or not path)
    )
    if elsewhere != index:
        assert root_from_path(leaves[index], elsewhere, count, path) != tree.root()


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_an_index_outside_of_the_tree_has_no_path(index: int, size: int) -> None:
    assert root_from_path(EMPTY, index, size, []) is None
    with pytest.raises(IndexError):
        Tree(leaves_of(size)).path(index)
