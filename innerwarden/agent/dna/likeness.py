# SPDX-License-Identifier: Apache-2.0
"""How alike two sequences of tokens are: rare threes in common against all rare threes.

Source: MinHash and its bands, Broder 1997 ("On the resemblance and containment of documents") and Leskovec et al.,
"Mining of Massive Datasets", ch. 3. The hashes are keyed by nothing: they index, they do not protect.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Sequence

#: 8 bands of 2: at a likeness of 0.75 a pair shares a band with 1 - (1 - 0.75^2)^8 = 99.9 %.
BANDS = 8
ROWS = 2
#: A three that more sessions than this had is the internet's noise and says nothing.
COMMON = 16
#: What is unseen is worth log2(PRIOR) bits at most while little was seen.
PRIOR = 32
_MASK = (1 << 63) - 1


def exact(tokens: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(tokens).encode()).hexdigest()


def grams(tokens: Sequence[str]) -> frozenset[int]:
    """Of each three tokens in a row, 63 bits."""
    return frozenset(_hash("\n".join(tokens[i : i + 3])) for i in range(len(tokens) - 2))


def bands(threes: Iterable[int]) -> tuple[int, ...]:
    """Empty for nothing."""
    members = list(threes)
    if not members:
        return ()
    least = [min(_mixed(one, seed) for one in members) for seed in range(BANDS * ROWS)]
    return tuple(_hash(f"{n}:{least[n * ROWS]}:{least[n * ROWS + 1]}") for n in range(BANDS))


def rarity(sessions_with: int, sessions: int) -> float:
    """Bits that a three is worth; 0 for what is common."""
    return 0.0 if sessions_with > COMMON else max(0.0, math.log2((sessions + PRIOR) / (sessions_with + 1)))


def likeness(
    one: frozenset[int], other: frozenset[int], worth: Callable[[int], float]
) -> tuple[float, float]:
    """(weighted Jaccard index, bits in common)."""
    shared = sum(worth(gram) for gram in one & other)
    total = sum(worth(gram) for gram in one | other)
    return (shared / total if total else 0.0), shared


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") & _MASK


def _mixed(value: int, seed: int) -> int:
    """xxHash's last mixing step, with a seed."""
    value = (value ^ (seed * 0x9E3779B97F4A7C15)) & (1 << 64) - 1
    value = (value ^ value >> 33) * 0xC2B2AE3D27D4EB4F & (1 << 64) - 1
    value = (value ^ value >> 29) * 0x165667B19E3779F9 & (1 << 64) - 1
    return value ^ value >> 32
