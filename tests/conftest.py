"""What all tests share: the place of the outside data, and that CI leaves out no test.

Every test runs wherever tests run. Who lacks what one needs leaves it out by its marker, as in
`pytest -m "not outside_data"`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DATA_VARIABLE = "GMMFLEX_TEST_DATA"


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of outside data that GMMFLEX_TEST_DATA names."""
    name = os.environ.get(DATA_VARIABLE)
    folder = Path(name or "")
    if name is None or not folder.is_dir():
        pytest.fail(f"{DATA_VARIABLE}={name} is not a folder")
    return folder.resolve()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """In CI a skipped test is a failed one: whatever it wants can be installed there."""
    report = yield
    if report.skipped and in_ci() and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped in CI: {report.longrepr}"
    return report


def pytest_collection_finish(session: pytest.Session) -> None:
    """Scipion reads its environment when it is imported, which a fixture has to set before."""
    if "pyworkflow" in sys.modules:
        raise pytest.UsageError(
            "a test module imports Scipion while tests are collected: import inside functions"
        )


# Files whose tests share what costs most: they run in one process, one after the other.
_HELIX = ("analyses", "landscape", "poses", "states", "validate")
_TOGETHER = {f"tests/test_scipion_{name}.py": "helix" for name in _HELIX}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`: the tests of a file stay together, and so do those of some files."""
    from xdist.scheduler import LoadFileScheduling

    class ByFileOrProject(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = super()._split_scope(nodeid)
            return _TOGETHER.get(file, file)

    return ByFileOrProject(config, log)


def pytest_report_header() -> str:
    data = os.environ.get(DATA_VARIABLE, "not set")
    return f"{DATA_VARIABLE}: {data}; threads: {os.environ.get('OMP_NUM_THREADS', 'not limited')}"
