"""The wand beside the bodies or regions of a form."""

from pyworkflow.gui.dialog import showWarning
from pyworkflow.wizard import Wizard

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import read_model
from gmmflex.notation.body_lines import BadLine, parse_parts
from gmmflex.protocols import (
    ProtGmmflexBonds,
    ProtGmmflexCoordination,
    ProtGmmflexHeterogeneity,
    ProtGmmflexHierarchical,
    ProtGmmflexLandscape,
    ProtGmmflexRigidBodies,
)
from gmmflex.wizards.parts_dialog import PartsDialog


class GmmflexPartsWizard(Wizard):
    """Choose bodies or regions from the chains and residues of the fitted model."""

    _targets = [
        (ProtGmmflexRigidBodies, ["bodies"]),
        (ProtGmmflexCoordination, ["regions"]),
        (ProtGmmflexHeterogeneity, ["watched"]),
        (ProtGmmflexHierarchical, ["watched"]),
        (ProtGmmflexBonds, ["watched"]),
        (ProtGmmflexLandscape, ["regions"]),
    ]

    def show(self, form, *params):
        protocol = form.protocol
        name = protocol.partsParameter
        path = protocol.getModelFile()
        if path is None:
            showWarning(
                "No fitted model",
                "Choose the fitted atomic model first (or a neutral mixture that was built from "
                "one): its chains and residues are shown here.",
                form.root,
            )
            return
        try:
            model = read_model(path)
            parts = parse_parts(form.widgetDict[name].get(), protocol.partsHaveKind)
        except (UserError, BadLine) as fault:
            showWarning("This cannot be shown", str(fault), form.root)
            return
        if not len(model.alpha_carbons()):
            showWarning(
                "This cannot be shown",
                f"{path} has no amino acids or nucleotides: write the parts as masks.",
                form.root,
            )
            return
        chosen = PartsDialog(form.root, model, parts, protocol.partsHaveKind).wait()
        if chosen is not None:
            form.setVar(name, "\n".join(str(part) for part in chosen))
