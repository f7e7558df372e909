"""Whether a GIF is whole. Its decoder takes what frames there are and calls that a picture.

Blocks by the GIF89a specification: 17 to 27.
"""

from __future__ import annotations

_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B


def is_whole(data: bytes) -> bool:
    """Tell whether the blocks lead to the trailer; what stands behind it does not matter."""
    try:
        place = 13 + _table(data[10])
        while data[place] != _TRAILER:
            if data[place] == _EXTENSION:
                place = _after_sub_blocks(data, place + 2)
            elif data[place] == _IMAGE:
                place += 10 + _table(data[place + 9])
                place = _after_sub_blocks(data, place + 1)
            else:
                return False
    except IndexError:
        return False
    return True


def _table(flags: int) -> int:
    """Give the bytes of the colour table that these flags announce."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, place: int) -> int:
    while data[place]:
        place += data[place] + 1
    return place + 1
