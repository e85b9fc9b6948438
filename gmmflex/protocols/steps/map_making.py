"""How a protocol has the engine reconstruct maps, and what becomes of them in the project."""

import os
from pathlib import Path

from pwem.objects import SetOfVolumesFlex
from pyworkflow.protocol.constants import LEVEL_ADVANCED
from pyworkflow.protocol.params import PointerParam

from gmmflex.constants import PROGRAM_NAME, SUMMARY_FILE
from gmmflex.convert.maps import StateMap, map_lines, read_states, state_volume
from gmmflex.engine.io.maps import write_map
from gmmflex.protocols.steps.scipion_maps import MaskObject
from gmmflex.protocols.steps.step_keys import input_key
from gmmflex.results.chimerax_script import maps_script
from gmmflex.results.finished_analysis import finished_run_folder

STATES_SCRIPT = "states.cxc"


def define_mask(group, condition="True"):
    """Where the halves of maps are compared."""
    group.addParam(
        "mask",
        PointerParam,
        pointerClass="VolumeMask",
        allowsNull=True,
        condition=condition,
        expertLevel=LEVEL_ADVANCED,
        label="Mask for the FSC",
        help="Where half maps are compared, in the box of the particles. Empty: a soft mask around "
        "the molecule, made from each map.",
    )


class MakesMaps:
    """Mixed into protocols with inputAnalysis and mask that run `gmmflex reconstruct`."""

    def convertMaskStep(self, mask):
        """The mask as MRC with Scipion's pixel size, if there is one."""
        if self.mask.get() is not None:
            given = MaskObject(self.mask)
            write_map(self._maskPath(), given.read(self._getTmpPath("mask.mrc")))

    def _reconstruct(self, settings: str, which: list) -> None:
        """which: the options that say which maps; settings: everything that those depend on."""
        folder = self.getMapsFolder()
        self._prepareRunFolder(folder, settings)
        arguments = [self._analysisFolder(), "--output", folder, *which]
        if self.mask.get() is not None:
            arguments += ["--mask", self._maskPath()]
        arguments += self._deviceArguments()
        self._runEngine("reconstruct", arguments, os.path.join(folder, SUMMARY_FILE))

    def _states(self) -> dict[str, StateMap]:
        return read_states(self.getMapsFolder())

    def _volumes(self) -> dict:
        """The volume of each numbered state; one too small for half maps has none."""
        sampling_rate_A = self.inputAnalysis.get().getSamplingRate()
        return {
            int(name): state_volume(state, sampling_rate_A)
            for name, state in self._states().items()
            if name.isdigit()
        }

    def _setOfVolumes(self, volumes: dict) -> SetOfVolumesFlex:
        maps = self._createSetOfVolumesFlex(progName=PROGRAM_NAME)
        maps.setSamplingRate(self.inputAnalysis.get().getSamplingRate())
        for _, volume in sorted(volumes.items()):
            maps.append(volume)
        return maps

    def _writeStatesScript(self, files: list[str]) -> None:
        Path(self.getStatesScript()).write_text(maps_script(files), encoding="utf-8")

    def _mapsAre(self, **outputs) -> None:
        """Define outputs that come from the analysed particles."""
        self._defineOutputs(**outputs)
        for output in outputs.values():
            self._defineSourceRelation(self.inputAnalysis, output)

    def _mapLines(self, called: str) -> list[str]:
        summary = self._summaryOf(self.getMapsFolder())
        return map_lines(summary, called) if summary else []

    def _maskFaults(self) -> list[str]:
        mask, particles = self.mask.get(), self.inputAnalysis.get()
        if mask is None or particles is None:
            return []
        box_px, voxel_A = mask.getXDim(), mask.getSamplingRate()
        wanted_px, wanted_A = particles.getXDim(), particles.getSamplingRate()
        if box_px == wanted_px and abs(voxel_A / wanted_A - 1) < 1e-3:
            return []
        return [
            f"The mask has {box_px} voxels of {voxel_A:.3f} Å, but the particles {wanted_px} of "
            f"{wanted_A:.3f} Å: give a mask in their box, or none."
        ]

    def _maskKey(self):
        return input_key(self.mask)

    def _maskPath(self):
        return self._getExtraPath("mask.mrc")

    def getMapsFolder(self):
        """The engine's reconstructions, relative to the project."""
        return self._getExtraPath("maps")

    def getStatesScript(self):
        """ChimeraX commands that show the maps one after the other."""
        return self._getExtraPath(STATES_SCRIPT)

    def _analysisFolder(self):
        return finished_run_folder(self.inputAnalysis.get())
