"""A matplotlib window that Scipion opens like its own plots."""

from pyworkflow.gui.plotter import Plotter


def figure_view(window_title: str, size_in=(7.2, 5.8)) -> Plotter:
    """An empty window; draw on its `getFigure()` and return it as a view."""
    return Plotter(windowTitle=window_title, figsize=size_in, dpi=100)
