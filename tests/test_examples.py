"""The examples in config/ do what they say they are for. That of buckets is run in test_docs."""

from __future__ import annotations

import json
import re
import shutil
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import pyvips
import yaml
from compose_spec import PyCompose
from PIL import Image

from docs.generate import ROOT
from tests.conftest import Program, webps
from tests.make_pictures import HOME, photo

ARTIST = 0x013B
"""A tag of EXIF."""

CONFIG = ROOT / "config"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """The pictures of the repository, one of them with metadata."""
    shutil.copytree(HOME, tmp_path / "in")
    image = photo(900, 600).copy()
    image.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Artist", "a painter")
    image.write_to_file(str(tmp_path / "in/signed.jpg"), Q=90)
    return tmp_path / "in"


def run(optimizr: Program, example: str, tree: Path) -> dict[str, Image.Image]:
    output = tree.parent / "out"
    done = optimizr("run", CONFIG / f"{example}.yaml", "--input", tree, "--output", output)
    assert done.returncode == 0, done.stderr
    return {name: Image.open(BytesIO(data)) for name, data in webps(output).items()}


def test_thumbnails_are_small(optimizr: Program, tree: Path) -> None:
    made = run(optimizr, "thumbnails", tree)
    assert made["signed.webp"].size == (400, 267)
    assert all(max(image.size) <= 400 for image in made.values())


def test_an_archive_keeps_metadata_and_each_picture(optimizr: Program, tree: Path) -> None:
    made = run(optimizr, "archive", tree)
    pictures = [path for path in tree.rglob("*") if path.is_file()]
    kept = [path for path in pictures if (tree.parent / "out" / path.relative_to(tree)).exists()]
    assert len(made) + len(kept) == len(pictures)
    assert made["signed.jpg.webp"].size == (900, 600)
    assert made["signed.jpg.webp"].getexif()[ARTIST] == "a painter"


def test_pictures_for_the_web_are_smaller_than_by_default(optimizr: Program, tree: Path) -> None:
    run(optimizr, "web", tree)
    done = optimizr("run", "--input", tree, "--output", tree.parent / "default")
    assert done.returncode == 0
    sizes = [
        sum(map(len, webps(folder).values()))
        for folder in (tree.parent / "out", tree.parent / "default")
    ]
    assert sizes[0] < sizes[1]


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    """The services of compose.yaml, as the Compose Specification reads them."""
    text = (CONFIG / "compose.yaml").read_text()
    text = re.sub(r"\$\{\w+:\?[^}]*\}", "/srv", text)  # which comes from the environment
    compose = PyCompose.from_json(json.dumps(yaml.safe_load(text)))
    compose.validate()
    found: dict[str, Any] = compose.to_spec().model_dump()["services"]
    return found


@pytest.mark.parametrize(("name", "quality"), [("optimizr", "80"), ("high-quality", "95")])
def test_services_of_compose_are_limited_and_can_change_nothing_but_the_output(
    services: dict[str, Any], name: str, quality: str
) -> None:
    service = services[name]
    assert service["environment"] == {"OPTIMIZR_WEBP__QUALITY": quality}
    assert (service["cpus"], service["mem_limit"]) == (1, "8gb")
    assert service["read_only"]
    assert service["cap_drop"] == {"ALL"}
    assert service["security_opt"] == {"no-new-privileges:true"}
    assert {volume for volume in service["volumes"] if not volume.endswith(":ro")} == {
        "/srv:/data/output"
    }


def test_only_what_is_asked_for_starts_with_high_quality(services: dict[str, Any]) -> None:
    assert not services["optimizr"]["profiles"]
    assert services["high-quality"]["profiles"] == {"high-quality"}
