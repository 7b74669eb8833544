"""Files that are written whole or not at all."""

import errno
import os
import secrets
from pathlib import Path


def as_path(path: str | os.PathLike[str]) -> Path:
    """Return a path in which ``~`` is the home folder; a TypeError if it is none."""
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"path must be a str or a path, got {type(path).__name__}.")
    return Path(path).expanduser()


def target(path: str | os.PathLike[str]) -> Path:
    """Return the file that a path stands for, if it can be written.

    Meant to be called before the work whose result goes there.

    Parameters
    ----------
    path : str or path-like
        ``~`` stands for the home folder; of a link, the file that it points to is meant.

    Returns
    -------
    path : Path

    Raises
    ------
    TypeError
        If it is no path.
    OSError
        If the folder does not exist or may not be written to, or if the path is a folder.
    """
    path = Path(os.path.realpath(as_path(path)))
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "Is a folder, expected a file", str(path))
    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "Its folder does not exist", str(path))
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, "Its folder may not be written to", str(path))
    return path


def write_atomically(path: str | os.PathLike[str], data: bytes | bytearray) -> None:
    """Write a file beside ``path`` and put it in its place once all of it is on the disk."""
    path = target(path)
    # In the same folder: only within one file system can a file be replaced at once.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            # Otherwise a crash of the machine could leave an empty file of the final name.
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
