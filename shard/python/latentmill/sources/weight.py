# SPDX-License-Identifier: Apache-2.0
"""How often a source comes, relative to the others: one weight, or each from its step on."""
from __future__ import annotations

import math
import numbers
import operator
from collections.abc import Sequence

Weight = float | Sequence[tuple[int, float]]


def schedule(weight: Weight) -> tuple[tuple[int, float], ...]:
    """A weight, or pairs (step, weight): each holds from its step on. Checked, by step."""
    try:
        pairs = [(0, weight)] if isinstance(weight, numbers.Real) else \
            sorted((operator.index(step), w) for step, w in weight)  # type: ignore[union-attr]
        checked = tuple((step, float(w)) for step, w in pairs)
    except (TypeError, ValueError):
        checked = ()
    if not checked or checked[0][0] != 0 or not all(0 <= w < math.inf for _, w in checked) or \
            not any(w for _, w in checked) or len({step for step, _ in checked}) < len(checked):
        raise ValueError(f"a weight is a number above 0 or a list of (step, weight) that begins "
                         f"with step 0, not {weight!r}; a source that is not to be used is left out")
    return checked
