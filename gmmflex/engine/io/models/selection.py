"""Selections of atoms written as `A:130-420`, `A`, or several joined by commas."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models.atomic_model import AtomicModel

# residue numbers have few digits; those of more cannot be compared with any
_RANGE = re.compile(r"^(-?[0-9]{1,9})(?:-(-?[0-9]{1,9}))?$")


def select_atoms(model: AtomicModel, selection: str) -> NDArray[np.bool_]:
    """Mask (n,) of the atoms named by chain and author residue number, ends included.

    `A` is a whole chain, `A:130-420` a range, `A:7` one residue; commas join parts, and a
    range without a chain continues the chain before it: `A:1-20,40-50,B:5`.

    Raises:
        UserError: a part that cannot be read or that selects nothing.
    """
    chosen = np.zeros(len(model), dtype=np.bool_)
    present = set(model.chains.tolist())
    chain = ""
    for part in (piece.strip() for piece in selection.split(",")):
        span = ""
        if ":" in part:
            chain, span = (piece.strip() for piece in part.split(":", 1))
        elif part not in present and chain and _RANGE.match(part):
            span = part
        else:
            chain = part
        found = _select_part(model, chain, span, part, selection)
        if chain not in present:
            raise UserError(
                f"selection {selection!r} names chain {chain!r}, which the model does not have; "
                f"its chains are {', '.join(sorted(present)[:20])}."
            )
        if not found.any():
            numbers = model.residue_numbers[model.chains == chain]
            raise UserError(
                f"selection {selection!r} selects no atom with {part!r}; chain {chain} has "
                f"residues {numbers.min()} to {numbers.max()}."
            )
        chosen |= found
    return chosen


def _select_part(
    model: AtomicModel, chain: str, span: str, part: str, selection: str
) -> NDArray[np.bool_]:
    in_chain: NDArray[np.bool_] = model.chains == chain
    if not span and not part.endswith(":"):
        return in_chain
    match = _RANGE.match(span)
    if match is None:
        raise UserError(
            f"selection {selection!r} cannot be read at {part!r}; write chain and residues as in "
            "A:130-420."
        )
    first = int(match[1])
    last = int(match[2]) if match[2] is not None else first
    if last < first:
        raise UserError(
            f"selection {selection!r} runs backwards at {part!r}; write {last}-{first}."
        )
    return in_chain & (model.residue_numbers >= first) & (model.residue_numbers <= last)
