"""What URLs of stores are read as, and which keys can be asked for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from optimizr.errors import ConfigError, PictureError, Reason, Stage
from optimizr.store.addresses import path_of
from optimizr.store.place import Place, parse
from tests.conftest import clean_environment


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://bucket", Place("s3", "bucket", "")),
        ("s3://bucket/", Place("s3", "bucket", "")),
        ("S3://bucket/a/b/", Place("s3", "bucket", "a/b")),
        ("gs://bucket/a b/100%.jpg", Place("gs", "bucket", "a b/100%.jpg")),
        ("az://container/#1?/ü", Place("az", "container", "#1?/ü")),
        ("memory://x/in", Place("memory", "x", "in")),
        ("https://host:8080/a%20b/c.jpg", Place("https", "host:8080", "a b/c.jpg")),
        ("pictures", None),
        ("/pictures/s3://bucket", None),
        ("./http:/x", None),
        ("C:/pictures", None),
    ],
)
def test_a_url_is_read_as_a_place_and_all_else_is_a_path(url: str, place: Place | None) -> None:
    assert parse("input", url) == place


@pytest.mark.parametrize("url", ["s3://bucket", "az://container/a b/ü%", "memory://x/in/deep"])
def test_a_place_is_named_as_it_was_given(url: str) -> None:
    place = parse("input", url)
    assert place is not None
    assert place.url == url


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://host/x", "begins with ftp://"),
        ("s3://", "without a bucket"),
        ("s3:///key", "without a bucket"),
        ("https://host/a.jpg?size=1", "without a query"),
        ("https://host/a.jpg#top", "without a query"),
        ("s3://bucket/a//b", "output: expected"),
        ("s3://bucket/a/../b", "output: expected"),
        ("s3://bucket/tab\t", "output: expected"),
        ("s3://bucket/caf\udce9", "output: expected"),
        ("http://[half/a.jpg", "output: expected"),
    ],
)
def test_a_url_that_is_of_no_use_is_refused(url: str, told: str) -> None:
    with pytest.raises(ConfigError, match=r"^output: expected ") as caught:
        parse("output", url)
    assert told in str(caught.value)


_SECRET = "s3cr3t-KEY+x="
_words = st.text(st.characters(exclude_characters="@?#"), max_size=8)


@given(
    scheme=st.sampled_from(["s3", "gs", "az", "http", "https", "memory", "ftp"]),
    before=_words,
    after=_words,
    form=st.sampled_from(
        ["{s}@{b}", "{b}:{s}@{a}", "{s}:@{a}/{b}", "{b}:{s}@{a}/p?x#y", "{b}@{s}@{a}", "{b}:{s}"]
    ),
)
@example("https", "user", "host", "{b}:{s}@{a}/p?x")
@example("https", "user", "host", "{b}:{s}/x@{a}")
@example("https", "host", "", "{b}?signature={s}")
@example("https", "host", "", "{b}?signature={s}/more")
@example("https", "host", "", "{b}/a.jpg?signature={s}")
@example("https", "host", "", "{b}#{s}/more")
def test_a_secret_in_a_url_is_refused_and_never_repeated(
    scheme: str, before: str, after: str, form: str
) -> None:
    if "/" in before + after:
        return
    with pytest.raises(ConfigError) as caught:
        parse("input", f"{scheme}://{form.format(s=_SECRET, b=before, a=after)}")
    assert _SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


@given(st.text(), st.sampled_from(["", "s3://", "https://", "az://b/", "http://[", "://"]))
def test_any_text_is_a_place_a_path_or_a_mistake_in_a_setting(text: str, start: str) -> None:
    try:
        place = parse("input", start + text)
    except ConfigError:
        return
    if place is not None:
        assert place.bucket
        assert place.contains(place)
        place.url.encode()


def test_a_place_contains_itself_and_what_is_below() -> None:
    place = Place("s3", "bucket", "in")
    assert place.contains(place)
    assert place.contains(Place("s3", "bucket", "in/deep"))
    assert Place("s3", "bucket", "").contains(place)
    for prefix in ("", "input", "i", "on/in"):
        assert not place.contains(Place("s3", "bucket", prefix))
    assert not place.contains(Place("gs", "bucket", "in"))
    assert not place.contains(Place("s3", "other", "in"))


def test_the_parent_of_a_place_and_its_name_there_make_it() -> None:
    assert Place("s3", "b", "in/a.jpg").parent() == (Place("s3", "b", "in"), "a.jpg")
    assert Place("s3", "b", "a.jpg").parent() == (Place("s3", "b", ""), "a.jpg")
    assert Place("s3", "b", "").parent() == (Place("s3", "b", ""), "")


@given(st.binary(max_size=30) | st.text("a./\t\x7fü", max_size=8).map(str.encode))
def test_a_key_is_asked_for_as_it_is_or_not_at_all(key: bytes) -> None:
    try:
        path = path_of(key, Stage.FETCH)
    except PictureError as error:
        path, told = "", (error.stage, error.reason)
        str(error).encode()
    if not path:
        assert told == (Stage.FETCH, Reason.KEY_NOT_ADDRESSABLE)
        return
    assert path.encode() == key
    assert not {"", ".", ".."} & set(path.split("/"))
    assert not any(ord(char) < 32 for char in path)


def test_a_key_is_too_long_by_its_bytes() -> None:
    assert path_of(b"n" * 1024, Stage.LIST)
    assert path_of("ü".encode() * 512, Stage.LIST)
    for key in (b"n" * 1025, "ü".encode() * 513):
        with pytest.raises(PictureError) as caught:
            path_of(key, Stage.LIST)
        assert caught.value.reason is Reason.NAME_TOO_LONG
        assert len(str(caught.value)) < 200


OPENED = """
import sys
sys.modules.update(dict.fromkeys(sys.argv[2:]))
from optimizr import outputs
from optimizr.config import Settings
try:
    outputs.open_output(Settings(input=".", output=sys.argv[1]))
except outputs.ConfigError as error:
    print(error)
else:
    clouds = ("azure.storage.blob", "boto3", "google.cloud.storage", "obstore")
    print([name for name in clouds if name in sys.modules])
"""


@pytest.mark.parametrize(
    ("output", "loaded"),
    [
        ("folder", []),
        ("memory://m", []),
        ("s3://b", ["boto3", "obstore"]),
        ("gs://b", ["google.cloud.storage", "obstore"]),
        ("az://b", ["azure.storage.blob", "obstore"]),
    ],
)
def test_a_clouds_libraries_are_loaded_for_its_own_urls_alone(
    output: str, loaded: list[str], tmp_path: Path
) -> None:
    assert opened(tmp_path, output) == str(loaded)


@pytest.mark.parametrize(
    ("output", "missing", "extra"),
    [
        ("s3://b", "boto3", "s3"),
        ("gs://b", "google.cloud.storage", "gcs"),
        ("az://b", "azure.identity", "azure"),
        ("az://b", "obstore", "azure"),
    ],
)
def test_a_cloud_whose_libraries_are_missing_says_how_to_get_them(
    output: str, missing: str, extra: str, tmp_path: Path
) -> None:
    assert f"pip install 'optimizr[{extra}]'" in opened(tmp_path, output, missing)


def opened(cwd: Path, *args: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", OPENED, *args],
        cwd=cwd,
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
