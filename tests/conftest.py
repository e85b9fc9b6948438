"""What all tests share: the place of the outside data, and that CI leaves out no test.

Every test runs wherever tests run. Who lacks what one needs leaves it out by its marker, as in
`pytest -m "not outside_data"`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

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


def pytest_report_header() -> str:
    data = os.environ.get(DATA_VARIABLE, "not set")
    return f"{DATA_VARIABLE}: {data}; threads: {os.environ.get('OMP_NUM_THREADS', 'not limited')}"
