"""One-to-one matching of times."""

import numpy as np
from jaxtyping import Float64, Int64


def match_times(
    reference_s: Float64[np.ndarray, " reference"], found_s: Float64[np.ndarray, " found"], tolerance_s: float
) -> tuple[Int64[np.ndarray, " match"], Int64[np.ndarray, " match"]]:
    """Pairs (index into `reference_s`, index into `found_s`) at most `tolerance_s` apart, nearest pairs first.

    One to one: of all possible pairs the nearest is taken, then the nearest among what is left, and so on. Done in
    passes, each of which takes every pair whose two ends are one another's nearest. NaN matches nothing.
    """
    ref = np.flatnonzero(np.isfinite(reference_s))
    ref = ref[np.argsort(reference_s[ref], kind="stable")]
    found = np.flatnonzero(np.isfinite(found_s))
    found = found[np.argsort(found_s[found], kind="stable")]
    pairs_ref, pairs_found = [ref[:0]], [found[:0]]
    while ref.size and found.size:
        near = _nearest(reference_s[ref], found_s[found])
        back = _nearest(found_s[found], reference_s[ref])
        mutual = (back[near] == np.arange(ref.size)) & (np.abs(reference_s[ref] - found_s[found][near]) <= tolerance_s)
        if not mutual.any():
            break
        pairs_ref.append(ref[mutual])
        pairs_found.append(found[near[mutual]])
        ref, found = ref[~mutual], np.delete(found, near[mutual])
    reference_index, found_index = np.concatenate(pairs_ref), np.concatenate(pairs_found)
    order = np.argsort(reference_s[reference_index], kind="stable")
    return reference_index[order], found_index[order]


def _nearest(of_s: Float64[np.ndarray, " of"], among_s: Float64[np.ndarray, " among"]) -> Int64[np.ndarray, " of"]:
    """Index of the nearest of the sorted `among_s` for each of `of_s`; the earlier one where two are as near."""
    right = np.clip(np.searchsorted(among_s, of_s), 1, max(among_s.size - 1, 1))
    right = np.minimum(right, among_s.size - 1)
    left = np.maximum(right - 1, 0)
    return np.where(of_s - among_s[left] <= among_s[right] - of_s, left, right)
