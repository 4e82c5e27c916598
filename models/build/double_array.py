"""A trie over byte strings as a double array, in the units of darts-clone.

SentencePiece's compiled rules hold such an array, so the program reads both by
the same few lines. A unit is 32 bits:

    a node   label (bits 0-7), whether a value hangs on it (8), offset (10-30)
    a value  the value (bits 0-30), and bit 31

The children of the node at `i` lie around `base = i ^ offset`: that with label
`c` at `base ^ c`, the value of the node itself at `base`. No two nodes share a
base, so a child is known by its label alone. Unused units are zero.

https://github.com/s-yata/darts-clone
"""

from typing import Iterator, List, Sequence, Tuple

import numpy as np

# Children of one node differ in their lowest byte alone, so they share a block.
BLOCK = 256
# The youngest blocks are searched for room; what is free in older ones stays so.
OPEN_BLOCKS = 16
HAS_VALUE = 1 << 8
VALUE = 1 << 31
# An offset has 21 bits without the extension that darts-clone has for longer ones.
MOST_UNITS = 1 << 21


def double_array(keys: Sequence[bytes], values: Sequence[int]) -> np.ndarray:
    """The units, uint32. The keys are distinct, and no byte of them is zero."""
    order = sorted(range(len(keys)), key=lambda index: keys[index])
    ordered = [keys[index] for index in order]
    array = _Array()
    nodes = [(0, 0, len(order), 0)]
    while nodes:
        node, first, end, depth = nodes.pop()
        has_value = len(ordered[first]) == depth
        children = list(_children(ordered, first + has_value, end, depth))
        labels = [label for label, _, _ in children]
        base = array.place(node, [0] * has_value + labels)
        if has_value:
            array.units[node] |= HAS_VALUE
            array.units[base] = VALUE | values[order[first]]
        for label, start, stop in children:
            array.units[base ^ label] = label
            nodes.append((base ^ label, start, stop, depth + 1))
    if len(array.units) > MOST_UNITS:
        raise SystemExit(f"{len(array.units)} units, expected at most {MOST_UNITS}")
    return np.array(array.units, np.uint32)


def prefixes(units: Sequence[int], key: bytes) -> Iterator[Tuple[int, int]]:
    """The lengths of the array's keys that `key` begins with, and their values."""
    at = units[0] >> 10
    for length, label in enumerate(key, 1):
        at ^= label
        if at >= len(units) or units[at] & (VALUE | 255) != label:
            return
        unit = units[at]
        at ^= unit >> 10
        if unit & HAS_VALUE:
            yield length, units[at] & ~VALUE


def _children(
    keys: List[bytes], first: int, end: int, depth: int
) -> Iterator[Tuple[int, int, int]]:
    """The bytes at `depth` of sorted keys, and which of the keys have each."""
    while first < end:
        label, start = keys[first][depth], first
        while first < end and keys[first][depth] == label:
            first += 1
        yield label, start, first


class _Array:
    """The units so far, and what is free among them."""

    def __init__(self) -> None:
        self.units: List[int] = []
        # Of the open blocks: where they begin, the free units and the free bases, a bit each.
        self._open: List[List[int]] = []
        self._grow()
        self._open[0][1] &= ~1  # the root

    def place(self, node: int, labels: List[int]) -> int:
        """Takes units for a node's children; returns their base."""
        while True:
            for block in self._open:
                start, units, bases = block
                fits = bases
                for label in labels:
                    fits &= _swapped(units, label)
                if fits:
                    base = (fits & -fits).bit_length() - 1
                    for label in labels:
                        block[1] &= ~(1 << (base ^ label))
                    block[2] &= ~(1 << base)
                    if not block[1]:
                        self._open.remove(block)
                    self.units[node] |= (node ^ start ^ base) << 10
                    return start ^ base
            self._grow()

    def _grow(self) -> None:
        every = (1 << BLOCK) - 1
        self._open.append([len(self.units), every, every])
        self.units.extend([0] * BLOCK)
        del self._open[:-OPEN_BLOCKS]


# For each bit of a label: the positions in a block that have it.
_HALVES = [sum(1 << at for at in range(BLOCK) if at >> bit & 1) for bit in range(8)]


def _swapped(units: int, label: int) -> int:
    """Bit `x` of the result is bit `x ^ label` of `units`."""
    for bit in range(8):
        if label >> bit & 1:
            high, step = _HALVES[bit], 1 << bit
            units = (units & high) >> step | (units & ~high) << step
    return units
