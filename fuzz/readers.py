"""What is fuzzed: each reader by name, how it is called, and the valid files it starts from."""

from __future__ import annotations

import contextlib
import gzip
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np

from fuzz import samples


@dataclass(frozen=True)
class Reader:
    """read: gets the bytes of a file and an empty folder to put it in; seeds: valid files."""

    name: str
    read: Callable[[bytes, Path], None]
    seeds: Callable[[], Sequence[bytes]]


def _put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def _star(content: bytes, folder: Path) -> None:
    """A table cut up piece by piece holds the same text as one that gemmi reads whole."""
    from gmmflex.engine.io.star import star, star_bulk

    path = _put(folder, "a.star", content)
    whole = star.read_star(path)
    small = {"_HEAD_BYTES": min(160, len(content)), "_PIECE_BYTES": 64}
    with mock.patch.multiple(star_bulk, **small):
        pieces = star.read_star(path)
    assert list(whole) == list(pieces)
    for name, table in whole.items():
        assert list(table.columns) == list(pieces[name].columns)
        for label, values in table.columns.items():
            assert values.tolist() == pieces[name].columns[label].tolist()


def _particles(name: str) -> Callable[[bytes, Path], None]:
    def read(content: bytes, folder: Path) -> None:
        from gmmflex.engine.io.particles import read_particle_records, write_particles_star
        from gmmflex.engine.io.particles.particles import locate_images, with_images

        path = _put(folder, name, content)
        _put(folder, "p.mrcs", samples.mrc((3, 8, 8)))
        records = read_particle_records(path)
        numbers = (records.rotations, records.origins_A, *vars(records.ctf).values())
        assert all(np.isfinite(values).all() for values in numbers)
        particles = with_images(records, locate_images(records, folder))
        particles.read_images(np.arange(min(len(particles), 3)))
        write_particles_star(folder / "out.star", particles, {})
        assert len(read_particle_records(folder / "out.star")) == len(particles)

    return read


def _passthrough(content: bytes, folder: Path) -> None:
    from gmmflex.engine.io.particles import read_particle_records

    path = _put(folder, "J1_particles.cs", samples.cs_table("poses"))
    read_particle_records(path, passthrough=_put(folder, "other.cs", content))
    _put(folder, "J1_passthrough_particles.cs", content)
    read_particle_records(path)


def _map(content: bytes, folder: Path) -> None:
    from gmmflex.engine.io.maps import read_map
    from gmmflex.engine.io.maps.mrc import read_mrc_header

    path = _put(folder, "a.mrc", content)
    density = read_map(path)
    assert np.isfinite(density.data).all() and np.isfinite(density.origin_A).all()
    if content[:1] not in (b"\x1f", b"B"):
        read_mrc_header(path)


def _packed_map(content: bytes, folder: Path) -> None:
    _map(gzip.compress(content, 1), folder)


def _model(name: str) -> Callable[[bytes, Path], None]:
    def read(content: bytes, folder: Path) -> None:
        from gmmflex.engine.io.models import read_states, write_models
        from gmmflex.engine.io.models.mixture_file import read_mixture

        path = _put(folder, name, content)
        states = read_states(path)
        for state in states:
            state.alpha_carbons()
        write_models(folder / "again.cif", states)
        assert [len(model) for model in read_states(folder / "again.cif")] == [
            len(model) for model in states
        ]
        read_mixture(path)

    return read


def _selection(content: bytes, folder: Path) -> None:
    from gmmflex.engine.io.models import read_model, select_atoms

    model = read_model(_put(folder, "m.cif", samples.CIF))
    select_atoms(model, content.decode("utf-8", "replace"))


def _config(content: bytes, folder: Path) -> None:
    """As `gmmflex heterogeneity --config`, up to where files are opened."""
    from gmmflex.engine.cli.shell.from_settings import validated
    from gmmflex.engine.io.runs.run_folder import read_json, run_state
    from gmmflex.engine.model.geometry.symmetry import symmetry_operators
    from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
    from gmmflex.engine.settings.options.faults import KeyNames

    values = read_json(_put(folder, "c.json", content))
    values = {**values, "output": str(folder / "run")}
    settings = validated(HeterogeneitySettings, values, KeyNames("c.json"))
    symmetry_operators(settings.symmetry)
    run_state(settings.output, "heterogeneity", settings.model_dump(mode="json"), False)


def _run(content: bytes, folder: Path) -> None:
    """run.json and, after a line ===, summary.json."""
    from gmmflex.engine.io.errors import UserError
    from gmmflex.engine.io.runs.run_folder import read_json, run_state
    from gmmflex.engine.runs.particles import read_run_particles
    from gmmflex.engine.runs.rings import coefficients_of_run, mean_frc_of_run
    from gmmflex.engine.runs.settings import settings_of_run
    from gmmflex.engine.runs.source import run_source
    from gmmflex.engine.stages.info.stage import describe

    told, _, summary = content.partition(b"\n===\n")
    _put(folder, "p.star", samples.PLAIN_STAR)
    _put(folder, "run.json", told)
    _put(folder, "summary.json", summary)
    str(describe(folder))
    with contextlib.suppress(UserError):  # other settings, to say the least
        run_state(folder, "heterogeneity", {}, overwrite=False)
    settings_of_run(folder)
    _put(folder, "p.mrcs", samples.mrc((3, 8, 8)))
    about = read_json(folder / "summary.json")
    source = read_run_particles(run_source(folder, folder / "p.star", folder), about, 9)
    coefficients_of_run(about, source.particles, "cpu")
    assert all(isinstance(frc, float) for frc in mean_frc_of_run(folder, about))


