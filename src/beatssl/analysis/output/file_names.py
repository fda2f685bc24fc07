"""Names of the files of single records."""

import re
from pathlib import PurePosixPath


def file_name(record_id: str) -> PurePosixPath:
    """A path below the folder of results for a record's id, which is a path or any text of a zip."""
    parts = [re.sub(r'[\\:*?"<>|\x00-\x1f]', "_", part) for part in record_id.split("/")]
    return PurePosixPath(*("_" if part.strip(". ") == "" else part for part in parts))
