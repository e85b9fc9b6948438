"""Analyses whose form says which properties of the Gaussians may change, and where."""

from gmmflex.protocols.analysis_base import AnalysisProtocol
from gmmflex.protocols.analysis_texts import listed
from gmmflex.protocols.scipion_maps import MaskObject
from gmmflex.protocols.shared_form import (
    define_latent_dimension,
    define_smoothing,
    define_symmetry,
    define_varied,
)

MASK_FILE = "mask.mrc"


class VaryingAnalysis(AnalysisProtocol):
    """Base of the analyses in which everything, or what lies inside one mask, may change."""

    _label = None

    def _defineWhatMayChange(self, form):
        group = form.addGroup("What may change")
        define_latent_dimension(group)
        define_varied(group)
        define_smoothing(group)
        define_symmetry(group)

    def _masks(self):
        return {} if self.inputMask.get() is None else {MASK_FILE: MaskObject(self.inputMask)}

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
        return {"smoothing": self.smoothing.get()}

    def _kindArguments(self):
        arguments = ["--vary", ",".join(self._varied())]
        if self.inputMask.get() is not None:
            arguments += ["--mask", self._getExtraPath(MASK_FILE)]
        if self.smoothing.get():
            arguments += ["--smoothing", self.smoothing.get()]
        return arguments
