"""Small valid files of every kind: what fuzzing starts from."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zipfile
from typing import Any

import numpy as np

PLAIN_STAR = b"""# version 30001

data_optics

loop_
_rlnOpticsGroup #1
_rlnOpticsGroupName #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
_rlnImagePixelSize #6
_rlnImageSize #7
1 opticsGroup1 300.0 2.7 0.1 1.5 8

data_particles

loop_
_rlnImageName #1
_rlnOpticsGroup #2
_rlnDefocusU #3
_rlnDefocusV #4
_rlnDefocusAngle #5
_rlnAngleRot #6
_rlnAngleTilt #7
_rlnAnglePsi #8
_rlnOriginXAngst #9
_rlnOriginYAngst #10
_rlnRandomSubset #11
_rlnImageId #12
000001@p.mrcs 1 12000.5 11900 30 10.5 20 -30 1.25 -2 1 1
000002@p.mrcs 1 13000 12900 40 11 21 -31 0 0 2 2
000003@p.mrcs 1 14000 13900 50 12 22 -32 0.5 -0.5 1 3
"""

OLD_STAR = b"""data_

loop_
_rlnMicrographName #1
_rlnImageName #2
_rlnVoltage #3
_rlnDefocusU #4
_rlnDefocusV #5
_rlnDefocusAngle #6
_rlnSphericalAberration #7
_rlnAmplitudeContrast #8
_rlnPhaseShift #9
_rlnMagnification #10
_rlnDetectorPixelSize #11
_rlnAngleRot #12
_rlnAngleTilt #13
_rlnAnglePsi #14
_rlnOriginX #15
_rlnOriginY #16
m.mrc 1@p.mrcs 300 12000 11000 10 2.7 0.1 0 33333.3333 5 10 20 30 1 -1
'a b.mrc' 2@p.mrcs 300 12000 11000 10 2.7 0.1 0 33333.3333 5 10 20 30 1 -1
"""

PAIRS_STAR = b"""data_general
_rlnVersion 5.0
_rlnText 'two words'

