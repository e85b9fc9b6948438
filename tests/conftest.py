"""What all tests share: the place of the outside data, and that CI leaves out no test.

A test that needs what a developer may lack says so: `@pytest.mark.needs("outside data")`. Outside
of CI such tests are not collected where it is missing, and the header of the report says why; in
CI all run, and fail.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from virtual_display import missing_programs

DATA_VARIABLE = "GMMFLEX_TEST_DATA"


def in_ci() -> bool:
    return os.environ.get("CI", "").lower() in ("1", "true", "yes")


def lacking() -> dict[str, str]:
    """What tests may need and this machine has not, and why."""
    programs = ", ".join(missing_programs())
    found = {
        "outside data": "" if os.environ.get(DATA_VARIABLE) else f"{DATA_VARIABLE} is not set",
        "windows": programs and f"no {programs}",
        # Python 3.12 cannot have it beside scipion-em.
        "xmipp3": "" if importlib.util.find_spec("xmipp3") else "no scipion-em-xmipp",
    }
    return {need: why for need, why in found.items() if why}


def _needs(item: pytest.Item) -> set[str]:
    named = {marker.args[0] for marker in item.iter_markers("needs")}
    data = "test_data" in getattr(item, "fixturenames", ())
    return named | ({"outside data"} if data else set())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    missing = set() if in_ci() else set(lacking())
    left_out = [item for item in items if _needs(item) & missing]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if not _needs(item) & missing]


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


def pytest_report_header() -> list[str]:
    data = os.environ.get(DATA_VARIABLE, "not set")
    threads = os.environ.get("OMP_NUM_THREADS", "not limited")
    return [
        f"{DATA_VARIABLE}: {data}; threads: {threads}",
        *(f"tests that need {need} are left out: {why}" for need, why in lacking().items()),
    ][: 1 if in_ci() else None]
