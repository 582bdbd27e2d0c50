"""The Merkle tree over the audit log (RFC 9162, section 2.1), for inclusion proofs.

Leaves are the hashes of the chain, which start with the 0x00 of an RFC 9162 leaf (docs/PROTOCOL.md
section 5). Hashes have 32 bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

EMPTY = sha256(b"").digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of the node above two others."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Frontier:
    """A tree of `size` leaves, stored as the roots of its full subtrees, largest first.

    This is enough to add leaves and compute the root, with one hash per leaf on average.
    """

    size: int = 0
    roots: tuple[bytes, ...] = ()

    def grown(self, leaves: Iterable[bytes]) -> Frontier:
        """Return this tree with `leaves` appended."""
        size, roots = self.size, list(self.roots)
        for leaf in leaves:
            full, carried = leaf, size
            # Merge two subtrees of the same size, like the carry of a binary counter.
            while carried & 1:
                full, carried = node_hash(roots.pop(), full), carried >> 1
            roots.append(full)
            size += 1
        return Frontier(size, tuple(roots))

    def root(self) -> bytes:
        """Return the root over all leaves (MTH of RFC 9162)."""
        if not self.roots:
            return EMPTY
        *left, above = self.roots
        for full in reversed(left):
            above = node_hash(full, above)
        return above


class Tree:
    """All levels of a fixed tree, for the paths of many leaves."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._levels = [list(leaves)]
        while len(self._levels[-1]) > 1:
            below = self._levels[-1]
            level = [node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)]
            # A node without a sibling moves up one level unchanged.
            self._levels.append(level + below[len(level) * 2 :])

    def root(self) -> bytes:
        return self._levels[-1][0] if self._levels[0] else EMPTY

    def path(self, index: int) -> list[bytes]:
        """Return the inclusion path of the leaf at `index`, from 0, the nearest sibling first.

        Raises IndexError if there is no such leaf.
        """
        if not 0 <= index < len(self._levels[0]):
            raise IndexError(index)
        path = []
        for level in self._levels[:-1]:
            brother = index ^ 1
            if brother < len(level):
                path.append(level[brother])
            index >>= 1
        return path
