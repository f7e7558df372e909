"""Keys are bytes inside, since a file's name is; in JSON and on screens they are text.

The text form is reversible: UTF-8 where the bytes are UTF-8, each other byte as `%XX`, and a
`%` itself as `%25`. So a line of `failed.jsonl` names exactly one file, whatever its name is.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

_SURROGATE = re.compile("[\udc80-\udcff]")


def to_text(key: bytes) -> str:
    r"""Write a key as text for JSON, losing nothing: `b'a%b\xff'` becomes `'a%25b%FF'`."""
    if key.isascii() and b"%" not in key:
        return key.decode("ascii")
    text = key.decode("utf-8", "surrogateescape").replace("%", "%25")
    return _SURROGATE.sub(lambda match: f"%{ord(match[0]) - 0xDC00:02X}", text)


def from_text(text: str) -> bytes:
    """Read back what `to_text` wrote."""
    return unquote_to_bytes(text)
