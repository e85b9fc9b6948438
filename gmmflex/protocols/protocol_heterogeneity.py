"""Protocol "heterogeneity analysis": a latent space of the particles' conformations."""

from gmmflex.protocols.forms.decoder_form import USUAL, decoder_faults, define_decoder
from gmmflex.protocols.forms.shared_form import (
    define_original_file,
    define_particles,
    define_start,
    define_training,
)
from gmmflex.protocols.steps.engine_job import SEVERAL_GPUS
from gmmflex.protocols.varying_analysis import VaryingAnalysis


class ProtGmmflexHeterogeneity(VaryingAnalysis):
    """Find how a molecule moves and changes from particle to particle.

    A neural network looks at each particle image and gives it a point in a space of few
    dimensions; a second one turns that point into movements (and, if wanted, changes of amplitude
    and width) of the Gaussians of the neutral mixture. Both are trained together so that the
    projections of the moved mixture resemble the images. Particles that lie near each other in
    the latent space show the molecule in similar states.
    """

    _label = "heterogeneity analysis"

    def _defineParams(self, form):
        self._defineGpuParams(form, SEVERAL_GPUS)
        form.addSection(label="Input")
        define_particles(form)
        define_original_file(form)
        define_start(form)
        self._defineWhatMayChange(form)
        define_decoder(form)
        self._defineWatched(form)
        define_training(form)

    def _kindSettings(self):
        return {**super()._kindSettings(), **self._ofAnotherPackage()}

    def _kindArguments(self):
        other = self._ofAnotherPackage()
        return super()._kindArguments() + (["--decoder", other["decoder"]] if other else [])

    def _kindFaults(self):
        return decoder_faults(self.decoder.get()) + super()._kindFaults()

    def _ofAnotherPackage(self):
        """The decoder, where it is not the usual one."""
        chosen = (self.decoder.get() or USUAL).strip()
        return {} if chosen == USUAL else {"decoder": chosen}
