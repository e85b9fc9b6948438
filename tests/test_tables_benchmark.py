"""The benchmark of particle tables: its files are what they say, and its tasks run."""

import pytest

from benchmarks.tables import taken, write_files
from gmmflex.engine.io.particles import read_particles

_READ = "particles (`read_particles`)"
_WRITE = "star file with four latents (`write_particles_star`)"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_files(300, tmp_path_factory.mktemp("tables"))


def test_every_program_s_file_holds_the_particles(files):
    formats = [read_particles(path).format for path in files.values()]
    assert formats == ["RELION 3.1+ star", "RELION 3.0 star (no optics table)", "cryoSPARC cs"]
    assert all(len(read_particles(path)) == 300 for path in files.values())


@pytest.mark.parametrize("task", [_READ, _WRITE])
def test_a_task_says_what_it_took(files, task):
    found = taken("RELION 3.1", files["RELION 3.1"], task)
    assert 0 <= found.seconds < 100 and 10 < found.peak_MB < 4000
