#!/usr/bin/env bash
# The finalists at full size on one GPU, in three parts of eight minutes each, 24 in all: studies/gpu.sh 1, then 2, then 3.
# A part that was stopped goes on when it is given again; part N trains and scores what is left of the first N seeds.
# STORES: folder of the prepared stores; OUT: folder of the runs; DEVICE: cuda, or cpu to try the script.
set -euo pipefail
part=${1:?pass 1, 2 or 3}
case $part in 1 | 2 | 3) ;; *) echo "part $part is none; pass 1, 2 or 3" >&2; exit 2 ;; esac
cd "$(dirname "$0")/.."
beatssl=$(command -v .venv/bin/beatssl || command -v beatssl)

# Interrupted after seven minutes and a quarter: the run in work goes on from its last state the next time.
status=0
timeout --signal=INT --kill-after=15 435 "$beatssl" study default --budget full --groups finalists \
  --out "${OUT:-runs/study-gpu}" --stores "${STORES:-stores}" --device "${DEVICE:-cuda}" \
  --seeds "$part" --minutes 7 || status=$?
case $status in
  0) ;;
  124 | 130 | 137) echo "time is up; give part $part again" >&2 ;;
  *) exit "$status" ;;
esac
timeout 30 "$beatssl" study default --out "${OUT:-runs/study-gpu}" --stores "${STORES:-stores}" --budget full --groups finalists --only-table
