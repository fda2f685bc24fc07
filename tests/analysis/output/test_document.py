"""The JSON Schema and the page about it say the same."""

from pathlib import Path
from typing import Any

from beatssl.analysis.output.document import analysis_schema
from beatssl.analysis.result import FORMAT_VERSION
from beatssl.features.wave_intervals import DEFINITIONS

PAGE = Path(__file__).resolve().parents[3] / "docs" / "analyze.md"


def field_table() -> str:
    """The fields of the JSON form as the Markdown table of docs/analyze.md; print it to renew the page."""
    lines = ["| field | what it is |", "| --- | --- |"]
    for name, part in analysis_schema()["properties"].items():
        lines.append(f"| `{name}` | {part['description']} |")
        lines += [f"| `{name}{path}` | {text} |" for path, text in inner(part)]
    return "\n".join(lines)


def inner(part: dict[str, Any], path: str = "") -> list[tuple[str, str]]:
    """Paths and descriptions of what stands one level or more below a part."""
    if "oneOf" in part:
        part = part["oneOf"][1]
    if part.get("type") == "array":
        return inner(part["items"], f"{path}[]")
    found: list[tuple[str, str]] = []
    for name, own in part.get("properties", {}).items():
        if text := own.get("description", ""):
            found.append((f"{path}.{name}", text))
        found += inner(own, f"{path}.{name}")
    return found


def test_the_page_has_the_fields_of_the_schema() -> None:
    assert field_table() in PAGE.read_text(encoding="utf-8")
    measurement = analysis_schema()["$defs"]["measurement"]["properties"]
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"`{name}`" in text for name in measurement)
    assert all(f"`{name}`" in text for name in ("pr_interval_global_ms", "qtc_hodges_global_ms", "qrs_axis_deg"))


def test_the_schema_has_the_version_and_every_object_is_closed() -> None:
    schema = analysis_schema()
    assert schema["properties"]["format"]["const"] == FORMAT_VERSION
    assert len(DEFINITIONS) > 15
    open_objects: list[str] = []

    def walk(part: Any, path: str) -> None:
        if isinstance(part, dict):
            if part.get("type") == "object" and "additionalProperties" not in part:
                open_objects.append(path)
            for name, own in part.items():
                walk(own, f"{path}/{name}")
        elif isinstance(part, list):
            for number, own in enumerate(part):
                walk(own, f"{path}/{number}")

    walk(schema, "")
    assert open_objects == []
