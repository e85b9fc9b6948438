"""A window on the latent space: any axes, any colour, and subsets drawn by hand."""

import tkinter as tk
from dataclasses import dataclass
from tkinter import ttk

import numpy as np
from matplotlib.backends.backend_tkagg import FigureCanvasTkAgg, NavigationToolbar2Tk
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.widgets import LassoSelector
from pyworkflow.viewer import View

from gmmflex.latent_database import read_latents_of_set
from gmmflex.particle_columns import ParticleColumns
from gmmflex.viewers.coloured_cloud import draw_coloured, inside
from gmmflex.viewers.plots import ORANGE, Axis, draw_latent_space, latent_axes
from gmmflex.viewers.subset_message import ask_for_subset

TITLE = "Explore the latent space"
BY_DENSITY = "Density of particles"
HINT = "Draw around particles to choose them."
_FAULT, _QUIET = "#b3261e", "#5f6b76"


@dataclass(frozen=True)
class Explored:
    """Particles to look at. particles: their set, an output of the project; axes: all coordinates
    that they can be drawn along."""

    project: object
    particles: object
    columns: ParticleColumns
    axes: list[Axis]


def explored(project, particles) -> Explored:
    """Read what is needed at first; colours are read when they are asked for."""
    path = particles.getFileName()
    latents = read_latents_of_set(path)
    axes = latent_axes(latents, principal=True) + latent_axes(latents, principal=False)
    return Explored(project, particles, ParticleColumns(path), axes)


class LatentExplorerView(View):
    """What Scipion shows."""

    def __init__(self, what: Explored, tk_root=None) -> None:
        self._what = what
        self._root = tk_root

    def show(self):
        return LatentExplorer(self._root, self._what)


class LatentExplorer(tk.Toplevel):
    """The window."""

    def __init__(self, parent, what: Explored) -> None:
        super().__init__(parent)
        self.title(TITLE)
        self.geometry("1000x780")
        self.what = what
        self.chosen = np.zeros(len(what.columns.ids), dtype=bool)
        labels = [axis.label for axis in what.axes]
        self.x = tk.StringVar(self, labels[0])
        self.y = tk.StringVar(self, labels[min(1, len(labels) - 1)])
        self.colour = tk.StringVar(self, BY_DENSITY)
        self.name = tk.StringVar(self, "chosen in the latent space")
        self._make_choices(labels)
        self._make_subset_line()
        self._make_picture()
        self.draw()

    def draw(self) -> None:
        """Everything anew; a choice stays, its outline goes."""
        self.figure.clear()
        x, y = self._axis(self.x), self._axis(self.y)
        if self.colour.get() == BY_DENSITY:
            draw_latent_space(self.figure, x, y, "Latent space")
        else:
            name = self.colour.get()
            draw_coloured(self.figure, x, y, Axis(self.what.columns.values(name), name))
        panel = self.figure.axes[0]
        line = {"color": ORANGE, "linewidth": 1.5}
        self._lasso = LassoSelector(panel, self.choose, props=line)
        self._outline = None
        self.canvas.draw_idle()

    def choose(self, outline) -> None:
        """Choose the particles inside an outline, a list of (x, y)."""
        outline = np.asarray(outline, dtype=float)
        if len(outline) < 3:
            return
        self.chosen = inside(self._axis(self.x).values, self._axis(self.y).values, outline)
        if self._outline is not None:
            self._outline.remove()
        self._outline = Polygon(outline, facecolor=ORANGE, alpha=0.18, edgecolor=ORANGE, lw=1.5)
        self.figure.axes[0].add_patch(self._outline)
        self.canvas.draw_idle()
        count = int(self.chosen.sum())
        self._say(f"{count:,} of {len(self.chosen):,} particles chosen.")
        self._subset.state(["!disabled"] if count else ["disabled"])

    def make_subset(self) -> None:
        """Ask the project's window for a subset of the chosen particles."""
        ids = self.what.columns.ids[self.chosen]
        try:
            ask_for_subset(self.what.project, self.what.particles, ids, self.name.get())
        except (ValueError, OSError) as fault:
            self._say(str(fault), _FAULT)
            return
        self._say(f"A subset of {len(ids):,} particles is being made in the project.")

    def _axis(self, variable: tk.StringVar) -> Axis:
        return next(axis for axis in self.what.axes if axis.label == variable.get())

    def _make_choices(self, labels: list[str]) -> None:
        line = ttk.Frame(self, padding=(12, 10, 12, 4))
        line.pack(fill="x")
        colours = [BY_DENSITY, *self.what.columns.names]
        for text, variable, values, width in (
            ("x", self.x, labels, 34),
            ("y", self.y, labels, 34),
            ("Colour", self.colour, colours, 24),
        ):
            ttk.Label(line, text=text).pack(side="left", padx=(0, 5))
            box = ttk.Combobox(
                line, textvariable=variable, values=values, width=width, state="readonly"
            )
            box.pack(side="left", padx=(0, 14))
            box.bind("<<ComboboxSelected>>", lambda _event: self.draw())

    def _make_subset_line(self) -> None:
        line = ttk.Frame(self, padding=(12, 4, 12, 12))
        line.pack(side="bottom", fill="x")
        self._told = tk.Label(line, text=HINT, fg=_QUIET, anchor="w")
        self._told.pack(side="left", fill="x", expand=True)
        self._subset = ttk.Button(line, text="Make a subset", command=self.make_subset)
        self._subset.pack(side="right")
        self._subset.state(["disabled"])
        ttk.Entry(line, textvariable=self.name, width=30).pack(side="right", padx=(5, 8))
        ttk.Label(line, text="Name").pack(side="right")

    def _make_picture(self) -> None:
        frame = ttk.Frame(self)
        frame.pack(fill="both", expand=True)
        self.figure = Figure(figsize=(9.6, 6.4), dpi=100, layout="constrained")
        self.canvas = FigureCanvasTkAgg(self.figure, master=frame)
        NavigationToolbar2Tk(self.canvas, frame).update()
        self.canvas.get_tk_widget().pack(fill="both", expand=True)

    def _say(self, text: str, colour: str = _QUIET) -> None:
        self._told.configure(text=text, fg=colour)
