"""Protocol "import particles (star, cs)": refined particles with every optics group."""

import os
import re
from collections import Counter
from dataclasses import replace
from enum import Enum

import numpy as np
import pyworkflow.utils as pwutils
from pwem.objects import SetOfParticles
from pwem.protocols import EMProtocol
from pyworkflow import BETA
from pyworkflow.protocol import LEVEL_ADVANCED
from pyworkflow.protocol.params import GT, FloatParam, PathParam

from gmmflex.convert.original_metadata import columns_from_star
from gmmflex.convert.particles import fill_particle_set
from gmmflex.engine.io.star import read_star
from gmmflex.protocols.steps.engine_job import RunsEngine
from gmmflex.protocols.steps.step_keys import as_text, file_key


class ImportOutputs(Enum):
    outputParticles = SetOfParticles


class ProtGmmflexImportParticles(RunsEngine, EMProtocol):
    """Import refined particles from a RELION star file or a cryoSPARC cs file.

    Orientations, shifts, CTF and half sets are taken over exactly, and every optics group is
    kept with its voltage, spherical aberration and amplitude contrast. Neither RELION nor
    cryoSPARC nor pyem is needed.
    """

    _label = "import particles (star, cs)"
    _devStatus = BETA
    _possibleOutputs = ImportOutputs

    # --------------------------- form ---------------------------------------
    def _defineParams(self, form):
        form.addSection(label="Import")
        form.addParam(
            "particlesFile",
            PathParam,
            important=True,
            label="Particles file (.star or .cs)",
            help="The particles of a finished 3-D refinement: run_data.star of RELION (3.0, 3.1, "
            "4 or 5), or ..._particles.cs of cryoSPARC.",
        )
        form.addParam(
            "passthroughFile",
            PathParam,
            allowsNull=True,
            condition="str(particlesFile or '').endswith('.cs')",
            label="Passthrough file (.cs)",
            help="cryoSPARC keeps what a job did not change in a second file, "
            "..._passthrough_particles.cs. Give it if the first file lacks the CTF or the "
            "orientations; the two are joined by uid.",
        )
        form.addParam(
            "imageFolder",
            PathParam,
            allowsNull=True,
            label="Folder of the images (optional)",
            help="The folder from which the image paths in the file start: the RELION or cryoSPARC "
            "project folder. It is found by itself if the file still lies inside its project.",
        )
        form.addParam(
            "magnification",
            FloatParam,
            default=50000.0,
            expertLevel=LEVEL_ADVANCED,
            validators=[GT(0.0, "The magnification is positive.")],
            label="Magnification",
            help="Kept for other protocols; nothing here depends on it.",
        )

    # --------------------------- steps --------------------------------------
    def _insertAllSteps(self):
        files = as_text(
            particles=file_key(self.particlesFile.get()),
            passthrough=file_key(self._passthrough()),
            images=self.imageFolder.get(),
        )
        self._insertFunctionStep(self.readFileStep, files, needsGPU=False)
        self._insertFunctionStep(
            self.createOutputStep, files, self.magnification.get(), needsGPU=False
        )

    def readFileStep(self, files):
        """Any particle file -> one RELION 3.1 star file with absolute image paths."""
        arguments = [self.particlesFile.get(), "--output", self._starPath()]
        if self._passthrough():
            arguments += ["--passthrough", self._passthrough()]
        if self.imageFolder.get():
            arguments += ["--image-root", self.imageFolder.get()]
        pwutils.cleanPath(self._starPath())
        self._runEngine("convert", arguments, self._starPath())

    def createOutputStep(self, files, magnification):
        columns = columns_from_star(read_star(self._starPath()))
        columns = replace(columns, stack_names=self._linkStacks(columns.stack_names))
        particles = self._createSetOfParticles()
        fill_particle_set(particles, columns, magnification)
        self._defineOutputs(**{ImportOutputs.outputParticles.name: particles})

    # --------------------------- what people read ---------------------------
    def _validate(self):
        errors = []
        wanted = {
            "Particles file": self.particlesFile.get(),
            "Passthrough file": self._passthrough(),
        }
        for name, path in wanted.items():
            if path and not os.path.isfile(path):
                errors.append(f"{name} {path} does not exist: check the path.")
        if not self.particlesFile.get():
            errors.append("Give the star or cs file of the particles.")
        folder = self.imageFolder.get()
        if folder and not os.path.isdir(folder):
            errors.append(f"Folder of the images {folder} does not exist: check the path.")
        return errors

    def _summary(self):
        particles = getattr(self, ImportOutputs.outputParticles.name, None)
        if particles is None:
            return ["The particles are not imported yet."]
        groups = particles.getAcquisition().opticsGroupInfo.get() or ""
        rows = [line for line in groups.splitlines() if re.match(r"^[^_#\s].*\s\d", line)]
        return [
            f"*{particles.getSize()} particles* of {particles.getXDim()} px, "
            f"{particles.getSamplingRate():.3f} Å/px, {len(rows)} optics group"
            f"{'' if len(rows) == 1 else 's'}.",
            f"From {self.particlesFile.get()}",
        ]

    def _methods(self):
        particles = getattr(self, ImportOutputs.outputParticles.name, None)
        if particles is None:
            return []
        return [
            f"{particles.getSize()} refined particles were imported from "
            f"{os.path.basename(self.particlesFile.get())}."
        ]

    # --------------------------- details ------------------------------------
    def _passthrough(self):
        is_cs = str(self.particlesFile.get() or "").endswith(".cs")
        return self.passthroughFile.get() if is_cs else None

    def _starPath(self):
        return self._getExtraPath("particles.star")

    def _linkStacks(self, stacks: np.ndarray) -> np.ndarray:
        """Links to the stacks inside the run; always .mrcs, which Scipion takes for 2-D images."""
        unique = sorted(set(stacks.tolist()))
        counts = Counter(_stem(stack) for stack in unique)
        links = {}
        for number, stack in enumerate(unique, start=1):
            stem = _stem(stack)
            name = stem if counts[stem] == 1 else f"{number:06d}_{stem}"
            links[stack] = self._getExtraPath("stacks", f"{name}.mrcs")
            pwutils.makeFilePath(links[stack])
            pwutils.createAbsLink(os.path.abspath(stack), links[stack])
        return np.array([links[stack] for stack in stacks], dtype=object)


def _stem(path):
    return os.path.splitext(os.path.basename(path))[0]
