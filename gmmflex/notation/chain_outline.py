"""Chains of a model and the residues they have: what one chooses parts of a molecule from."""

from dataclasses import dataclass

import numpy as np

from gmmflex.engine.io.models import AtomicModel


@dataclass(frozen=True)
class ChainOutline:
    """A chain and the numbers of its amino acids or nucleotides, rising, each once."""

    name: str
    residues: np.ndarray

    @property
    def first(self) -> int:
        return int(self.residues[0])

    @property
    def last(self) -> int:
        return int(self.residues[-1])

    def spans(self) -> list[tuple[int, int]]:
        """First and last number of each stretch without a gap."""
        starts = np.flatnonzero(np.diff(self.residues, prepend=self.residues[0] - 2) != 1)
        ends = np.append(starts[1:], len(self.residues)) - 1
        return list(zip(self.residues[starts].tolist(), self.residues[ends].tolist(), strict=True))

    def selection(self, one: int, other: int) -> str:
        """How `A:130-420` is written from two numbers in any order; the whole chain is `A`."""
        first, last = sorted((one, other))
        if first <= self.first and last >= self.last:
            return self.name
        if first == last:
            return f"{self.name}:{first}"
        return f"{self.name}:{max(first, self.first)}-{min(last, self.last)}"


def outlines(model: AtomicModel) -> list[ChainOutline]:
    """Every chain with amino acids or nucleotides, in the order of the file."""
    atoms = model.alpha_carbons()
    chains, numbers = model.chains[atoms], model.residue_numbers[atoms]
    names, first = np.unique(chains, return_index=True)
    return [
        ChainOutline(name, np.unique(numbers[chains == name]))
        for name in names[np.argsort(first)].tolist()
    ]


def residues_of(model: AtomicModel, atoms: np.ndarray) -> dict[str, np.ndarray]:
    """Residue numbers by chain of a mask (n,) of atoms."""
    return {
        chain: np.unique(model.residue_numbers[atoms & (model.chains == chain)])
        for chain in np.unique(model.chains[atoms]).tolist()
    }
