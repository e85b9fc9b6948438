"""ChimeraX commands that show results."""

import os

import numpy as np

from gmmflex.engine.io.mixture_file import read_mixture


def mixture_script(mixture_file: str, map_file: str) -> str:
    """Commands that show a mixture as spheres inside the transparent surface of a map.

    Spheres have the median sigma of the Gaussians as radius and are coloured by amplitude, which
    the file holds as occupancy.
    """
    _, _, sigmas_A = read_mixture(mixture_file)
    return "\n".join(
        [
            f'open "{os.path.abspath(map_file)}"',
            f'open "{os.path.abspath(mixture_file)}"',
            "set bgColor white",
            "lighting soft",
            "volume #1 style surface step 1",
            "color #1 #9fb8d0 target s",
            "transparency #1 65 target s",
            "hide #2 cartoons",
            "show #2 atoms",
            "style #2 sphere",
            f"size #2 atomRadius {float(np.median(sigmas_A)):.2f}",
            "color byattribute a:occupancy #2 palette #3b528b:#21918c:#fde725",
            "view",
            "",
        ]
    )
