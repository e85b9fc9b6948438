"""The models of one mmCIF file as files of their own."""

import os

import gemmi


def write_states(path: str, folder: str) -> list[str]:
    """Write model 1, 2, … of the file at `path` as state_01.cif, … into `folder`; their paths.

    Chains, sequences, ligands and B factors are kept.
    """
    os.makedirs(folder, exist_ok=True)
    structure = gemmi.read_structure(path, merge_chain_parts=False)
    count = len(structure)
    digits = max(2, len(str(count)))
    written = []
    without_models = structure.clone()
    del without_models[:]
    for number in range(count):
        state = without_models.clone()
        state.add_model(structure[number])
        state[0].num = 1
        target = os.path.join(folder, f"state_{number + 1:0{digits}d}.cif")
        state.make_mmcif_document().write_file(target)
        written.append(target)
    return written
