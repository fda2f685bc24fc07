"""Energy that the processors used, by their own counters (RAPL), where the machine lets them be read."""

from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


class EnergyCounter:
    """The counters of all processor packages of a machine. They count all that runs on it, and no GPU."""

    def __init__(self, root: Path = POWERCAP) -> None:
        self.root = root
        self._range_uj: dict[Path, float] = {}
        for name in sorted(root.glob("*/name")):
            try:
                if name.read_text(encoding="utf-8").strip().startswith("package"):
                    _number(name.parent / "energy_uj")
                    self._range_uj[name.parent] = _number(name.parent / "max_energy_range_uj")
            except (OSError, ValueError):
                continue  # a counter that only root may read is as good as none

    def __bool__(self) -> bool:
        """Whether energy is known."""
        return bool(self._range_uj)

    @property
    def about(self) -> str:
        """Where energy comes from, or why it is not known."""
        if self:
            return f"RAPL of {len(self._range_uj)} processor packages: all that ran on the machine"
        return f"not known: no counter of a processor package below {self.root} can be read"

    def read(self) -> dict[Path, float]:
        """The counters now, in µJ; empty where there is none."""
        return {folder: _number(folder / "energy_uj") for folder in self._range_uj}

    def used_j(self, before: dict[Path, float], after: dict[Path, float]) -> float:
        """Joules between two readings; a counter begins again at its range."""
        return sum((after[one] - before[one]) % size for one, size in self._range_uj.items()) / 1e6


def _number(path: Path) -> float:
    return float(path.read_text(encoding="utf-8"))
