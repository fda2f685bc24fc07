"""What a file that is no ECG is instead, for the message that refuses it."""

_MAGIC = {
    b"\xff\xd8\xff": "a JPEG picture",
    b"\x89PNG": "a PNG picture",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a gzip archive",
    b"PK\3\4": "a zip archive",
    b"BM": "a bitmap",
    b"GIF8": "a GIF picture",
    b"II*\0": "a TIFF picture",
}


def kind_of_content(head: bytes) -> str:
    """What the first bytes say, without quoting them: they may be a name."""
    if not head:
        return "an empty file"
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    return "text" if all(32 <= byte < 127 or byte in b"\r\n\t" for byte in head[:64]) else "other binary data"
