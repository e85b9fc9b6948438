"""The wand beside the trajectory of a form."""

from pyworkflow.gui.dialog import ListDialog, showWarning
from pyworkflow.gui.tree import ListTreeProviderString
from pyworkflow.object import String
from pyworkflow.wizard import Wizard

from gmmflex.protocols import ProtGmmflexMorph, ProtGmmflexMovie, ProtGmmflexReconstruct
from gmmflex.protocols.steps.chosen_states import trajectories_of


class GmmflexTrajectoryWizard(Wizard):
    """Choose one of the trajectories of the landscape."""

    _targets = [
        (ProtGmmflexMorph, ["trajectory"]),
        (ProtGmmflexMovie, ["trajectory"]),
        (ProtGmmflexReconstruct, ["trajectory"]),
    ]

    def show(self, form, *params):
        landscape = form.protocol.landscape.get()
        names = [] if landscape is None else list(trajectories_of(landscape))
        if not names:
            showWarning(
                "No trajectories",
                "Choose a finished run of 'landscape' first: its trajectories are listed here.",
                form.root,
            )
            return
        provider = ListTreeProviderString([String(name) for name in names])
        dialog = ListDialog(form.root, "Trajectories", provider, "Choose one.", selectmode="browse")
        if dialog.values:
            form.setVar("trajectory", dialog.values[0].get())
