"""Rows of the table of figures for `bench analyze`."""

from collections.abc import Callable, Mapping
from typing import Any


def _one_file(f: Mapping[str, Any]) -> str:
    return f"{f['import_s']:.2f} / {f['load_s']:.1f} / {f['command_s']:.1f} s ({f['torch_import_s']:.1f} s of it torch)"


def _one_record(f: Mapping[str, Any]) -> str:
    return f"{f['record_ms']:.0f} / {f['record_with_embeddings_ms']:.0f} ms"


def _folder(f: Mapping[str, Any]) -> str:
    return (
        f"{f['folder_files_per_s']:.0f} files/s of {f['folder_files']:,} on {f['folder_workers']} cores, "
        f"{f['folder_memory_gb']:.2f} GB (load before: {f['load_before']:.1f})"
    )


def _long(f: Mapping[str, Any]) -> str:
    return f"{f['long_s']:.0f} s, {f['long_memory_gb']:.2f} GB, {f['long_hours']:g} h"


def _tool(name: str) -> Callable[[Mapping[str, Any]], str]:
    def show(f: Mapping[str, Any]) -> str:
        found = next(tool for tool in f["tools"] if tool["tool"] == name)
        what = "not measured" if found["record_ms"] is None else f"{found['record_ms']:.0f} ms"
        return f"{what}: {found['note'] or found['gives']}"

    return show


_TOOLS = (
    "beatssl", "NeuroKit2 ecg_delineate (dwt)", "NeuroKit2 ecg_process", "sleepecg detect_heartbeats",
    "torch_ecg xqrs_detect",
)  # fmt: skip

ANALYZE_ROWS = (
    ("import beatssl / load() after torch / analyze FILE --json", _one_file),
    ("one record on one core, without / with embeddings", _one_record),
    ("analyze FOLDER --json", _folder),
    ("one lead at 250 Hz on one core", _long),
    *((f"{name}, one core", _tool(name)) for name in _TOOLS),
)
