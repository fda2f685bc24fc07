"""Names of devices, apart from PyTorch: configs name one long before a network runs."""

from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
"""auto: a GPU where there is one."""