data_model_1
loop_
_a
_b
1 2
;text
;
3
"""

CIF = b"""data_m
loop_
_atom_site.group_PDB
_atom_site.id
_atom_site.type_symbol
_atom_site.label_atom_id
_atom_site.label_alt_id
_atom_site.label_comp_id
_atom_site.label_asym_id
_atom_site.label_seq_id
_atom_site.pdbx_PDB_ins_code
_atom_site.Cartn_x
_atom_site.Cartn_y
_atom_site.Cartn_z
_atom_site.occupancy
_atom_site.B_iso_or_equiv
_atom_site.auth_seq_id
_atom_site.auth_asym_id
_atom_site.pdbx_PDB_model_num
ATOM 1 C CA . ALA A 1 ? 1.0 2.0 3.0 1.0 78.95 1 A 1
ATOM 2 N N A GLY A 2 ? 4.0 5.0 6.0 0.5 78.95 2 A 1
ATOM 3 N N B GLY A 2 ? 4.5 5.0 6.0 0.5 78.95 2 A 1
HETATM 4 O "O5'" . UNX GMM . B -1.25 1e1 0 2.5 157.9 -3 GMM 2
"""

PDB = b"""\
CRYST1    1.000    1.000    1.000  90.00  90.00  90.00 P 1           1
MODEL        1
ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00  0.00           N
ATOM      2  CA AALA A   1      11.639   6.071  -5.147  0.50 20.00           C
ATOM      3  CA BALA A   1      11.739   6.071  -5.147  0.50 20.00           C
HETATM    4 ZN    ZN B 201A     10.000   7.000   8.000  1.00 30.00          ZN
TER
ENDMDL
MODEL        2
ATOM      1  N   ALA A   1      12.104   6.134  -6.504  1.00  0.00           N
ENDMDL
END
"""

CONFIG: dict[str, Any] = {
    "particles": "p.star",
    "neutral": "n",
    "output": "o",
    "decoders": [
        {"name": "a", "kind": "hierarchical", "anchors": [4, 8], "region": "A:1-20,B"},
        {"name": "b", "kind": "rigid", "bodies": ["x=A:1-9", "y=y.mrc"], "body_edge_A": 5.0},
        {"name": "c", "vary": ["positions", "amplitudes"], "smoothing_A": 4.5, "mask": "m.mrc"},
    ],
    "rounds": [{"resolution_A": 12.0, "decoders": ["a"], "epochs": 3}, {}],
    "symmetry": "C3",
    "resolution_A": 6.0,
    "latent_dim": 2,
    "seed": 3,
    "memory_limit_GB": 0.5,
    "device": "cpu",
    "threads": 2,
}


def cs_table(fields: str = "all") -> bytes:
    """Three particles as numpy.save writes a .cs file."""
    kinds: list[Any] = [("uid", "<u8")]
    if fields in ("all", "poses"):
        kinds += [("alignments3D/split", "<u4"), ("alignments3D/shift", "<f4", (2,))]
        kinds += [("alignments3D/pose", "<f4", (3,)), ("alignments3D/psize_A", "<f4")]
    if fields in ("all", "rest"):
        kinds += [("ctf/exp_group_id", "<u4"), ("ctf/accel_kv", "<f4"), ("ctf/cs_mm", "<f4")]
        kinds += [("ctf/amp_contrast", "<f4"), ("ctf/df1_A", "<f4"), ("ctf/df2_A", "<f4")]
        kinds += [("ctf/df_angle_rad", "<f4"), ("ctf/phase_shift_rad", "<f4")]
        kinds += [("ctf/anisomag", "<f4", (4,)), ("blob/path", "S12"), ("blob/idx", "<u4")]
        kinds += [("blob/shape", "<u4", (2,)), ("blob/psize_A", "<f4"), ("blob/sign", "<f4")]
    table = np.zeros(3, dtype=kinds)
    usual = {
        "uid": [11, 12, 13],
        "alignments3D/split": [0, 1, 0],
        "alignments3D/pose": 0.5,
        "alignments3D/psize_A": 3.0,
        "ctf/accel_kv": 300,
        "ctf/cs_mm": 2.7,
        "ctf/amp_contrast": 0.1,
        "ctf/df1_A": 12000,
        "ctf/df2_A": 11000,
        "blob/path": b">J1/p.mrcs",
        "blob/idx": [0, 1, 2],
        "blob/shape": 8,
        "blob/psize_A": 1.5,
        "blob/sign": -1,
    }
    for name, value in usual.items():
        if name in (table.dtype.names or ()):
            table[name] = value
    return array(table)


def array(values: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, values)
    return stream.getvalue()


def archive(**values: Any) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **values)
    return stream.getvalue()


def motion() -> bytes:
    """As motion.npz of a run: two components of three Gaussians."""
    ends = np.ones((2, 3, 3), np.float32)
    return archive(
        positions_A=np.eye(3, dtype=np.float32), low_A=-ends, high_A=ends, share=np.ones(2) / 2
    )


def deflated() -> bytes:
    """A small archive whose array is large: a decompression bomb."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("positions_A.npy", array(np.zeros((200_000, 3), np.float32)))
    return stream.getvalue()


def mrc(shape: tuple[int, int, int] = (4, 4, 4), mode: int = 2, order: str = "<") -> bytes:
    """A map or stack with the header of MRC2014; sections, rows, columns."""
    from mrcfile.dtypes import HEADER_DTYPE

    kind = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}[mode]
    header = np.zeros((), HEADER_DTYPE.newbyteorder(order))
    header["nz"], header["ny"], header["nx"] = shape
    header["mz"], header["my"], header["mx"] = shape
    header["mode"] = mode
    header["cella"] = tuple(1.5 * side for side in reversed(shape))
    header["cellb"] = (90, 90, 90)
    header["mapc"], header["mapr"], header["maps"] = 1, 2, 3
    header["map"] = b"MAP "
    header["machst"] = (0x44, 0x44, 0, 0) if order == "<" else (0x11, 0x11, 0, 0)
    values = np.arange(np.prod(shape)) % 7
    return header.tobytes() + values.astype(f"{order}{kind}").tobytes()


