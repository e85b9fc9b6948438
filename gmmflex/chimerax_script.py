"""ChimeraX commands that show results."""

import os


def mixture_script(mixture_file: str, map_file: str, sigma_A: float = 2.0) -> str:
    """Commands that show a mixture as spheres inside the transparent surface of a map.

    Spheres are coloured by amplitude, which the file holds as occupancy.
    """
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
            f"size #2 atomRadius {sigma_A:.2f}",
            "color byattribute a:occupancy #2 palette #3b528b:#21918c:#fde725",
            "view",
            "",
        ]
    )
