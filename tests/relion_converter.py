"""Run scipion-em-relion's converters on star files, in a process of their own.

    python relion_converter.py IN.star OUT.star FOUND.npz [IN2.star OUT2.star FOUND2.npz ...]

reads IN with the plugin's reader (ALIGN_PROJ), saves every particle's 4 x 4 matrix, image name,
CTF and what is known of the microscope, and writes the set with the plugin's writer. It runs apart
because importing the plugin warns and needs Scipion's environment variables.
"""

import sys

import numpy as np
import pwem
import pyworkflow

pyworkflow.Config.setDomain(pwem)

from pwem.constants import ALIGN_PROJ  # noqa: E402
from pwem.objects import SetOfParticles  # noqa: E402
from relion.convert.convert31 import Reader, Writer  # noqa: E402


def convert(star_in: str, star_out: str, found_out: str) -> None:
    particles = SetOfParticles(filename=":memory:")
    Reader().readSetOfParticles(star_in, particles, alignType=ALIGN_PROJ)
    items = [item.clone() for item in particles.iterItems(orderBy="id")]
    acquisition = particles.getAcquisition()
    np.savez(
        found_out,
        matrices=np.array([item.getTransform().getMatrix() for item in items]),
        locations=np.array(["{:06d}@{}".format(*item.getLocation()) for item in items]),
        pixel_size_A=particles.getSamplingRate(),
        defocus=np.array(
            [
                (c.getDefocusU(), c.getDefocusV(), c.getDefocusAngle(), c.getPhaseShift() or 0.0)
                for c in (item.getCTF() for item in items)
            ]
        ),
        microscope=(
            acquisition.getVoltage(),
            acquisition.getSphericalAberration(),
            acquisition.getAmplitudeContrast(),
        ),
        optics=acquisition.opticsGroupInfo.get(),
    )
    Writer().writeSetOfParticles(particles, star_out, alignType=ALIGN_PROJ)


if __name__ == "__main__":
    for start in range(1, len(sys.argv), 3):
        convert(*sys.argv[start : start + 3])
