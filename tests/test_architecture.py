"""Which module may import which: the contracts in pyproject.toml, and proof that they can fail."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs.generate import ROOT


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).parent / "lint-imports"
    return subprocess.run(
        [program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_modules_import_only_what_stands_below_them() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("summary.py", "import pyvips"),
        ("convert/encode.py", "import optimizr.store.local"),
        ("pool.py", "import optimizr.pipeline"),
        ("source/tree.py", "import optimizr.convert"),
        ("report/console.py", "import rich"),
        ("report/console.py", "import prometheus_client"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, module: str, line: str) -> None:
    shutil.copytree(ROOT / "optimizr", tmp_path / "optimizr")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    path = tmp_path / "optimizr" / module
    path.write_text(f"{path.read_text()}\n{line}\n")
    assert lint(tmp_path).returncode == 1
