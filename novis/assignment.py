"""The one Hungarian assignment: of queries to objects, and of a clip's queries to the next clip's."""

import numpy as np
from scipy.optimize import linear_sum_assignment

# Larger than any honest cost, small enough that float64 still tells costs 1e-9 apart beside it.
_COST_LIMIT = 1e6


def assign(cost: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pair rows with columns one to one at the least total cost.

    No cost stops the run: each is clamped to +-1e6, and NaN counts as the highest, so
    that a broken row takes what the sound ones leave.

    Args:
        cost: (rows, columns), real or NaN or infinite; either side may be empty.

    Returns:
        (rows, columns): two int64 arrays of min(rows, columns) indices, rows ascending.
    """
    finite = np.nan_to_num(np.asarray(cost, np.float64), nan=_COST_LIMIT)
    rows, columns = linear_sum_assignment(finite.clip(-_COST_LIMIT, _COST_LIMIT))
    return rows.astype(np.int64), columns.astype(np.int64)
