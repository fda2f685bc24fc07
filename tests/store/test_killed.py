import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare

pytestmark = pytest.mark.skipif(os.name == "nt", reason="SIGKILL and fork are POSIX")

PREPARE = """
import sys
from beatssl.store.config import PrepareConfig
from beatssl.store.prepare import prepare
if __name__ == "__main__":
    print(prepare(PrepareConfig("synthetic", "8", sys.argv[1], shard_records=1, workers=2, clusters=3)).shards_kept)
"""


def hashes(store: Path) -> dict[str, str]:
    paths = [path for path in sorted(store.rglob("*")) if path.is_file()]
    return {str(path.relative_to(store)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_killed_at_every_step_it_ends_with_the_same_bytes(tmp_path):
    script = Path(__file__).parent / "killed.py"
    done = subprocess.run([sys.executable, str(script), str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 10
    assert hashes(tmp_path / "killed") == hashes(tmp_path / "whole")


def test_killed_at_random_while_its_workers_live_on_it_ends_with_the_same_bytes(tmp_path):
    rng = np.random.default_rng()
    (tmp_path / "run.py").write_text(PREPARE)
    command = [sys.executable, str(tmp_path / "run.py"), str(tmp_path / "killed")]
    run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not list((tmp_path / "killed").glob("shard-*")) and run.poll() is None:
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 0.3))
    run.send_signal(signal.SIGKILL)  # the workers are left behind and may finish their shards beside the next run
    run.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert int(done.stdout) >= 1
    prepare(PrepareConfig("synthetic", "8", tmp_path / "whole", shard_records=1, workers=1, clusters=3))
    assert hashes(tmp_path / "killed") == hashes(tmp_path / "whole")
