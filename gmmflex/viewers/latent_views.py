"""Windows of the latent space, of a run or of any particles that came out of one."""

from pwem.objects import SetOfParticlesFlex
from pyworkflow.viewer import DESKTOP_TKINTER, Viewer

from gmmflex.constants import PROGRAM_NAME
from gmmflex.convert.database_latents import read_latents_of_set
from gmmflex.viewers.explorer.explored import explored
from gmmflex.viewers.explorer.latent_explorer import LatentExplorerView
from gmmflex.viewers.views.figure_view import figure_view
from gmmflex.viewers.views.plots import draw_latent_space, latent_axes


def latent_view(latents, principal: bool, x: int, y: int):
    """Scatter of two axes, counted from 1."""
    axes = latent_axes(latents, principal)
    view = figure_view("Latent space")
    draw_latent_space(view.getFigure(), axes[x - 1], axes[y - 1], "Latent space")
    return view


class GmmflexParticlesViewer(Viewer):
    """The latent space of particles from gmmflex, also of subsets that were chosen from them."""

    _name = "GMMFlex latent space"
    _targets = [SetOfParticlesFlex]
    _environments = [DESKTOP_TKINTER]

    @classmethod
    def can_handle_this_instance(cls, instance):
        name = instance.getFlexInfo().getProgName()
        if not name:  # subsets lose the name of the set, their items keep it
            first = instance.getFirstItem()
            name = "" if first is None else first.getFlexInfo().getProgName()
        return name == PROGRAM_NAME

    def _visualize(self, obj, **kwargs):
        if not len(read_latents_of_set(obj.getFileName())):
            return [self.infoMessage("These particles have no latents.", "Nothing to show")]
        return [LatentExplorerView(explored(self.getProject(), obj), self.getTkRoot())]
