"""Files that are there whole or not at all, whenever the process stops."""

import hashlib
import json
import os
from errno import EACCES
from pathlib import Path
from typing import Any


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises FileNotFoundError where there is none, ValueError where it is no JSON."""
    return json.loads(path.read_text(encoding="utf-8"))


def make_folder(path: Path) -> None:
    """Make a folder that can be written to, where there is none. Raises OSError that names it, and what to do."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(EACCES, "permission denied")
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise OSError(f"nothing can be written to {path} ({why}); pass another folder as out=") from None


def write_json(path: Path, value: Any) -> None:
    """Write an object as JSON in one step, its folder made where there is none.

    Raises ValueError for a number that is not finite: JSON has none.
    """
    write_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one step, its folder made where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = path.with_name(f".{path.name}.{os.getpid()}")
    scratch.write_bytes(content)
    os.replace(scratch, path)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def package_sha256() -> str:
    """SHA-256 of the package: code, constants and weights. What was made by another package is not gone on with."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(path for path in package.rglob("*") if path.suffix in (".py", ".json", ".safetensors")):
        digest.update(f"{path.relative_to(package)} {sha256_of(path)}\n".encode())
    return digest.hexdigest()
