"""One safetensors file with a digest over all of it."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

_MANIFEST = "manifest"
_NO_DIGEST = b"0" * 64
_DIGEST = re.compile(rb'"sha256":"([0-9a-f]{64})"')
# A value takes some 100 bytes of memory and two of text. So many are free; beyond them, a file
# has to have so many bytes for each.
_FREE_VALUES, _BYTES_OF_VALUE = 100_000, 10


def pack(manifest: object, tensors: dict[str, np.ndarray], about: dict[str, str]) -> bytearray:
    """Return the bytes of a file.

    Parameters
    ----------
    manifest : object
        What JSON can hold.
    tensors : dict of str to ndarray
    about : dict of str to str
        Kept where any reader of safetensors finds it.
    """
    text = json.dumps(manifest, separators=(",", ":")).encode("ascii")
    tensors = {_MANIFEST: np.frombuffer(text, np.uint8), **tensors}
    data = bytearray(safetensors.save(tensors, {**about, "sha256": _NO_DIGEST.decode()}))
    # The digest is that of the file with zeros in the digest's own place.
    start, end = next(_DIGEST.finditer(data)).span(1)
    data[start:end] = hashlib.sha256(data).hexdigest().encode()
    return data


def read(path: Path) -> bytes:
    """Return the bytes of a regular file, if its digest is that of its content."""
    # A pipe or device would be read without an end.
    if path.exists() and not path.is_file():
        raise ValueError(f"{path} is not a regular file.")
    data = path.read_bytes()
    # The header begins with its size, which can be anything where it was not skae that wrote it.
    found = _DIGEST.search(data, 8, min(len(data), 8 + int.from_bytes(data[:8], "little")))
    if not found:
        raise ValueError(
            f"{path} is not a file that skae.save wrote: it has {len(data)} bytes and begins with "
            f"{data[:16]!r}."
        )
    start, end = found.span(1)
    digest = hashlib.sha256(data[:start])
    digest.update(_NO_DIGEST)
    digest.update(memoryview(data)[end:])
    if digest.hexdigest().encode() != found[1]:
        raise ValueError(
            f"{path} is damaged: the digest in it, {found[1].decode()[:12]}…, is not that of its "
            f"content, {digest.hexdigest()[:12]}…"
        )
    return data


def unpack_about(data: bytes) -> dict[str, str]:
    """Return the `about` that `pack` was given."""
    # Eight bytes hold the size of the header.
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    about: dict[str, str] = header["__metadata__"]
    return about


def unpack(data: bytes) -> tuple[Any, dict[str, np.ndarray]]:
    """Return manifest and tensors; raises a ValueError where they are not in order."""
    try:
        tensors = safetensors.load(data)
    except SafetensorError as error:
        raise ValueError(f"its arrays are not in order: {error}") from error
    text = tensors.pop(_MANIFEST).tobytes()
    if text.count(b",") > max(_FREE_VALUES, len(data) // _BYTES_OF_VALUE):
        raise ValueError("it holds more values than a file of its size can")
    return json.loads(text), tensors
