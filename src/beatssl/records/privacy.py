"""What of a person may leave a clinical file: a salted hash to split by, age, sex, and nothing that names them."""

import contextlib
import os
import re
import secrets
import tempfile
import unicodedata
from collections.abc import Iterable
from hashlib import blake2b
from pathlib import Path

_SHORTEST = 3  # a shorter name or number stands in too many file names by chance


def default_salt() -> bytes:
    """The salt of this user: the environment's BEATSSL_SALT, else ~/.config/beatssl/salt, made at the first call.

    The file can be read by its owner only (0600). Whoever has the salt can test guesses of a patient's number, so it
    belongs in no store; losing it means that later hashes of the same patient differ from earlier ones.
    """
    if text := os.environ.get("BEATSSL_SALT"):
        return text.encode()
    path = Path.home() / ".config" / "beatssl" / "salt"
    if not path.exists():
        _create(path, secrets.token_hex(32).encode())
    return path.read_bytes().strip()


def _create(path: Path, content: bytes) -> None:
    """Write a new private file whole or not at all: of two processes at once, both then read the first one's."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, part = tempfile.mkstemp(dir=path.parent)  # 0600 by its own
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        with contextlib.suppress(FileExistsError):
            os.link(part, path)
    finally:
        os.unlink(part)


def salted_hash(text: str, salt: bytes) -> str:
    """BLAKE2b of `text` keyed with `salt`, 32 hexadecimal digits. Raises ValueError for an empty salt."""
    if not salt:
        raise ValueError("the salt is empty; anyone could then undo the hash by trying patient numbers")
    key = salt if len(salt) <= 64 else blake2b(salt).digest()
    return blake2b(text.encode(), key=key, digest_size=16).hexdigest()


def names_someone(text: str, identifiers: Iterable[str]) -> bool:
    """Whether a name, number or date of `identifiers` stands in `text` (a file name, say).

    Case, accents and what stands between letters do not count, and ä, ö, ü may be ae, oe, ue.
    """
    spelled = _spellings(text)
    words = {word for identifier in identifiers for word in words_of(identifier)}
    return any(len(word) >= _SHORTEST and word in plain for word in words for plain in spelled)


def words_of(text: str) -> set[str]:
    """A name or number as a whole and in its words, in every spelling."""
    return {word for part in (text, *re.split(r"[\W_]+", text)) for word in _spellings(part)}


def _spellings(text: str) -> set[str]:
    """Letters and digits alone, without accents: Müller as "muller" and "mueller"."""
    folded = unicodedata.normalize("NFC", text).casefold()
    german = folded.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue")
    bare = ("".join(c for c in unicodedata.normalize("NFKD", form) if c.isalnum()) for form in (folded, german))
    return set(bare)


def find_hashed(folder: str | Path, hashed: str, salt: bytes | None = None) -> Path:
    """The file below `folder` that a hash in a store's tables or in a message stands for.

    For the owner of the salt alone (None: `default_salt()`). `folder` is what was prepared: paths are hashed relative
    to it. What follows the 32 digits of `hashed`, such as ".edf", does not count.

    Raises FileNotFoundError where there is no such file, or another salt was used.
    """
    salt = default_salt() if salt is None else salt
    folder = Path(folder)
    root = folder.parent if folder.is_file() else folder
    for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
        if salted_hash(path.relative_to(root).as_posix(), salt) == hashed[:32]:
            return path
    raise FileNotFoundError(
        f"no file below {folder} has the hash {hashed}; give the folder that was prepared, and the salt that was used"
    )
