"""Started once by the fixture `forked`: imports for seconds, then runs each script it is told of in a fork."""

import json
import os
import runpy
import sys
import traceback

import torch

import beatssl.training.diagnosis.finetune
import beatssl.training.segmentation.segment  # noqa: F401


def run(script: str, args: list[str], out: str) -> None:
    """In a child: the script as Python would run it, what it prints in `out` and `out`.err."""
    for stream, path in ((1, out), (2, f"{out}.err")):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), stream)
    sys.argv = [script, *args]
    code = 1
    try:
        runpy.run_path(script, run_name="__main__")
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main() -> None:
    torch.set_num_threads(1)  # before a fork, and so that all runs add up in one order
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # imports for seconds too
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            run(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    main()
