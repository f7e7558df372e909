"""Lists as input: what each form of them names, wherever the list is, zipped or not."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from optimizr import inputs
from optimizr.config import Settings
from optimizr.errors import ConfigError, EnvironmentStop, Reason
from optimizr.source import Item, Source
from optimizr.source.formats import BadLine, Columns, Entry, plain
from optimizr.source.shard import Shard
from tests.buckets import Memory

Put = Callable[[str, bytes], str]
"""Puts a list somewhere and gives its address."""
SCHEMA = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag"


def opened(address: str, **more: Any) -> Source:
    return inputs.open_input(Settings(input=f"@{address}", output="memory://webps", **more))[1]


def keys(items: list[Item]) -> list[bytes]:
    assert [item.problem for item in items] == [None] * len(items)
    return [item.key for item in items]


def problems(source: Source) -> dict[bytes, Reason | None]:
    return {item.key: item.problem.reason if item.problem else None for item in source}


@pytest.fixture(params=["disk", "memory"])
def put(request: pytest.FixtureRequest, tmp_path: Path) -> Put:
    """Put lists on the disk, or into a bucket."""
    memory = Memory("lists")

    def on_disk(name: str, data: bytes) -> str:
        path = tmp_path / "lists" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return str(path)

    def in_bucket(name: str, data: bytes) -> str:
        memory.put(f"deep/{name}", data)
        return f"{memory.url}/deep/{name}"

    return on_disk if request.param == "disk" else in_bucket


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder with some files."""
    root = tmp_path / "tree"
    for name in (b"a.jpg", b"b c+d%41.png", b"sub/caf\xe9.jpg", b"sub/a.jpg", b"notes.txt"):
        path = os.path.join(os.fsencode(root), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(os.fsdecode(path)).write_bytes(name)
    monkeypatch.chdir(root)
    return root


ROWS = [
    b'"pictures","a+b%2Bc%25.jpg","v1","true","false","12","2026-01-01T00:00:00.000Z","e1"',
    b'"pictures","old.jpg","v0","false","false","12","2026-01-01T00:00:00.000Z","e0"',
    b'"pictures","gone.jpg","v2","true","true","","2026-01-01T00:00:00.000Z",""',
    b'"pictures","d/%22e%22%2C%0Af.png","v3","true","false","34","2026-01-01","e2-7"',
    b'"pictures","notes.txt","v3","true","false","34","2026-01-01","e3"',
]


def manifest(named: list[str], **more: Any) -> bytes:
    record = {
        "sourceBucket": "pictures",
        "destinationBucket": "arn:aws:s3:::nowhere-at-all",
        "version": "2016-11-30",
        "fileFormat": "CSV",
        "fileSchema": SCHEMA,
        "files": [{"key": key, "size": 1, "MD5checksum": "0"} for key in named],
    }
    return json.dumps(record | more, indent=2).encode()


@pytest.mark.parametrize("zipped", [False, True])
def test_paths_are_read_in_order_below_the_current_directory(
    put: Put, tree: Path, zipped: bool
) -> None:
    data = b"sub/caf\xe9.jpg\r\n\n./b c+d%41.png\r\n  \nsub//a.jpg\nnotes.txt\n"
    data += os.fsencode(tree) + b"/a.jpg\nnone.jpg"
    source = opened(put("keys", gzip.compress(data) if zipped else data))
    items = list(source)
    assert [item.key for item in items] == [
        *(b"sub/caf\xe9.jpg", b"b c+d%41.png", b"sub/a.jpg", b"a.jpg", b"none.jpg")
    ]
    assert all(item.output == item.key + b".webp" for item in items)
    assert [item.size for item in items] == [12, 14 - 2, 9, 5, 0]
    assert not any(item.is_unseen for item in items)
    assert items[-1].problem is not None
    assert items[-1].problem.reason is Reason.NOT_FOUND
    assert (source.ignored, source.is_whole, source.covers(b"a.jpg")) == (1, False, False)
    assert source.count() == 8


def test_absolute_paths_are_below_all_directories(put: Put, tree: Path) -> None:
    data = b"%b/a.jpg\nsub/a.jpg\n" % os.fsencode(tree)
    here = os.fsencode(tree)[1:]
    assert keys(list(opened(put("keys", data)))) == [here + b"/a.jpg", here + b"/sub/a.jpg"]


@pytest.mark.parametrize("zipped", [False, True])
def test_urls_are_keys_of_their_bucket_and_a_worker_asks_about_them(put: Put, zipped: bool) -> None:
    data = b"\xef\xbb\xbfs3://b/a b+c%41.jpg\nS3://b//odd.jpg\ns3://b/x.txt\ns3://b/x/\ns3://b\n"
    source = opened(put("keys", gzip.compress(data) if zipped else data))
    first, odd = source
    assert first == Item(b"a b+c%41.jpg", b"a b+c%41.jpg.webp", is_unseen=True)
    assert (odd.key, odd.problem and odd.problem.reason) == (
        *(b"/odd.jpg", Reason.KEY_NOT_ADDRESSABLE),
    )
    assert source.ignored == 3


def test_of_a_web_server_the_path_is_decoded_and_a_query_is_not_told() -> None:
    assert plain(b"https://host:8/a%20b+c/d.jpg") == Entry("https://host:8", b"a b+c/d.jpg")
    memory = Memory("lists")
    memory.put("keys", b"https://host/a.jpg\nhttps://host/b.jpg?secret=1\n")
    _, bad = opened(f"{memory.url}/keys")
    assert bad.problem is not None
    assert "secret" not in str(bad.problem)
    assert bad.problem.reason is Reason.BAD_LINE


def test_lines_that_lead_elsewhere_fail_by_their_number_and_the_others_go_on(
    put: Put, tree: Path
) -> None:
    (tree / "out.jpg").symlink_to(tree.parent / "elsewhere.jpg")
    lines = [
        *(b"a.jpg", b"s3://b/x.jpg", b"../a.jpg", b"/elsewhere/x.jpg", b"sub/../a.jpg"),
        *(b"ftp://h/x.jpg", b"long/" * (1 << 18) + b"x.jpg", b"n\0ul.jpg", b"out.jpg"),
        b"sub/a.jpg",
    ]
    address = put("keys", b"\n".join(lines))
    source = opened(address)
    found = problems(source)
    bad = {f"{address}:{number}".encode(): Reason.BAD_LINE for number in range(2, 9)}
    bad[b"out.jpg"] = Reason.BAD_LINE
    assert found == {b"a.jpg": None, **bad, b"sub/a.jpg": None}
    for more in ({"ledger": "ledger"}, {}):
        shards = [opened(address, shard={"index": n, "count": 3}, **more) for n in range(3)]
        parts = [problems(shard) for shard in shards]
        assert sum(map(len, parts)) == len(found)
        together = {key: reason for part in parts for key, reason in part.items()}
        if more:
            assert together == found
        else:  # where lines are not counted, they are named by where they begin
            assert sorted(map(str, together.values())) == sorted(map(str, found.values()))
            assert f"{address}:byte 6".encode() in together


def test_of_urls_another_bucket_or_a_path_is_a_bad_line(put: Put) -> None:
    data = b"s3://b/a.jpg\ns3://c/a.jpg\ngs://b/a.jpg\n/a.jpg\na.jpg\ns3://b/c/../d.jpg\ns3://:x@b/a.jpg"
    address = put("keys", data)
    bad = {f"{address}:{number}".encode(): Reason.BAD_LINE for number in range(2, 8)}
    assert problems(opened(address)) == {b"a.jpg": None} | bad


@pytest.mark.parametrize("zipped", [False, True])
def test_an_inventory_without_a_schema_has_encoded_keys(put: Put, zipped: bool) -> None:
    rows = [b'"b","a+b%2Bc.jpg"', b'"b","d%2Fe.jpg","1"', b'"c","a.jpg"', b'"b"', b'"b","f"g.jpg"']
    data = b"\r\n".join(rows) + b"\n"
    address = put("data", gzip.compress(data) if zipped else data)
    first, second, *bad = opened(address)
    assert first == Item(b"a b+c.jpg", b"a b+c.jpg.webp", is_unseen=True)
    assert second.key == b"d/e.jpg"
    assert [item.key for item in bad] == [f"{address}:{line}".encode() for line in (3, 4, 5)]
    assert {item.problem and item.problem.reason for item in bad} == {Reason.BAD_LINE}


def test_a_row_with_a_size_that_no_number_can_hold_is_a_bad_line() -> None:
    rows = [b'"b","a.jpg","%s","e"' % (b"9" * 5000), b'"b","b.jpg","7","e"']
    with pytest.raises(BadLine):
        Columns(size=2, etag=3).entry(rows[0])
    assert Columns(size=2, etag=3).entry(rows[1]) == Entry("s3://b", b"b.jpg", 7, '"e"')


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("folder", ["", "data/"])
def test_a_manifest_tells_size_and_version_of_what_is_there(
    put: Put, zipped: bool, folder: str
) -> None:
    one, two = b"\n".join(ROWS[:2]) + b"\n", b"\n".join(ROWS[2:])
    put(f"{folder}1.csv.gz", gzip.compress(one) if zipped else one)
    put(f"{folder}2.csv.gz", gzip.compress(two) if zipped else two)
    # In a bucket the files are where the manifest says; on a disk they are beside it.
    address = put("manifest.json", manifest([f"deep/{folder}{n}.csv.gz" for n in (1, 2)]))
    source = opened(address)
    first, second = source
    assert first == Item(b"a b+c%.jpg", b"a b+c%.jpg.webp", 12, '"e1"')
    assert second.key == b'd/"e",\nf.png'
    assert second.problem is not None  # a line's end cannot be asked for
    assert (second.problem.reason, source.ignored) == (Reason.KEY_NOT_ADDRESSABLE, 1)
    assert source.count() == 5


def test_shards_of_an_inventory_have_each_row_once_between_them(put: Put) -> None:
    named = [f"deep/data/{number}.csv.gz" for number in range(5)]
    for number, name in enumerate(named):
        rows = b"".join(b'"pictures","%d/%d.jpg"\n' % (number, row) for row in range(40))
        put(name.removeprefix("deep/"), gzip.compress(rows))
    address = put("manifest.json", manifest(named, fileSchema="Bucket, Key"))
    parts = [
        {item.key for item in opened(address, shard={"index": index, "count": 3})}
        for index in range(3)
    ]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 200
    assert all(len({key.split(b"/")[0] for key in part}) <= 3 for part in parts)
    # Where a ledger is kept, it is by keys, so that another number of shards goes on.
    kept = opened(address, shard={"index": 1, "count": 3}, ledger="ledger")
    assert {item.key for item in kept} == {
        key for part in parts for key in part if Shard(1, 3).has(key)
    }


def test_lines_are_counted_where_that_is_cheap(
    put: Put, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("optimizr.lists._COUNTED", 12)
    failures = b'{"key": "a.jpg", "source": "%b/a.jpg"}\n' % os.fsencode(tree)
    for data, lines in ((b"a.jpg\na.jpg", 2), (b"a.jpg\n" * 3, 3), (failures, 1)):
        address = put("keys", data)
        known = len(data) <= 12 or address.startswith("/")
        assert opened(address).count() == (lines if known else None)
    put("1.csv", ROWS[0])
    assert opened(put("manifest.json", manifest(["deep/1.csv"]))).count() is None


@pytest.mark.parametrize("form", ["ORC", "Parquet"])
def test_an_inventory_that_is_no_csv_says_what_to_configure(put: Put, form: str) -> None:
    with pytest.raises(ConfigError, match=f"expected an S3 Inventory as CSV, got one as {form}"):
        opened(put("manifest.json", manifest(["1"], fileFormat=form)))
    with pytest.raises(ConfigError, match="is read if its output format is CSV"):
        opened(put("1.parquet", b"PAR1\x15\x04\x00\x00"))


@pytest.mark.parametrize(
    "more", [{"files": [{}]}, {"fileSchema": "Key, Size"}, {"files": None}, {"fileFormat": None}]
)
def test_a_manifest_that_lacks_something_is_refused(put: Put, more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^input: expected"):
        opened(put("manifest.json", manifest([], **more)))
    with pytest.raises(ConfigError, match=r"^input: expected the manifest"):
        opened(put("manifest.json", manifest(["a"])[:-3]))


def test_a_part_that_is_missing_ends_the_run(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = Memory("inventory")
    named = manifest(["1.csv"]).replace(b"arn:aws:s3:::", b"")
    address = put("manifest.json", named)
    monkeypatch.setattr(
        "optimizr.source.manifest._url",
        lambda name: memory.url if name == "nowhere-at-all" else f"s3://{name}",
    )
    with pytest.raises(EnvironmentStop, match=r"expected '1.csv', which the manifest") as caught:
        list(opened(address))
    assert caught.value.cause == "list_unreadable"
    memory.put("1.csv", ROWS[0])
    assert keys(list(opened(address))) == [b"a b+c%.jpg"]


@pytest.mark.parametrize("zipped", [False, True])
def test_a_failed_jsonl_may_be_anywhere_too(put: Put, tree: Path, zipped: bool) -> None:
    lines = [{"key": key, "source": f"{tree}/{key}"} for key in ("a.jpg", "notes.txt", "a.jpg")]
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    source = opened(put("failed.jsonl", gzip.compress(data) if zipped else data))
    assert [(item.key, item.output) for item in source] == [
        (b"a.jpg", b"a.webp"),
        (b"notes.txt", b"notes.webp"),
    ]
    assert source.covers(b"a.jpg")


@pytest.mark.usefixtures("tree")
def test_a_gzip_of_several_members_is_read_to_its_end(put: Put) -> None:
    data = gzip.compress(b"a.jpg\nsub") + gzip.compress(b"/a.jpg\n") + bytes(512)
    assert keys(list(opened(put("keys", data)))) == [b"a.jpg", b"sub/a.jpg"]


@pytest.mark.usefixtures("tree")
@pytest.mark.parametrize("cut", [lambda z: z[:-1], lambda z: z[:-400], lambda z: z[:-8] + bytes(8)])
def test_a_gzip_that_is_torn_or_corrupt_is_never_taken_for_the_whole(
    put: Put, cut: Callable[[bytes], bytes]
) -> None:
    data = b"".join(b"a.jpg/%d.jpg\n" % number for number in range(2_000))
    address = put("keys", cut(gzip.compress(data)))
    with pytest.raises(EnvironmentStop, match=r"a gzip that (ends early|is corrupt)") as caught:
        list(opened(address))
    assert caught.value.cause == "list_unreadable"
    with pytest.raises(EnvironmentStop, match="a gzip that is corrupt"):
        list(opened(put("more", gzip.compress(b"a.jpg\n") + b"more")))


def test_a_list_that_changes_while_it_is_read_ends_the_run() -> None:
    memory = Memory("lists")
    lines = b"".join(b"s3://b/%07d.jpg\n" % number for number in range(400_000))
    memory.put("keys", lines)
    items = iter(opened(f"{memory.url}/keys"))
    next(items)
    memory.put("keys", lines[::-1])
    with pytest.raises(EnvironmentStop, match="it was written to meanwhile") as caught:
        list(items)
    assert caught.value.cause == "list_unreadable"


def test_an_empty_list_is_an_empty_input(put: Put) -> None:
    for data in (b"", b"\n \r\n\n", gzip.compress(b"")):
        source = opened(put("keys", data))
        assert list(source) == []


@pytest.mark.parametrize(
    "data", [b"ftp://h/x.jpg\n../x.jpg\n", b"a.jpg\0b.jpg\0", b"\x89PNG\r\n\0"]
)
def test_a_list_without_a_usable_line_says_what_was_expected(put: Put, data: bytes) -> None:
    with pytest.raises(ConfigError, match=r"a URL or a path a line, failed\.jsonl, or an S3 Inv"):
        opened(put("keys", data))


@pytest.mark.usefixtures("tree")
def test_a_list_without_a_picture_has_what_is_passed_over(put: Put) -> None:
    source = opened(put("keys", b"notes.txt\nother words\n"))
    assert (list(source), source.ignored) == ([], 2)


def test_a_list_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for address in (tmp_path / "none", tmp_path, tmp_path / "pipe", f"{Memory().url}/none"):
        with pytest.raises(ConfigError, match="expected a list that can be read"):
            opened(str(address))


def test_a_root_takes_relative_lines_and_what_is_within_it(put: Put, tree: Path) -> None:
    data = b"a.jpg\n%b/sub/a.jpg\n%b/a.jpg\nsub/a.jpg" % ((os.fsencode(tree),) * 2)
    address = put("keys", data)
    source = opened(address, root="sub")
    bad = f"{address}:3".encode()
    assert [item.key for item in source] == [b"a.jpg", b"a.jpg", bad, b"sub/a.jpg"]
    urls = b"s3://b/in/a.jpg\nb.jpg\ns3://b/in2/c.jpg\ns3://b/in\n"
    source = opened(put("urls", urls), root="s3://b/in/")
    first, second, third, fourth = source
    assert [first.key, second.key] == [b"a.jpg", b"b.jpg"]
    for item in (third, fourth):
        assert item.problem is not None
        assert item.problem.reason is Reason.BAD_LINE


def test_a_root_without_a_list_or_one_that_is_not_there_is_refused(put: Put, tree: Path) -> None:
    with pytest.raises(ConfigError, match=r"^root: expected none"):
        inputs.open_input(Settings(input=str(tree), output="out", root=str(tree)))
    with pytest.raises(ConfigError, match=r"^root: expected a directory"):
        opened(put("keys", b"a.jpg"), root="none")
    with pytest.raises(ConfigError, match=r"^root: expected a path, or a URL"):
        opened(put("keys", b"a.jpg"), root="ftp://host")


def test_names_show_no_siblings_unless_the_tree_is_asked(put: Put, tree: Path) -> None:
    (tree / "a.png").touch()
    (tree / "sub/b.png").touch()
    address = put("keys", b"a.jpg\nsub/a.jpg\nsub/b.png\nb c+d%41.png")
    outputs = [item.output for item in opened(address, policy={"naming": "replace"})]
    assert outputs == [b"a.jpg.webp", b"sub/a.webp", b"sub/b.webp", b"b c+d%41.webp"]
    with pytest.raises(ConfigError, match=r"^policy.naming: expected append"):
        opened(put("urls", b"s3://b/a.jpg"), policy={"naming": "replace"})
    copies = {"policy": {"if_larger": "copy"}, "picture": {"formats": ["jpeg", "webp"]}}
    for data in (b"a.jpg", b"s3://b/a.jpg"):
        with pytest.raises(ConfigError, match=r"^policy.if_larger: expected keep or skip"):
            opened(put("keys", data), **copies)
