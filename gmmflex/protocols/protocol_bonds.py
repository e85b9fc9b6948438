"""Protocol "bond-constrained analysis": motions that leave the backbone of the model whole."""

from pyworkflow.protocol.params import EnumParam

from gmmflex.notation.anchor_levels import parse_levels
from gmmflex.protocols.forms.shared_form import (
    define_anchors,
    define_fitted_model,
    define_original_file,
    define_particles,
    define_start,
    define_training,
)
from gmmflex.protocols.protocol_hierarchical import anchor_faults
from gmmflex.protocols.steps.engine_job import SEVERAL_GPUS
from gmmflex.protocols.steps.fitted_model import MODEL_FILE
from gmmflex.protocols.steps.step_keys import input_key
from gmmflex.protocols.varying_analysis import VaryingAnalysis

DECODER_FREE, DECODER_HIERARCHICAL = range(2)


class ProtGmmflexBonds(VaryingAnalysis):
    """Find motions that keep the backbone of the fitted model whole.

    The distance between neighbouring Cα atoms and the angle between three of them (phosphorus for
    nucleic acids) are kept near those of the fitted model while the Gaussians move; chain breaks
    and missing residues are left free. How strongly is calibrated by the program and shown with
    the training curves. The decoded states can then be taken for models.
    """

    _label = "bond-constrained analysis"

    def _defineParams(self, form):
        self._defineGpuParams(form, SEVERAL_GPUS)
        form.addSection(label="Input")
        define_particles(form)
        define_fitted_model(form, "The bonds and angles of its backbone are kept.")
        define_original_file(form)
        define_start(form)
        form.addParam(
            "decoder",
            EnumParam,
            choices=["each by itself", "carried by anchors"],
            default=DECODER_FREE,
            display=EnumParam.DISPLAY_HLIST,
            label="Gaussians move",
            help="*each by itself*: as in 'heterogeneity analysis'.\n*carried by anchors*: as in "
            "'hierarchical analysis', smoother, and better for large mixtures.",
        )
        define_anchors(form, condition=f"decoder == {DECODER_HIERARCHICAL}")
        self._defineWhatMayChange(form)
        self._defineWatched(form, hasModel=True)
        define_training(form)

    def _isHierarchical(self):
        return self.decoder.get() == DECODER_HIERARCHICAL

    def _kindSettings(self):
        settings = {**super()._kindSettings(), "bonds": input_key(self.inputModel)}
        if self._isHierarchical():
            settings["anchors"] = parse_levels(self.anchors.get())
        return settings

    def _kindArguments(self):
        given = self.inputModel.get() is not None
        bonds = self._getExtraPath(MODEL_FILE) if given else "model"
        arguments = [*super()._kindArguments(), "--bonds", bonds]
        if self._isHierarchical():
            levels = ",".join(map(str, parse_levels(self.anchors.get())))
            arguments += ["--decoder", "hierarchical", "--anchors", levels]
        return arguments

    def _kindFaults(self):
        faults = self._modelFaults("take bonds from")
        if not self.varyPositions.get():
            faults.append("Bonds mean something only where positions vary: let positions vary.")
        if self._isHierarchical():
            faults += anchor_faults(self.anchors.get(), self.inputGaussians.get())
        return faults + super()._kindFaults()

    def _whatMayChange(self):
        return f"{super()._whatMayChange()}, with the backbone of the fitted model kept"
