from __future__ import annotations

import json
import subprocess
import sys

import pytest

from docs.generate import ROOT
from tests.conftest import clean_environment


@pytest.mark.timeout(600)
def test_no_mutation_crashes_hangs_or_takes_more_memory_than_its_estimate_allows() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "20261124", "2000"],
        cwd=ROOT,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    last = done.stdout.splitlines()[-1]
    assert done.returncode == 0, f"{last}: {done.stderr}"
    told = json.loads(last)
    assert sum(told["outcomes"].values()) == 2000
    assert told["over"] == []
    assert told["slowest"] < 15  # the timeout is 10
    assert {"converted", "corrupt", "truncated"} <= set(told["outcomes"])
    assert "internal_error" not in told["outcomes"]
