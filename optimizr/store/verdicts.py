"""What a bucket's refusal means: for one picture, for the run, or for a setting."""

from __future__ import annotations

from optimizr.errors import ConfigError, EnvironmentStop, PictureError, Reason, Stage
from optimizr.keys import to_text
from optimizr.store.cloud.refusals import NO_CREDENTIALS, Refusal
from optimizr.store.place import Place


def unusable(setting: str, place: Place, what: str, refusal: Refusal) -> ConfigError:
    """Say of a bucket, before anything is begun, why it is of no use."""
    advice = "see that the credentials may do so (docs/storage.md)"
    if refusal.is_of_bucket or refusal.status == 404:
        advice = "check the bucket's name, and store.endpoint"
    if refusal.code == NO_CREDENTIALS:
        advice = "docs/storage.md says where they are looked for"
    return ConfigError(f"{setting}: expected {place.url} to {what}, got: {refusal}; {advice}")


def about_store(place: Place, refusal: Refusal) -> EnvironmentStop:
    """Say why the run cannot go on."""
    if refusal.is_of_bucket:
        return EnvironmentStop(
            "bucket_gone",
            f"expected {place.url} to be there still, got: {refusal}; bring it back and run the "
            "same command again",
        )
    return EnvironmentStop(
        "store_refused",
        f"expected {place.url} to answer as it did before, got: {refusal}; see that the "
        "credentials are valid still, and run the same command again",
    )


def about_object(
    place: Place, key: bytes, stage: Stage, refusal: Refusal
) -> PictureError | EnvironmentStop:
    """Say why one picture cannot be done, unless it concerns them all."""
    if refusal.is_of_bucket or refusal.is_of_credentials:
        return about_store(place, refusal)
    if refusal.status == 404:
        return PictureError(
            stage,
            Reason.NOT_FOUND,
            "expected the object that was listed, got none: it is gone since; bring it back",
        )
    if refusal.is_passing:
        return PictureError(
            stage,
            Reason.UNREADABLE if stage is not Stage.STORE else Reason.OUTPUT_BLOCKED,
            f"expected an answer about {to_text(key)!r} at last, got: {refusal}, though the store "
            "answers others; run again",
        )
    if stage is not Stage.STORE:
        return PictureError(
            stage,
            Reason.UNREADABLE,
            f"expected an object that can be read, got: {refusal}; see that it may be read, and "
            "that it is not archived",
        )
    if refusal.status == 403:  # what may not be written here may be written nowhere
        return about_store(place, refusal)
    return PictureError(
        stage,
        Reason.OUTPUT_BLOCKED,
        f"expected to write {to_text(key)!r}, got: {refusal}; mend what the store complains of",
    )
