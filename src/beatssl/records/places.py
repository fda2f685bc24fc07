"""Several files and folders at once, wherever they lie: what each holds, under ids that differ."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from beatssl.records.files import FilesReader, located
from beatssl.records.reader import Source


def sources_at(reader: FilesReader, places: Sequence[Path]) -> list[Source]:
    """Every record of these files and folders, sorted by id; of one place as the reader lists them.

    The id of a record is its path below the folder that was given, the name of a file that was given itself. Places
    that would share an id are seen from the folders above them, as far as is needed: ward7/ecg1.csv and
    ward8/ecg1.csv. A file that is given twice is read once.

    Raises FileNotFoundError for a place that is not there or holds no ECG.
    """
    if len(places) == 1:
        return reader.sources(places[0])
    of_places: list[list[Source]] = []
    seen: set[tuple[Path, str]] = set()
    for place in (located(place).absolute() for place in places):
        root = place if place.is_dir() else place.parent
        of_place: list[Source] = []
        for source in reader.sources(place):
            key = (root / source.path).resolve(), repr(sorted(source.info.items()))
            if key not in seen:
                seen.add(key)
                of_place.append(replace(source, root=str(root)))
        of_places.append(of_place)
    while shared := _sharing(of_places):
        lifted = [_lifted(reader, some) if at in shared else some for at, some in enumerate(of_places)]
        if lifted == of_places:
            break
        of_places = lifted
    return sorted((one for some in of_places for one in some), key=lambda one: (one.id, one.path))


def _sharing(of_places: Sequence[Sequence[Source]]) -> set[int]:
    """The places that share an id with another one."""
    having: dict[str, set[int]] = defaultdict(set)
    for at, some in enumerate(of_places):
        for one in some:
            having[one.id].add(at)
    return {at for places in having.values() if len(places) > 1 for at in places}


def _lifted(reader: FilesReader, sources: Sequence[Source]) -> list[Source]:
    """The sources of a place as seen from the folder above theirs."""
    return [reader.seen_from(Path(one.root).parent, one) if Path(one.root).name else one for one in sources]
