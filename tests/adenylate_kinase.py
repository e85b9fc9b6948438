"""Adenylate kinase of MDAnalysisTests as model and map, made by gemmi: nothing of gmmflex's."""

from importlib.resources import files
from pathlib import Path

import gemmi
import mrcfile
import numpy as np

BOX, PIXEL_A = 40, 3.0
ORIGIN_A = np.array([-30.0, 12.0, 105.0])
LID = range(118, 161)


def structure(without_lid: bool = False) -> gemmi.Structure:
    """The closed state, moved so that its centre lies at the centre of the map."""
    found = gemmi.read_structure(str(files("MDAnalysisTests") / "data" / "adk_closed.pdb"))
    found.setup_entities()
    found.cell = gemmi.UnitCell(1, 1, 1, 90, 90, 90)
    found.spacegroup_hm = "P 1"
    atoms = [atom for chain in found[0] for residue in chain for atom in residue]
    middle = np.mean([atom.pos.tolist() for atom in atoms], axis=0)
    shift = ORIGIN_A + BOX // 2 * PIXEL_A - middle
    for atom in atoms:
        atom.pos += gemmi.Position(*shift)
        atom.element = gemmi.Element(atom.name.lstrip("0123456789")[0])
    if without_lid:
        for chain in found[0]:
            for index in reversed(range(len(chain))):
                if chain[index].seqid.num in LID:
                    del chain[index]
    return found


def density(resolution_A: float = 6.0) -> np.ndarray:
    """Electron scattering density of the heavy atoms, (z, y, x), on the grid of the map."""
    found = structure()
    calculator = gemmi.DensityCalculatorE()
    calculator.grid.unit_cell = gemmi.UnitCell(*[BOX * PIXEL_A] * 3, 90, 90, 90)
    calculator.grid.spacegroup = gemmi.SpaceGroup("P 1")
    calculator.grid.set_size(BOX, BOX, BOX)
    found.remove_hydrogens()
    for chain in found[0]:
        for residue in chain:
            for atom in residue:
                atom.pos -= gemmi.Position(*ORIGIN_A)
                atom.b_iso = 8 * np.pi**2 * (0.225 * resolution_A) ** 2
    calculator.add_model_density_to_grid(found[0])
    return np.array(calculator.grid, copy=True).transpose(2, 1, 0)


def write_model(path: Path, without_lid: bool = False) -> Path:
    structure(without_lid).make_mmcif_document().write_file(str(path))
    return path


def write_map(path: Path, data: np.ndarray, origin_A=ORIGIN_A, pixel_A=PIXEL_A) -> Path:
    with mrcfile.new(path, overwrite=True) as target:
        target.set_data(np.ascontiguousarray(data, dtype=np.float32))
        target.set_volume()
        target.voxel_size = pixel_A
        target.header.origin = tuple(origin_A)
    return path


def alpha_carbons_A() -> np.ndarray:
    return np.array(
        [a.pos.tolist() for c in structure()[0] for r in c for a in r if a.name == "CA"]
    )


def residue_centres_A() -> np.ndarray:
    """Centres of the electrons of each residue's heavy atoms."""
    electrons = {"C": 6, "N": 7, "O": 8, "S": 16}
    centres_A = []
    for residue in structure()[0][0]:
        heavy = [atom for atom in residue if atom.element.name in electrons]
        weights = [electrons[atom.element.name] for atom in heavy]
        centres_A.append(np.average([atom.pos.tolist() for atom in heavy], axis=0, weights=weights))
    return np.array(centres_A)
