"""What the viewer refuses, and that nothing is left behind: names, sizes, types, broken bodies, other pages."""

import pytest

pytest.importorskip("fastapi")


LIMIT_MB = 1