def _arrays(content: bytes, folder: Path) -> None:
    from gmmflex.engine.io.errors import UserError
    from gmmflex.engine.latents.along_component import labels_of_file, latents_of_file
    from gmmflex.engine.runs.arrays import array_beside_latents

    path = _put(folder, "a.npy", content)
    for read in (
        lambda: latents_of_file(path, 2),
        lambda: labels_of_file(path, 3),
        lambda: array_beside_latents(folder, "a", (3, 2)),
    ):
        try:
            read()
        except UserError as fault:
            said = fault
        else:
            return
    raise said


def _motion(content: bytes, folder: Path) -> None:
    from gmmflex.results.motion import read_motion

    read_motion(_put(folder, "motion.npz", content))


def _table(content: bytes, folder: Path) -> None:
    from gmmflex.engine.stages.select.conditions import inside_polygon, listed

    path = _put(folder, "t.txt", content)
    inside_polygon(path, np.zeros((3, 2)))
    listed(path, 3)


def _info(content: bytes, folder: Path) -> None:
    """`gmmflex info` of a file whose name tells nothing."""
    from gmmflex.engine.stages.info.stage import describe

    _put(folder, "p.mrcs", samples.mrc((3, 8, 8)))
    str(describe(_put(folder, "file", content), image_root=folder))


def _info_seeds() -> list[bytes]:
    stars = [samples.PLAIN_STAR, samples.OLD_STAR, samples.PAIRS_STAR]
    return [*stars, samples.CIF, samples.PDB, samples.cs_table(), *samples.maps()[:6]]


@cache
def _payload() -> tuple[bytes, bytes]:
    """Header of a file of weights with its length, and the numbers that follow."""
    whole = samples.weights()
    end = 8 + int.from_bytes(whole[:8], "little")
    return whole[:end], whole[end:]


def _weights(content: bytes, folder: Path) -> None:
    """The bytes are the header; the numbers that belong to a valid one follow."""
    from gmmflex.engine.runs.results import read_run

    _put(folder, "weights.safetensors", content + _payload()[1])
    _put(folder, "summary.json", b'{"status": "finished"}')
    _put(folder, "latents.npy", samples.array(np.ones((3, 2), np.float32)))
    results = read_run(folder)
    mixture = results.mixture(results.latents[0])
    assert mixture.n_gaussians == results.model.neutral.n_gaussians


def _weights_seeds() -> list[bytes]:
    header = _payload()[0]
    return [header, b"\xff" * 8 + header[8:]]


def _checkpoint(content: bytes, folder: Path) -> None:
    from gmmflex.engine.training.checkpoint import load_checkpoint

    _put(folder, "state.pt", content)
    load_checkpoint(folder)


@cache
def _checkpoint_members() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(samples.checkpoint())) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _record_name() -> str:
    return next(name for name in _checkpoint_members() if name.endswith("data.pkl"))


def _checkpoint_record(content: bytes, folder: Path) -> None:
    """The bytes say how a checkpoint is put together; sizes and checksums are right."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, member in _checkpoint_members().items():
            archive.writestr(name, content if name == _record_name() else member)
    _checkpoint(stream.getvalue(), folder)


def _run_seeds() -> list[bytes]:
    told = {
        "command": "heterogeneity",
        "config": {**samples.CONFIG, "neutral": "/", "passthrough": None, "image_root": None},
        "inputs": [{"path": "p.star", "bytes": 10, "sha256": "00"}],
        "versions": {"gmmflex": "0.1.0"},
        "seed": 1,
    }
    rings = [{"resolution_A": 12.0 / ring, "frc_neutral": 0.1, "weight": 1.0} for ring in (1, 2, 3)]
    summary = {"status": "finished", "contrast": "white", "resolution_A": 4.0, "rings": rings}
    return [samples.as_json(told) + b"\n===\n" + samples.as_json(summary)]


READERS = {
    reader.name: reader
    for reader in (
        Reader("star", _star, lambda: [samples.PLAIN_STAR, samples.OLD_STAR, samples.PAIRS_STAR]),
        Reader("particles", _particles("p.star"), lambda: [samples.PLAIN_STAR, samples.OLD_STAR]),
        Reader("cs", _particles("p.cs"), lambda: [samples.cs_table(), samples.cs_table("poses")]),
        Reader("passthrough", _passthrough, lambda: [samples.cs_table("rest")]),
        Reader("map", _map, samples.maps),
        Reader("packed_map", _packed_map, lambda: [samples.mrc(), samples.mrc((64, 64, 64))]),
        Reader("model", _model("m.cif"), lambda: [samples.CIF, samples.PDB]),
        Reader("selection", _selection, lambda: [b"A:1-2,GMM:-3", b"A", b"A:1,2"]),
        Reader("config", _config, lambda: [samples.as_json(samples.CONFIG)]),
        Reader("run", _run, _run_seeds),
        Reader(
            "arrays",
            _arrays,
            lambda: [
                samples.array(np.ones((3, 2), np.float32)),
                samples.array(np.arange(3)),
                samples.array(np.ones(2)),
            ],
        ),
        Reader("motion", _motion, lambda: [samples.motion(), samples.deflated()]),
        Reader("info", _info, _info_seeds),
        Reader("table", _table, lambda: [b"1 2 # corner\n3,1\n2 3\n", b"1\n2\n"]),
        Reader("weights", _weights, _weights_seeds),
        Reader("checkpoint", _checkpoint, lambda: [samples.checkpoint()]),
        Reader(
            "checkpoint_record",
            _checkpoint_record,
            lambda: [_checkpoint_members()[_record_name()]],
        ),
    )
}
