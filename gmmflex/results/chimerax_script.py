"""ChimeraX commands that show results."""

import os

import numpy as np

from gmmflex.engine.io.models.mixture_file import read_mixture


def mixture_script(mixture_file: str, map_file: str) -> str:
    """Commands that show a mixture as spheres inside the transparent surface of a map.

    Spheres have the median sigma of the Gaussians as radius and are coloured by amplitude, which
    the file holds as occupancy.
    """
    _, _, sigmas_A = read_mixture(mixture_file)
    return "\n".join(
        [
            *_map_in_the_background(map_file, 65),
            f'open "{os.path.abspath(mixture_file)}"',
            "hide #2 cartoons",
            "show #2 atoms",
            "style #2 sphere",
            f"size #2 atomRadius {float(np.median(sigmas_A)):.2f}",
            "color byattribute a:occupancy #2 palette #3b528b:#21918c:#fde725",
            "view",
            "",
        ]
    )


def trajectory_script(morph_file: str, attributes_file: str, map_file: str) -> str:
    """Commands that show the models of one file as a movie with a slider, over a map.

    attributes_file: .defattr with the displacement of each residue of model #2.
    """
    return "\n".join(
        [
            *_map_in_the_background(map_file, 80),
            f'open "{os.path.abspath(morph_file)}" coordsets true',
            "hide #2 atoms",
            "show #2 cartoons",
            "show #2 & ligand atoms",
            "style #2 & ligand stick",
            f'open "{os.path.abspath(attributes_file)}"',
            "color byattribute r:displacement #2 palette #4575b4:#fee090:#d73027",
            "view",
            "coordset slider #2",
            "",
        ]
    )


def arrows_script(arrows_file: str, mixture_file: str, map_file: str) -> str:
    """Commands that show arrows (BILD) on the Gaussians of a mixture, over a map."""
    return "\n".join(
        [
            *_map_in_the_background(map_file, 80),
            f'open "{os.path.abspath(mixture_file)}"',
            "hide #2 cartoons",
            "show #2 atoms",
            "style #2 sphere",
            "size #2 atomRadius 0.6",
            "color #2 gray",
            f'open "{os.path.abspath(arrows_file)}"',
            "view",
            "",
        ]
    )


def spheres_script(spheres_file: str, map_file: str) -> str:
    """Commands that show spheres (BILD) over the transparent surface of a map."""
    return "\n".join(
        [
            *_map_in_the_background(map_file, 80),
            f'open "{os.path.abspath(spheres_file)}"',
            "view",
            "",
        ]
    )


def maps_script(map_files: list[str]) -> str:
    """Commands that show maps one after the other, with a slider; all at one contour level."""
    opened = " ".join(f'"{os.path.abspath(path)}"' for path in map_files)
    return "\n".join(
        [
            f"open {opened} vseries true",
            "set bgColor white",
            "lighting soft",
            "volume #1 style surface step 1 sdLevel 4",
            "color #1 #9fb8d0",
            "view",
            "vseries slider #1",
            "",
        ]
    )


def _map_in_the_background(map_file, transparency_percent):
    return [
        f'open "{os.path.abspath(map_file)}"',
        "set bgColor white",
        "lighting soft",
        "volume #1 style surface step 1",
        "color #1 #9fb8d0 target s",
        f"transparency #1 {transparency_percent} target s",
    ]
