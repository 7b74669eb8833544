"""Arrays and settings as text within a page, and their sizes."""

import json
import zlib
from base64 import b64encode
from typing import Any

import numpy as np

# Above it compression takes far longer, for hardly less.
_ZLIB_LEVEL = 6


def pack(array: np.ndarray) -> dict[str, Any]:
    """Return an array as the page reads it: type, shape, and compressed bytes in base64."""
    # Browsers on all processors in use read the lowest byte first.
    array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    data = b64encode(zlib.compress(array.tobytes(), _ZLIB_LEVEL)).decode()
    return {"dtype": array.dtype.name, "shape": array.shape, "data": data}


def packed_size(packed: Any) -> int:
    """Return the number of characters that a packed array, or a list of them, takes."""
    return len(as_json(packed))


def as_json(value: Any) -> str:
    """Return JSON that can stand within a script element of a page."""
    # Values that are not numbers would not be JSON.
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    # Nothing in it can end the element.
    return text.replace("<", "\\u003c")
