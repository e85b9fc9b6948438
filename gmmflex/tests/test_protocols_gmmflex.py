"""The three protocols on particles that the engine simulates: `scipion tests gmmflex.tests...`.

Takes about half a minute and needs no download. The project's own, wider tests lie in the folder
`tests` of its repository.
"""

import math
import os
import shlex
import subprocess

from pwem.protocols import ProtImportVolumes
from pyworkflow.tests import BaseTest, setupTestProject

from gmmflex import Plugin
from gmmflex.protocols import (
    ProtGmmflexHeterogeneity,
    ProtGmmflexImportParticles,
    ProtGmmflexNeutral,
)

PARTICLES = 100
PIXEL_SIZE_A = 4.0


def write_bending_rod(path: str, states: int = 5, atoms: int = 60) -> None:
    """A rod of Cα atoms whose upper half turns by 60 degrees: one PDB model per state."""
    with open(path, "w", encoding="ascii") as pdb:
        for state in range(states):
            angle = math.radians(60 * state / (states - 1) - 30)
            pdb.write(f"MODEL     {state + 1:4d}\n")
            for atom in range(atoms):
                height = 1.2 * (atom - atoms / 2)
                x = max(height, 0) * math.sin(angle)
                z = height if height < 0 else height * math.cos(angle)
                y = 6 * math.sin(atom)
                pdb.write(
                    f"ATOM  {atom + 1:5d}  CA  ALA A{atom + 1:4d}    "
                    f"{x:8.3f}{y:8.3f}{z:8.3f}  1.00 30.00           C  \n"
                )
            pdb.write("ENDMDL\n")
        pdb.write("END\n")


class TestGmmflex(BaseTest):
    """From a star file to a latent space."""

    @classmethod
    def setUpClass(cls):
        setupTestProject(cls)
        folder = cls.proj.getTmpPath("simulated")
        os.makedirs(os.path.dirname(folder), exist_ok=True)
        states = f"{folder}_states.pdb"
        write_bending_rod(states)
        words = ["--states", states, "--output", folder, "--particles", PARTICLES, "--box", 32]
        words += ["--pixel-size", PIXEL_SIZE_A, "--snr", 0.5, "--overwrite"]
        command = " ".join(shlex.quote(str(word)) for word in words)
        subprocess.run(
            f"{Plugin.getProgram()} simulate {command}",
            shell=True,
            env=Plugin.getEnviron(),
            check=True,
        )
        cls.folder = os.path.abspath(folder)

    def test_from_star_to_latent_space(self):
        particles = self.newProtocol(
            ProtGmmflexImportParticles, particlesFile=os.path.join(self.folder, "particles.star")
        )
        self.launchProtocol(particles)
        self.assertSetSize(particles.outputParticles, PARTICLES)

        volume = self.newProtocol(
            ProtImportVolumes,
            filesPath=os.path.join(self.folder, "consensus.mrc"),
            samplingRate=PIXEL_SIZE_A,
        )
        self.launchProtocol(volume)

        neutral = self.newProtocol(
            ProtGmmflexNeutral, resolution=16.0, numberOfGaussians=30, numberOfThreads=1
        )
        neutral.inputVolume.set(volume)
        neutral.inputVolume.setExtended("outputVolume")
        self.launchProtocol(neutral)
        self.assertEqual(neutral.outputGaussians.getNumberOfGaussians(), 30)
        self.assertGreater(neutral.outputGaussians.getMeanFsc(), 0.9)

        analysis = self.newProtocol(
            ProtGmmflexHeterogeneity, latentDimension=2, epochs=2, numberOfThreads=1
        )
        analysis.inputParticles.set(particles)
        analysis.inputParticles.setExtended("outputParticles")
        analysis.inputGaussians.set(neutral)
        analysis.inputGaussians.setExtended("outputGaussians")
        self.launchProtocol(analysis)
        self.assertSetSize(analysis.outputParticles, PARTICLES)
        self.assertEqual(len(analysis.outputParticles.getFirstItem().getZFlex()), 2)
