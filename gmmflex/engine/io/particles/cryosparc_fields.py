"""What fields of a .cs file that are used have to be like, before their values are looked at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from gmmflex.engine.io.errors import UserError

# number of values of each particle, by field; one where nothing is said
_SIDES = {
    "alignments3D/shift": (2,),
    "alignments3D/pose": (3,),
    "blob/shape": (2,),
    "ctf/anisomag": (4,),
    "ctf/tilt_A": (2,),
    "ctf/trefoil_A": (2,),
    "ctf/tetra_A": (4,),
}
_WHOLE_NUMBERS = ("uid", "blob/idx", "blob/shape", "ctf/exp_group_id", "alignments3D/split")
_NUMBERS = (
    "alignments3D/shift",
    "alignments3D/pose",
    "alignments3D/psize_A",
    "blob/psize_A",
    "blob/sign",
    "ctf/accel_kv",
    "ctf/cs_mm",
    "ctf/amp_contrast",
    "ctf/df1_A",
    "ctf/df2_A",
    "ctf/df_angle_rad",
    "ctf/phase_shift_rad",
    "ctf/anisomag",
    "ctf/tilt_A",
    "ctf/trefoil_A",
    "ctf/tetra_A",
)
_TEXTS = ("blob/path",)
_EXPECTED = {
    **dict.fromkeys(_NUMBERS, ("fiu", "numbers")),
    **dict.fromkeys(_WHOLE_NUMBERS, ("iu", "whole numbers")),
    # numpy does not look at what it holds as Unicode: numbers beyond it bring Python down
    **dict.fromkeys(_TEXTS, ("S", "bytes of text")),
}


def check_fields(table: np.dtype[Any], source: Path) -> None:
    """Raise UserError at a field in use that is not of its usual kind and shape."""
    for name in table.names or ():
        if name not in _EXPECTED:
            continue
        kinds, what = _EXPECTED[name]
        held = table[name]
        sides = _SIDES.get(name, ())
        if held.base.kind not in kinds or held.shape != sides:
            count = "" if not sides else f"{sides[0]} "
            raise UserError(
                f"{source} has {held} in the field {name}, where {count}{what} of each particle "
                "are expected; export it again from cryoSPARC."
            )
