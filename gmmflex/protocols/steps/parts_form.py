"""Parts of the molecule in a form: lines of text, and the masks that those lines may name."""

import os

from pyworkflow.protocol.params import MultiPointerParam, TextParam

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import read_model, select_atoms
from gmmflex.notation.body_lines import BadLine, parse_parts
from gmmflex.protocols.steps.scipion_maps import MaskFile, MaskObject

HOW_TO_WRITE = (
    "*residues* of the fitted model, by chain and number: A:130-420, or A for a whole chain, or "
    "A:1-20,B:5-9;\n"
    "*mask 1*, *mask 2* …: a mask of the list below;\n"
    "the *path* of a mask file (.mrc).\n\n"
    "The wand opens a window in which chains and residues are chosen."
)


def define_parts(form, name, label, help, important=True):
    """The lines, and the list of masks; name: of the parameter with the lines."""
    form.addParam(
        name,
        TextParam,
        height=6,
        width=52,
        default="",
        important=important,
        label=label,
        help=help,
    )
    form.addParam(
        "partMasks",
        MultiPointerParam,
        pointerClass="VolumeMask",
        allowsNull=True,
        minNumObjects=0,
        label="Masks (optional)",
        help="Masks that the lines name as 'mask 1', 'mask 2' … in the order of this list. Box and "
        "pixel size as the map.",
    )


class ReadsParts:
    """Mixed into protocols with lines of parts and the list of masks."""

    partsParameter: str  # name of the parameter with the lines
    partsHaveKind = False  # whether lines name a kind of decoder

    def _parts(self):
        return parse_parts(self.getAttributeValue(self.partsParameter), self.partsHaveKind)

    def _masks(self):
        """The masks that the lines name, in the list or as files of their own."""
        listed = dict(self._listedMasks())
        masks = {}
        for part in self._parts():
            if part.mask_number is not None:
                masks[_mask_file(part)] = MaskObject(listed[part.mask_number])
            elif part.mask_file is not None:
                masks[_mask_file(part)] = MaskFile(part.mask_file)
        return masks

    def _listedMasks(self):
        return [
            (number, pointer)
            for number, pointer in enumerate(self.partMasks, start=1)
            if pointer.get() is not None
        ]

    def _placeOf(self, part):
        """Where a part is, as the engine takes it: residues, or a file."""
        return part.residues or self._getExtraPath(_mask_file(part))

    def _partFaults(self, fewest: int, what: str):
        """Faults of the lines; what: so many parts in words, such as 'two regions'."""
        try:
            parts = self._parts()
        except BadLine as fault:
            return [str(fault)]
        if len(parts) < fewest:
            return [f"Name at least {what}, one on each line."]
        faults = []
        known = {number for number, _ in self._listedMasks()}
        for part in parts:
            if part.mask_number is not None and part.mask_number not in known:
                faults.append(
                    f"The line '{part}' names mask {part.mask_number}, but the list has "
                    f"{len(known)} masks: add it to the list, or name another one."
                )
            elif part.mask_file is not None and not os.path.isfile(part.mask_file):
                faults.append(
                    f"The mask {part.mask_file} of the line '{part}' does not exist: check the "
                    "path."
                )
        unused = known - {part.mask_number for part in parts}
        faults += [
            f"Mask {number} of the list is named on no line: write a line such as "
            f"NAME=mask {number}, or remove it from the list."
            for number in sorted(unused)
        ]
        return faults + self._residueFaults([part for part in parts if part.residues])

    def _residueFaults(self, parts):
        if not parts:
            return []
        faults = self._modelFaults(f"find the residues {parts[0].residues} in")
        path = self.getModelFile()
        if path is None:
            return faults
        try:
            model = read_model(path)
            for part in parts:
                select_atoms(model, part.residues)
        except UserError as fault:
            faults.append(f"{str(fault)[0].upper()}{str(fault)[1:]}")
        return faults


def _mask_file(part):
    return f"mask_of_{part.name}.mrc"
