from __future__ import annotations

from pathlib import Path

from optimizr.config import Settings
from optimizr.errors import Reason
from optimizr.inputs import open_input
from optimizr.source import Item


def items(path: Path, **settings: object) -> tuple[list[Item], int]:
    given = Settings(input=str(path), output="unused", **settings)  # type: ignore[arg-type]
    _, tree = open_input(given)
    return list(tree), tree.ignored


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())


def test_a_tree_gives_each_picture_with_its_output_and_counts_the_rest(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "notes.txt", "sub/b.PNG", "sub/.DS_Store", "sub/c.webp")
    found, ignored = items(tmp_path)
    assert [(item.key, item.output, item.size) for item in found] == [
        (b"a.jpg", b"a.webp", 5),
        (b"sub/b.PNG", b"sub/b.webp", 9),
    ]
    assert ignored == 3


def test_appended_names_keep_the_extension(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg")
    found, _ = items(tmp_path, policy={"naming": "append"})
    assert [item.output for item in found] == [b"a.jpg.webp"]


def test_one_file_is_a_tree_of_one_whatever_its_name(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "a.png", "picture")
    assert [i.output for i in items(tmp_path / "a.jpg")[0]] == [b"a.webp"]
    assert [i.key for i in items(tmp_path / "picture")[0]] == [b"picture"]


def test_what_is_known_to_be_wrong_is_an_item_with_a_problem(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
    found, _ = items(tmp_path)
    assert [item.problem and item.problem.reason for item in found] == [Reason.NOT_FOUND]


def test_a_tree_starts_before_it_is_walked(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "sub/b.jpg")
    _, tree = open_input(Settings(input=str(tmp_path), output="unused"))
    walk = iter(tree)
    assert next(walk).key == b"a.jpg"
    make(tmp_path, "sub/a late one.jpg")
    assert [item.key for item in walk] == [b"sub/a late one.jpg", b"sub/b.jpg"]


def test_counting_pictures_asks_for_names_only(tmp_path: Path) -> None:
    make(tmp_path, "a.jpg", "notes.txt", "sub/b.jpg")
    _, tree = open_input(Settings(input=str(tmp_path), output="unused"))
    assert tree.count() == 2
