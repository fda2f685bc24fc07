"""From the bytes of a file to its `Recording`: one reader a format, and the table that tells them apart."""
