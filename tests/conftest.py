"""What all tests share: the place of the outside data, and that CI leaves out no test.

A clone is all that tests need. Those of outside data are collected only where GMMFLEX_TEST_DATA
names its folder, and those that run RELION only where it is installed; CI names the folder
(.ci/run), and there nothing may be left out or skipped.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DATA_VARIABLE = "GMMFLEX_TEST_DATA"


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def pytest_configure(config: pytest.Config) -> None:
    """A variable that names no folder is a mistake, and so is none at all in CI."""
    name = os.environ.get(DATA_VARIABLE)
    if name is None and not in_ci():
        return
    if not name or not Path(name).is_dir():
        raise pytest.UsageError(f"{DATA_VARIABLE}={name} names no folder")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of outside data that GMMFLEX_TEST_DATA names."""
    return Path(os.environ[DATA_VARIABLE]).resolve()


@pytest.fixture(scope="session")
def ready_python() -> Iterator[list[str]]:
    """Words that stand for `python` and start programs of the engine without its imports."""
    from ready_engine import ready_python

    with ready_python() as words:
        yield words


# How many tests are left out, by what is said of them.
_LEFT_OUT = pytest.StashKey[dict[str, int]]()
_LEFT_OUT_OF_WORKER = "gmmflex_left_out"
_NO_DATA = f"tests of outside data left out: {DATA_VARIABLE} names no folder of it"
_NO_RELION = "tests of RELION left out: scripts/install_system_packages.sh installs it"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Without what they read or run, tests are not there; the longest come first."""
    if hasattr(config, "workerinput"):
        items.sort(key=_longest_first)
    reasons = [_left_out(item) for item in items]
    counts = Counter(reason for reason in reasons if reason is not None)
    if not counts:
        return
    given = list(zip(items, reasons, strict=True))
    config.hook.pytest_deselected(items=[item for item, reason in given if reason is not None])
    items[:] = [item for item, reason in given if reason is None]
    config.stash[_LEFT_OUT] = dict(counts)
    if hasattr(config, "workeroutput"):
        config.workeroutput[_LEFT_OUT_OF_WORKER] = dict(counts)


def _left_out(item: pytest.Item) -> str | None:
    """Why a test cannot be here."""
    if _reads_outside_data(item) and not os.environ.get(DATA_VARIABLE):
        return _NO_DATA
    wants_relion = item.get_closest_marker("relion") is not None
    if wants_relion and not in_ci() and shutil.which("relion_refine") is None:
        return _NO_RELION
    return None


def _reads_outside_data(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return "test_data" in fixtures or item.get_closest_marker("outside_data") is not None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """With `-n`, workers collect and the process that reports has to be told."""
    left_out = getattr(node, "workeroutput", {}).get(_LEFT_OUT_OF_WORKER)
    if left_out:
        node.config.stash[_LEFT_OUT] = left_out


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for reason, count in config.stash.get(_LEFT_OUT, {}).items():
        terminalreporter.write_line(f"{count} {reason}")


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
_TOGETHER = {f"test_scipion_{name}.py": "helix" for name in _HELIX}
# What takes longest begins first: at the end no process waits long for the other.
_LONGEST = (
    "helix",
    "test_symmetry_expansion.py",
    "test_heterogeneity_processes.py",
    "test_heterogeneity.py",
    "test_neutral.py",
    "test_scipion_chain.py",
    "test_heterogeneity_resume.py",
    "test_preparation_processes.py",
)


def _together(nodeid: str) -> str:
    """What a test runs in one process with: its file, or a group of files."""
    file = nodeid.split("::")[0].rpartition("/")[2]
    return _TOGETHER.get(file, file)


def _longest_first(item: pytest.Item) -> int:
    together = _together(item.nodeid)
    return _LONGEST.index(together) if together in _LONGEST else len(_LONGEST)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `-n`: the tests of a file stay together, and so do those of some files."""
    from xdist.scheduler import LoadFileScheduling

    class ByFileOrProject(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _together(nodeid)

    # else those with the most tests would come first
    config.option.loadscopereorder = False
    return ByFileOrProject(config, log)


def pytest_report_header() -> str:
    data = os.environ.get(DATA_VARIABLE, "not set")
    return f"{DATA_VARIABLE}: {data}; threads: {os.environ.get('OMP_NUM_THREADS', 'not limited')}"
