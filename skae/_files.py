"""Files that are written whole or not at all."""

import os
import secrets
from pathlib import Path


def write_atomically(path, data):
    """Write a file beside ``path`` and put it in its place once all of it is on the disk."""
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
