"""The molecules of the accuracy table and how each one moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np

from benchmarks.accuracy_motions import (
    Domain,
    Floats,
    domains_on_their_way,
    superposition,
    turn,
)
from gmmflex.engine.io.models import AtomicModel, read_model, select_atoms

_STATES = 31
_STATES_OF_EACH = 9
_LARGEST_TILT_DEG = 15.0
# How much the tilts of the two layers differ in the correlated set, standard deviation.
_SLACK_DEG = 2.5

NTD_LAYER = "A:10-380,B:10-380,C:10-380,D:10-380"
NTD_FIRST_PAIR = "A:10-380,B:10-380"
NTD_SECOND_PAIR = "C:10-380,D:10-380"
_LAST_OF_NTD, _FIRST_OF_LBD = 380, 393
_HINGE_CHAINS = {NTD_LAYER: "AC", NTD_FIRST_PAIR: "AB", NTD_SECOND_PAIR: "CD"}
FAB = "A,B:1-229"
_FAB_HINGE = (229, 230)


@dataclass(frozen=True)
class States:
    """models: same atoms in each; parameters (S, k): what the states differ in (degrees, or the
    fraction of the way); weights: share of the particles in each state."""

    models: list[AtomicModel]
    parameters: Floats
    weights: tuple[float, ...] | None = None


def ampa_receptor(data: Path) -> AtomicModel:
    """Cα of 3kg2, its long axis along z and the NTD layer on top."""
    model = _alpha_carbons(data / "models" / "3kg2.pdb.gz")
    centred_A = model.coordinates_A - model.coordinates_A.mean(axis=0)
    axes = np.linalg.svd(centred_A, full_matrices=False)[2][[1, 2, 0]]
    axes[0] *= np.linalg.det(axes)
    upright_A = centred_A @ axes.T
    if upright_A[select_atoms(model, NTD_LAYER), 2].mean() < 0:
        upright_A *= [1.0, -1.0, -1.0]
    return model.with_coordinates(upright_A)


def ampa_at_rest(data: Path) -> States:
    """One state: nothing moves."""
    return States([ampa_receptor(data)], np.zeros((1, 1)))


def ampa_tilt(data: Path) -> States:
    """The whole NTD layer tilts rigidly by 0 to 15° about the linkers below it."""
    model = ampa_receptor(data)
    tilts_deg = np.linspace(0.0, _LARGEST_TILT_DEG, _STATES)
    models = [_tilted(model, {NTD_LAYER: tilt}) for tilt in tilts_deg]
    return States(models, tilts_deg[:, None])


def ampa_two_domains(data: Path, correlated: bool) -> States:
    """The two pairs of NTDs tilt by 0 to 15°: each by itself, or nearly together."""
    model = ampa_receptor(data)
    steps_deg = np.linspace(0.0, _LARGEST_TILT_DEG, _STATES_OF_EACH)
    parameters = np.array([(first, second) for first in steps_deg for second in steps_deg])
    models = [_tilted(model, {NTD_FIRST_PAIR: a, NTD_SECOND_PAIR: b}) for a, b in parameters]
    if not correlated:
        return States(models, parameters)
    apart = np.exp(-0.5 * (np.diff(parameters)[:, 0] / _SLACK_DEG) ** 2)
    return States(models, parameters, tuple(float(share) for share in apart / apart.sum()))


def glutamate_receptor(data: Path) -> States:
    """mGluR1 from 1ewk to 1ewt: both halves of both protomers go along their screws."""
    start, end = _common(
        _alpha_carbons(data / "models" / "1ewk.pdb.gz"),
        _alpha_carbons(data / "models" / "1ewt.pdb.gz"),
    )
    domains = {
        f"{lobe}{chain}": Domain(select_atoms(start, residues.replace("*", chain)), parent)
        for lobe, residues, chain, parent in (
            ("LB1", "*:1-207,*:344-478", "A", None),
            ("LB1", "*:1-207,*:344-478", "B", "LB1A"),
            ("LB2", "*:208-343,*:479-520", "A", "LB1A"),
            ("LB2", "*:208-343,*:479-520", "B", "LB1B"),
        )
    }
    fractions = np.linspace(0.0, 1.0, _STATES)
    ways = domains_on_their_way(start.coordinates_A, end.coordinates_A, domains, fractions.tolist())
    # Nothing of it stays: as a refinement would, lay all states onto the middle one.
    middle_A = ways[len(ways) // 2]
    models = [start.with_coordinates(superposition(way, middle_A)(way)) for way in ways]
    return States(models, fractions[:, None])


def antibody_states(model: AtomicModel, count: int) -> States:
    """One Fab of 1igt turns a full circle about the bond of its hinge, residues 229 and 230."""
    body = select_atoms(model, FAB)
    first, second = (
        model.coordinates_A[
            np.flatnonzero(
                (model.chains == "B")
                & (model.residue_numbers == number)
                & (model.atom_names == "CA")
            )[0]
        ]
        for number in _FAB_HINGE
    )
    angles_deg = 360.0 * np.arange(count) / count
    models = []
    for angle in angles_deg:
        coordinates_A = model.coordinates_A.copy()
        coordinates_A[body] = turn(first, second - first, float(angle))(coordinates_A[body])
        models.append(model.with_coordinates(coordinates_A))
    return States(models, angles_deg[:, None])


def antibody(data: Path) -> States:
    """IgG by its Cα, in 36 states."""
    return antibody_states(_alpha_carbons(data / "models" / "1igt.pdb"), 36)


def apoferritin(data: Path) -> States:
    """One state: whatever motion is reported was not there."""
    model = read_model(data / "models" / "apoferritin_ca_apo_sym.pdb")
    return States([model], np.zeros((1, 1)))


def adk_files() -> tuple[Path, Path]:
    """Topology and trajectory of adenylate kinase that the package MDAnalysisTests ships."""
    data = Path(str(files("MDAnalysisTests"))) / "data"
    return data / "adk.psf", data / "adk_dims.dcd"


def _tilted(model: AtomicModel, tilts_deg: dict[str, float]) -> AtomicModel:
    """Parts of the NTD layer tilted about the ends of two of their linkers, pairs outwards.

    The linkers to the ligand-binding domains turn by less and less along the chain.
    """
    coordinates_A = model.coordinates_A.copy()
    for residues, tilt_deg in tilts_deg.items():
        body = select_atoms(model, residues)
        ends_A = [
            model.coordinates_A[(model.chains == chain) & (model.residue_numbers == _LAST_OF_NTD)]
            for chain in _HINGE_CHAINS[residues]
        ]
        hinge_A, axis = (ends_A[0] + ends_A[1])[0] / 2, (ends_A[1] - ends_A[0])[0]
        outwards = (model.coordinates_A[body].mean(axis=0) - hinge_A) * [1.0, 1.0, 0.0]
        if np.cross(axis, [0.0, 0.0, 1.0]) @ outwards < 0:
            axis = -axis
        of_chains = np.isin(model.chains, model.chains[body])
        share = np.interp(model.residue_numbers, [_LAST_OF_NTD, _FIRST_OF_LBD], [1.0, 0.0])
        for part in np.unique(share[of_chains & (share > 0)]):
            atoms = of_chains & (share == part)
            coordinates_A[atoms] = turn(hinge_A, axis, float(part) * tilt_deg)(coordinates_A[atoms])
    return model.with_coordinates(coordinates_A)


def _alpha_carbons(path: Path) -> AtomicModel:
    model = read_model(path)
    return model.subset(model.alpha_carbons())


def _common(first: AtomicModel, second: AtomicModel) -> tuple[AtomicModel, AtomicModel]:
    """The residues that both models have, in the order of the first."""
    places = [
        {
            key: i
            for i, key in enumerate(
                zip(m.chains.tolist(), m.residue_numbers.tolist(), m.insertion_codes, strict=True)
            )
        }
        for m in (first, second)
    ]
    shared: Sequence[tuple[str, int, str]] = [key for key in places[0] if key in places[1]]
    return (
        first.subset(np.array([places[0][key] for key in shared])),
        second.subset(np.array([places[1][key] for key in shared])),
    )
