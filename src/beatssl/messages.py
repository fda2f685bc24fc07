"""Messages in the words of whoever reads them: options as arguments in Python, as flags on the command line."""

import inspect
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

_OF_READERS = "files"
_VALUE = r"'[^']*'|\"[^\"]*\"|[\w.,:/-]*\w"


def renamed(text: str, names: Mapping[str, str]) -> str:
    """The message with options that it names as `name=` under other names."""
    return _OPTION.sub(lambda match: f"{names.get(match['name'], match['name'])}={match['value'] or ''}", text)


def as_flags(text: str, flags: Mapping[str, str]) -> str:
    """The message with options as they are typed: `fs_hz=500` as `--fs-hz 500`, `no_unit='flag'` as `--no-unit flag`.

    `flags` are those of the verb by the option's name in Python; other names stay. A name of several words will do
    without the equals sign too.
    """

    def flag(match: re.Match[str]) -> str:
        if (known := flags.get(match["name"])) is None:
            return match[0]
        value = (match["value"] or "").strip("'\"")
        return known if value in ("", "True") else f"{known} {value}"

    text = _OPTION.sub(flag, text)
    return _ALONE.sub(lambda match: flags.get(match[0], match[0]), text)


_OPTION = re.compile(rf"(?<![\w./-])(?P<name>[a-z]\w*)=(?P<value>{_VALUE})?")
_ALONE = re.compile(r"(?<![\w./'\"-])[a-z]+(?:_[a-z]+)+(?![\w/'\"=(-]|\.\w)")


def flags_of(config: Any) -> dict[str, str]:
    """The flag of every option of a config or function, by its name in Python.

    What is given by position has none. Of the parts that have a name only `files` counts: what readers say is in its
    words. An option of the config itself comes before one of a part.
    """
    found: dict[str, str] = {}
    for name, flag in _flags(config, ""):
        found.setdefault(name, flag)
    return found


def _flags(config: Any, prefix: str) -> list[tuple[str, str]]:
    """Pairs of name and flag, those of parts last."""
    if not is_dataclass(config):
        parameters = inspect.signature(config).parameters.values()
        return [(p.name, _flag("", p.name)) for p in parameters if p.default is not inspect.Parameter.empty]
    hints = get_type_hints(config, include_extras=True)
    own: list[tuple[str, str]] = []
    nested: list[tuple[str, str]] = []
    for one in fields(config):
        hint = hints[one.name]
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        kind = get_args(hint)[0] if marks else hint
        if is_dataclass(kind):
            unnamed = any(getattr(mark, "name", None) == "" for mark in marks)
            if unnamed or one.name == _OF_READERS:
                nested += _flags(kind, prefix if unnamed else f"{prefix}{one.name}.")
        elif "Positional" not in repr(hint):
            own.append((one.name, _flag(prefix, one.name)))
    return own + nested


def _flag(prefix: str, name: str) -> str:
    return f"--{prefix}{name}".replace("_", "-")


def refused_values(text: str, config: Any) -> str:
    """What pydantic says of values, in a box that tyro has drawn or alone, in its own words; "" where there is no such
    thing.

    "1 validation error for PrepareConfig fs_hz Input should be greater than 0 [type=greater_than] ───" is
    "fs_hz=: the value should be greater than 0"; an option of a part of the `config` has the part before it.
    """
    line = " ".join(text.replace("│", " ").split())  # without UTF-8 the box is of other signs
    line = re.sub(r" ?For further information visit \S+", "", line)
    found = re.search(r"\d+ validation errors? for (\w+) (.*?)(?: [─-]{3}|$)", line)
    if found is None:
        return ""
    parts = [part.strip() for part in re.split(r"\[type=[^\]]*\]", found[2]) if part.strip()]
    within = _parts(config, "").get(found[1], "")

    def named(match: re.Match[str]) -> str:
        return f"{_flag(within, match[1])}: " if within else f"{match[1]}=: "

    said = [re.sub(r"^(\w+) (?=Input )", named, part.removeprefix("Value error, ")) for part in parts]
    return "; ".join(part.replace("Input should", "the value should") for part in said)


def _parts(config: Any, prefix: str) -> dict[str, str]:
    """What stands before the options of each part of a config, by the name of the part's class: "encoder."."""
    found: dict[str, str] = {}
    for name, hint in get_type_hints(config, include_extras=True).items() if is_dataclass(config) else ():
        marks = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        unnamed = any(getattr(mark, "name", None) == "" for mark in marks)
        within = prefix if unnamed else f"{prefix}{name}."
        for kind in (hint, *get_args(hint)):
            if is_dataclass(kind) and isinstance(kind, type):
                found |= {kind.__name__: within} | _parts(kind, within)
    return found
