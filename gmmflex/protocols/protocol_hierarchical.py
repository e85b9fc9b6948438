"""Protocol "hierarchical analysis": a few anchors carry the many Gaussians."""

from gmmflex.notation.anchor_levels import BadLevels, parse_levels
from gmmflex.protocols.forms.shared_form import (
    define_anchors,
    define_original_file,
    define_particles,
    define_start,
    define_training,
)
from gmmflex.protocols.steps.engine_job import SEVERAL_GPUS
from gmmflex.protocols.varying_analysis import VaryingAnalysis


class ProtGmmflexHierarchical(VaryingAnalysis):
    """Find motions with a small mixture of anchors that carries the large one.

    A few dozen anchors are spread over the molecule (or over the part inside the mask), and each
    Gaussian follows the anchors around it. Training begins with the anchors alone at low
    resolution, then lets the Gaussians choose whom they follow and brings in finer detail. With
    several levels, the first anchors carry the second ones, and so on. Large mixtures (thousands
    of Gaussians) and noisy images profit most.
    """

    _label = "hierarchical analysis"

    def _defineParams(self, form):
        self._defineGpuParams(form, SEVERAL_GPUS)
        form.addSection(label="Input")
        define_particles(form)
        define_original_file(form)
        define_start(form)
        define_anchors(form)
        self._defineWhatMayChange(form)
        self._defineWatched(form)
        define_training(form)

    def _kindSettings(self):
        return {**super()._kindSettings(), "anchors": self._anchors()}

    def _kindArguments(self):
        anchors = ",".join(map(str, self._anchors()))
        return [*super()._kindArguments(), "--decoder", "hierarchical", "--anchors", anchors]

    def _kindFaults(self):
        faults = anchor_faults(self.anchors.get(), self.inputGaussians.get())
        return faults + super()._kindFaults()

    def _whatMayChange(self):
        levels = " and then ".join(map(str, self._anchors()))
        return f"{super()._whatMayChange()}, carried by {levels} anchors"

    def _anchors(self):
        return parse_levels(self.anchors.get())


def anchor_faults(text, gaussians) -> list[str]:
    """Whether a text names levels of anchors that a GaussianModel (or None) can have."""
    try:
        levels = parse_levels(text)
    except BadLevels as fault:
        return [str(fault)]
    if gaussians is not None and levels[-1] >= gaussians.getNumberOfGaussians():
        return [
            f"{levels[-1]} anchors are not fewer than the {gaussians.getNumberOfGaussians()} "
            "Gaussians of the mixture: give fewer anchors, or use 'heterogeneity analysis'."
        ]
    return []