def maps() -> list[bytes]:
    plain = [mrc(), mrc(mode=1, order=">"), mrc(mode=0), mrc(mode=12), mrc(mode=6)]
    return [*plain, gzip.compress(mrc()), bz2.compress(mrc()), gzip.compress(mrc((64, 64, 64)))]


def as_json(content: Any) -> bytes:
    return json.dumps(content, indent=1).encode()


def architecture() -> dict[str, Any]:
    """What weights.safetensors says of itself: two decoders for five Gaussians."""
    usual = {"vary": ["positions"], "smoothing_A": 4.0, "anchors": [], "bodies": [], "seed": 1}
    return {
        "decoders": [
            {**usual, "name": "free", "kind": "free"},
            {**usual, "name": "bodies", "kind": "rigid", "bodies": ["x", "y"]},
        ],
        "latent_dim": 2,
        "refine_neutral": True,
        "keeps_bonds": False,
        "gaussians": 5,
        "encoder_inputs": 4,
    }


def weights() -> bytes:
    """weights.safetensors of the decoders above, as a run writes it, all weights fresh."""
    import torch
    from safetensors.torch import save

    from gmmflex.engine.model.mixture.mixture import GaussianMixture
    from gmmflex.engine.nets.build import DecoderDescription
    from gmmflex.engine.nets.encoder import Encoder
    from gmmflex.engine.nets.model import Model
    from gmmflex.engine.parts.regions import Region, build_decoders

    torch.manual_seed(1)
    about = architecture()
    neutral = GaussianMixture(5.0 * torch.randn(5, 3), torch.ones(5), torch.ones(5))
    regions = {"free": Region(torch.ones(5)), "bodies": Region(torch.ones(2, 5) / 2, ("x", "y"))}
    descriptions = tuple(DecoderDescription(**item) for item in about["decoders"])
    decoder = build_decoders(descriptions, regions, about["latent_dim"], neutral, True)
    model = Model(Encoder(about["encoder_inputs"], about["latent_dim"]), decoder, neutral)
    tensors = {
        **model.state(),
        "neutral.positions_A": neutral.positions_A,
        "neutral.amplitudes": neutral.amplitudes,
        "neutral.sigmas_A": neutral.sigmas_A,
        "neutral.centre_A": torch.ones(3, dtype=torch.float64),
        **{f"region.{name}": part.values for name, part in regions.items()},
    }
    return bytes(save(tensors, {"gmmflex": json.dumps(about)}))


def checkpoint() -> bytes:
    """state.pt as a run leaves it, of a network of one layer."""
    from pathlib import Path
    from tempfile import TemporaryDirectory

    import torch

    from gmmflex.engine.training.checkpoint import save_checkpoint
    from gmmflex.engine.training.training import Epoch, Progress

    layer = torch.nn.Linear(2, 1)
    optimiser = torch.optim.Adam(layer.parameters())
    layer(torch.ones(2)).backward()
    optimiser.step()
    progress = Progress((Epoch(1, 1, -0.5, -0.4, 1e-3, 2.0),), {"w": torch.ones(2)}, -0.4, 1e-3, 0)

    class OneLayer:
        def state(self) -> dict[str, torch.Tensor]:
            return dict(layer.state_dict())

    with TemporaryDirectory() as folder:
        save_checkpoint(Path(folder) / "state.pt", 1, progress, OneLayer(), optimiser)  # type: ignore[arg-type]
        return next(Path(folder).iterdir()).read_bytes()
