"""Windows that show how the Gaussians of a finished analysis move."""

import os
from pathlib import Path

from gmmflex.constants import MOTION_FILE
from gmmflex.results.chimerax_script import arrows_script
from gmmflex.results.motion import Motion, arrows_bild, read_motion
from gmmflex.viewers.views.chimerax import script_view
from gmmflex.viewers.views.figure_view import figure_view
from gmmflex.viewers.views.motion_plots import draw_arrows, draw_lengths

SHORTEST_ARROW_A = 0.3


def motion_of(run_folder: str) -> Motion | None:
    """Motion of a run; None if its training has not finished."""
    path = os.path.join(run_folder, MOTION_FILE)
    return read_motion(path) if os.path.exists(path) else None


def component_title(motion: Motion, component: int) -> str:
    """Which component this is, and how much of the variance it holds."""
    share = 100 * motion.share[component - 1]
    return f"Principal component {component} ({share:.0f} % of the variance)"


def arrows_view(motion: Motion, component: int):
    """Arrows on the mixture, in a window that can be turned."""
    view = figure_view("Motion as arrows", (7.6, 7.2))
    title = component_title(motion, component)
    draw_arrows(view.getFigure(), motion.positions_A, motion.arrows(component), title)
    return view


def lengths_view(motion: Motion, component: int):
    """How far the Gaussians move."""
    view = figure_view("How far Gaussians move")
    title = component_title(motion, component)
    draw_lengths(view.getFigure(), motion.arrows(component).lengths_A, "Gaussian", title)
    return view


def arrows_in_chimerax(
    motion: Motion, component: int, folder: str, mixture_file: str, map_file: str, tk_root=None
):
    """The same arrows, at their true length, over the map."""
    arrows = Path(folder, f"motion_{component}.bild")
    text = arrows_bild(motion.arrows(component), SHORTEST_ARROW_A)
    arrows.write_text(text, encoding="utf-8")
    script = arrows_script(str(arrows), mixture_file, map_file)
    return script_view(os.path.join(folder, f"motion_{component}.cxc"), script, tk_root)
