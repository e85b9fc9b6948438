"""Analyses whose form says which properties of the Gaussians may change, and where."""

from gmmflex.protocols.analysis_base import AnalysisProtocol
from gmmflex.protocols.forms.shared_form import (
    define_fitted_model,
    define_latent_dimension,
    define_smoothing,
    define_symmetry,
    define_varied,
)
from gmmflex.protocols.steps.analysis_texts import listed
from gmmflex.protocols.steps.fitted_model import UsesFittedModel
from gmmflex.protocols.steps.parts_form import HOW_TO_WRITE, ReadsParts, define_parts
from gmmflex.protocols.steps.scipion_maps import MaskObject
from gmmflex.protocols.steps.step_keys import input_key

MASK_FILE = "mask.mrc"


class VaryingAnalysis(ReadsParts, UsesFittedModel, AnalysisProtocol):
    """Base of the analyses in which everything, or what lies inside one mask, may change.

    Parts of the molecule may be named whose angles and shifts are to be reported.
    """

    _label = None
    partsParameter = "watched"

    def _defineWhatMayChange(self, form):
        group = form.addGroup("What may change")
        define_latent_dimension(group)
        define_varied(group)
        define_smoothing(group)
        define_symmetry(group)

    def _defineWatched(self, form, hasModel=False):
        """A section for bodies to report; hasModel: the form asks for the model elsewhere."""
        form.addSection(label="Bodies to report")
        if not hasModel:
            define_fitted_model(form, "Its chains and residue numbers name the bodies.")
        define_parts(
            form,
            "watched",
            "Bodies (NAME=WHERE, optional)",
            "Parts whose angles and shifts are wanted, in degrees and Å for each particle, one on "
            "each line, such as\n\nlid=A:120-160\nclamp=B\nfab=mask 1\n\nThey change nothing in "
            "what is learnt: afterwards each is superposed as well as possible on its place at "
            f"rest. For parts that are to move as wholes use 'rigid-body analysis'.\n\nWHERE is "
            f"one of\n{HOW_TO_WRITE}",
            important=False,
        )

    def _masks(self):
        own = {} if self.inputMask.get() is None else {MASK_FILE: MaskObject(self.inputMask)}
        return {**own, **super()._masks()}

    def _varied(self):
        chosen = {
            "positions": self.varyPositions.get(),
            "amplitudes": self.varyAmplitudes.get(),
            "widths": self.varyWidths.get(),
        }
        return [name for name, is_chosen in chosen.items() if is_chosen]

    def _whatMayChange(self):
        return f"their {listed(self._varied())}"

    def _kindSettings(self):
        settings = {"smoothing": self.smoothing.get()}
        if self._parts():
            settings["watched"] = [str(part) for part in self._parts()]
            settings["model"] = input_key(self.inputModel)
        return settings

    def _kindFaults(self):
        faults = self._partFaults(0, "")
        if not faults and self._parts() and not self.varyPositions.get():
            faults.append("Bodies are reported by how they move: let positions vary.")
        return faults

    def _kindArguments(self):
        arguments = ["--vary", ",".join(self._varied())]
        if self.inputMask.get() is not None:
            arguments += ["--mask", self._getExtraPath(MASK_FILE)]
        if self.smoothing.get():
            arguments += ["--smoothing", self.smoothing.get()]
        if self._parts():
            arguments += self._modelArguments()
        for part in self._parts():
            arguments += ["--body", f"{part.name}={self._placeOf(part)}"]
        return arguments
