"""Response times as counts in buckets, so that months of them can be added up exactly."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

# Each bucket is a tenth wider than the one before: a percentile is right within 5 %.
_FASTEST_MS = 10
_STEP = math.log(1.1)
# About 19 seconds, which is beyond the time limit of a check.
_LAST = 80


def bucket_of(ms: int) -> int:
    """Return the number of the bucket for a response time."""
    if ms < _FASTEST_MS:
        return 0
    return min(int(math.log(ms / _FASTEST_MS) / _STEP) + 1, _LAST)


def ms_of(bucket: int) -> int:
    """Return the middle of a bucket, in milliseconds."""
    if bucket <= 0:
        return _FASTEST_MS // 2
    return round(_FASTEST_MS * math.exp((bucket - 0.5) * _STEP))


def add_up(all_counts: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Return the sum of stored counts by bucket."""
    total: Counter[int] = Counter()
    for counts in all_counts:
        total.update(counts)
    return dict(total)


def percentile(counts: Mapping[int, int], percent: int) -> int | None:
    """Return the time within which `percent` of the answers came; None without any."""
    wanted, seen = sum(counts.values()) * percent / 100, 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= wanted:
            return ms_of(bucket)
    return None
