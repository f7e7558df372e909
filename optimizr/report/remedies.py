"""How to mend each kind of failure: for the report's page, where the reason alone helps nobody."""

from __future__ import annotations

from optimizr.errors import Reason

REMEDIES: dict[str, str] = {
    Reason.BAD_LINE: "Mend or remove the line of the list that was given as input.",
    Reason.BAD_MESSAGE: "Mend whoever sends such messages; docs/queues.md has the forms.",
    Reason.CANNOT_REACH_TARGET: "Ask for less, or say webp.if_unreachable keep.",
    Reason.CHANGED: "Run again once nobody writes to the pictures.",
    Reason.CORRUPT: "Restore the file from a backup, or save it anew in a picture editor.",
    Reason.CRASHED: "It takes the decoder down: keep it away from here, and please report it.",
    Reason.EMPTY_FILE: "Restore the file from a backup, or delete it.",
    Reason.ENCODER_FAILED: "Lower webp.quality, or resize with picture.resize.",
    Reason.FOLDER_UNREADABLE: "Give the user who runs optimizr the right to list the folder.",
    Reason.FORMAT_NOT_ENABLED: "Add the format to picture.formats.",
    Reason.INTERNAL_ERROR: "A mistake in optimizr: please report it with the event's traceback.",
    Reason.KEY_NOT_ADDRESSABLE: "Give the object another key, without odd slashes or controls.",
    Reason.NAME_TOO_LONG: "Shorten the name.",
    Reason.NOT_A_PICTURE: "Nothing to mend if it is none; else save it as what its name says.",
    Reason.NOT_FOUND: "Run again; a link that leads nowhere should be mended or removed.",
    Reason.OUTPUT_BLOCKED: "Move what stands in the way in the output.",
    Reason.OUTPUT_NOT_OURS: "Move the file away, or say policy.overwrite always (or never).",
    Reason.TIMEOUT: "Raise limits.timeout, or lower webp.effort.",
    Reason.TOO_LARGE_FILE: "Raise limits.max_file_size.",
    Reason.TOO_LARGE_FOR_MEMORY: "Raise pool.memory to what the message says.",
    Reason.TOO_LARGE_FOR_WEBP: "Make it fit with picture.resize: WebP holds 16383 pixels a side.",
    Reason.TOO_MANY_PIXELS: "Raise limits.max_pixels if the picture is to be trusted.",
    Reason.TRUNCATED: "The file ends too early: copy it here again, or restore it.",
    Reason.UNREADABLE: "Give the right to read it, or look after the disk.",
}
"""By the reason of `image.failed`. A test holds them to `optimizr.errors.Reason`."""

UNKNOWN = "See the messages in failed.jsonl."
"""For a reason that a newer version has told."""
