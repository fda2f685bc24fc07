"""The names of the rhythms, and which of them PTB-XL's statements state."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

SINUS, AF, PACED, OTHER = "sinus", "atrial fibrillation or flutter", "paced", "other"
RHYTHMS = (SINUS, AF, PACED, OTHER)
"""They exclude each other."""

STATED: Mapping[str, tuple[str, ...]] = {
    SINUS: ("SR", "STACH", "SBRAD", "SARRH"),
    OTHER: ("SVTAC", "PSVT", "SVARR", "BIGU", "TRIGU"),
    AF: ("AFIB", "AFLT"),
    PACED: ("PACE",),
}
"""The statements of each, the strongest last: what is paced stays paced, whatever the atria do."""


def rhythm_by_statements(statements: "pd.DataFrame") -> np.ndarray:
    """Rhythm of each line of a table of statements (`Store.targets("scp")`); "" where no statement says one."""
    out = np.full(len(statements), "", object)
    for name, stated in STATED.items():
        out[statements.reindex(columns=list(stated), fill_value=False).to_numpy(bool).any(axis=1)] = name
    return out
