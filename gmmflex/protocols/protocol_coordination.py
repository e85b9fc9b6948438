"""Protocol "multi-decoder coordination": do the motions of several regions go together?"""

import os
from pathlib import Path

from pyworkflow.protocol import LEVEL_ADVANCED
from pyworkflow.protocol.params import EnumParam, StringParam

from gmmflex.engine.io.runs.run_folder import write_json
from gmmflex.notation.anchor_levels import parse_levels
from gmmflex.protocols.analysis_base import AnalysisProtocol
from gmmflex.protocols.forms.decoder_form import other_decoders
from gmmflex.protocols.forms.shared_form import (
    define_anchors,
    define_fitted_model,
    define_original_file,
    define_particles,
    define_start,
    define_training_of_parts,
)
from gmmflex.protocols.protocol_hierarchical import anchor_faults
from gmmflex.protocols.steps.analysis_texts import listed
from gmmflex.protocols.steps.engine_job import SEVERAL_GPUS
from gmmflex.protocols.steps.fitted_model import UsesFittedModel
from gmmflex.protocols.steps.parts_form import HOW_TO_WRITE, ReadsParts, define_parts
from gmmflex.protocols.steps.region_plan import ALL_AT_ONCE, BadResolutions, decoders, rounds
from gmmflex.protocols.steps.step_keys import input_key

CONFIG_FILE = "coordination.json"


class ProtGmmflexCoordination(ReadsParts, UsesFittedModel, AnalysisProtocol):
    """Find out whether the motions of two or more regions are coordinated.

    One encoder looks at each particle; every region has a decoder of its own that moves only its
    Gaussians: freely, carried by anchors, or as a rigid body. Afterwards the amplitudes of the
    regions' motions are correlated over all particles and compared with chance.
    """

    _label = "multi-decoder coordination"
    partsParameter = "regions"
    partsHaveKind = True

    def _defineParams(self, form):
        self._defineGpuParams(form, SEVERAL_GPUS)
        form.addSection(label="Input")
        define_particles(form)
        define_original_file(form)
        define_start(form)
        form.addSection(label="Regions")
        define_fitted_model(form, "Its chains and residue numbers name the regions.")
        define_parts(
            form,
            "regions",
            "Regions (NAME=DECODER WHERE)",
            "One region on each line, two or more, such as\n\nlid=rigid A:120-160\n"
            "core=hierarchical A:1-110\ntail=free mask 1\n\n"
            "DECODER is *free* (each Gaussian by itself; taken if none is written), "
            "*hierarchical* (carried by anchors) or *rigid* (the region turns and shifts as one "
            f"body){other_decoders()}.\n\nWHERE is one of\n{HOW_TO_WRITE}",
        )
        define_anchors(form, label="Anchors of hierarchical regions")
        form.addParam(
            "order",
            EnumParam,
            choices=["all from the start", "one after another"],
            default=ALL_AT_ONCE,
            display=EnumParam.DISPLAY_HLIST,
            label="Regions come in",
            help="*one after another*: training begins with the first region alone, then the "
            "second one joins, and so on: write the region with the largest motion first.",
        )
        form.addParam(
            "roundResolutions",
            StringParam,
            default="",
            expertLevel=LEVEL_ADVANCED,
            condition=f"order != {ALL_AT_ONCE}",
            label="Resolution as each comes in (Å)",
            help="One resolution for each region in the order of the lines, for example '15, 10, "
            "8'. Empty: the resolution of the analysis in every round.",
        )
        define_training_of_parts(form)

    def _kindSettings(self):
        return {
            "regions": [str(part) for part in self._parts()],
            "anchors": parse_levels(self.anchors.get()),
            "order": self.order.get(),
            "roundResolutions": self.roundResolutions.get(),
            "model": input_key(self.inputModel),
        }

    def _prepareKind(self):
        parts = self._parts()
        config = {
            "decoders": decoders(parts, self._placeOf, parse_levels(self.anchors.get())),
        }
        planned = rounds(parts, self.order.get(), self.roundResolutions.get())
        if planned:
            config["rounds"] = planned
        write_json(Path(self._configPath()), config)

    def _kindArguments(self):
        return ["--config", self._configPath(), *self._modelArguments()]

    def _kindFaults(self):
        faults = self._partFaults(2, "two regions")
        if not faults:
            parts = self._parts()
            try:
                rounds(parts, self.order.get(), self.roundResolutions.get())
            except BadResolutions as fault:
                faults.append(str(fault))
            if any(part.kind == "hierarchical" for part in parts):
                faults += anchor_faults(self.anchors.get(), self.inputGaussians.get())
        return faults

    def _whatMayChange(self):
        names = [f"{part.name} ({part.kind})" for part in self._parts()]
        return f"the regions {listed(names)}, each with a decoder of its own"

    def _configPath(self):
        return os.path.join(self._getExtraPath(), CONFIG_FILE)
