"""Whatever a file holds, a reader reads it or raises UserError, in bounded time and memory.

Damaged files are made from valid ones; those of tests/corpus each made a reader fail once. Longer
runs, guided by coverage: docs/fuzzing.md.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.mutation import mutated
from fuzz.readers import READERS
from fuzz.trial import empty_folder, tried, warmed_up
from gmmflex.engine.io.errors import UserError

CORPUS = Path(__file__).parent / "corpus"
EXAMPLES = 12


@pytest.fixture(scope="module")
def folder():
    with empty_folder() as place:
        yield place


@pytest.mark.parametrize("name", READERS)
def test_readers_fail_as_told(name, folder):
    reader = READERS[name]
    seeds = warmed_up(reader, folder)
    found = []
    for path in sorted((CORPUS / name).glob("*")):
        finding = tried(reader, path.read_bytes(), folder)
        found += [] if finding is None else [f"{path.name}: {finding.report}"]
    assert not found, "\n".join(found)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(seeds), st.integers(0, 2**32 - 1))
    def damaged(seed, number):
        finding = tried(reader, mutated(seed, random_of(number)), folder)
        assert finding is None, finding.report

    damaged()


def random_of(number):
    import random

    return random.Random(number)


@pytest.mark.parametrize("name", READERS)
def test_what_fuzzing_starts_from_is_read(name, folder):
    """A reader that refuses everything would pass all tests above."""
    reader = READERS[name]
    read = 0
    for seed in reader.seeds():
        try:
            reader.read(seed, folder)
        except UserError:
            continue
        read += 1
    assert read
