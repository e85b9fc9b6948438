"""A window on the latent space: any axes, any colour, subsets drawn by hand, particles and ways
looked at."""

import os
import tkinter as tk
from pathlib import Path
from tkinter import ttk

import numpy as np
from matplotlib.backends.backend_tkagg import FigureCanvasTkAgg, NavigationToolbar2Tk
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.widgets import LassoSelector
from pyworkflow.viewer import View

from gmmflex.results.nearest_points import nearest_on_screen, nearest_rows
from gmmflex.viewers.explorer.cloud_overlay import CloudOverlay
from gmmflex.viewers.explorer.coloured_cloud import draw_coloured, inside
from gmmflex.viewers.explorer.decoded_states import DecodedStates
from gmmflex.viewers.explorer.explored import Explored
from gmmflex.viewers.explorer.explorer_panels import ParticlePanel, TrajectoryPanel
from gmmflex.viewers.explorer.subset_message import ask_for_subset
from gmmflex.viewers.views.chimerax import script_view
from gmmflex.viewers.views.plots import ORANGE, Axis, draw_latent_space

TITLE = "Explore the latent space"
BY_DENSITY = "Density of particles"
HINT = "Draw around particles to choose them; click on one to see it."
_FAULT, _QUIET = "#b3261e", "#5f6b76"
# A press and a release within so many pixels are a click; so far from a particle it misses it.
_CLICK_PX, _MISS_PX = 4, 30
_ASK_MS = 200


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
        self.geometry("1260x800")
        self.what = what
        self.chosen = np.zeros(len(what.columns.ids), dtype=bool)
        self.picked: int | None = None
        self.decoded: DecodedStates | None = None
        labels = [axis.label for axis in what.axes]
        self.x = tk.StringVar(self, labels[0])
        self.y = tk.StringVar(self, labels[min(1, len(labels) - 1)])
        self.colour = tk.StringVar(self, BY_DENSITY)
        self.name = tk.StringVar(self, "chosen in the latent space")
        self.with_model = tk.BooleanVar(self, what.model is not None)
        self._overlay: CloudOverlay | None = None
        self._make_choices(labels)
        self._make_subset_line()
        self._make_side()
        self._make_picture()
        self.draw()

    @property
    def message(self) -> str:
        """The line below the picture."""
        return self._message.cget("text")

    def draw(self) -> None:
        """Everything anew; a choice stays, its outline goes."""
        if self._overlay is not None:
            self._overlay.disconnect()
        self.figure.clear()
        x, y = self._axis(self.x), self._axis(self.y)
        if self.colour.get() == BY_DENSITY:
            draw_latent_space(self.figure, x, y, "Latent space")
        else:
            name = self.colour.get()
            draw_coloured(self.figure, x, y, Axis(self.what.values(name), name))
        panel = self.figure.axes[0]
        line = {"color": ORANGE, "linewidth": 1.5}
        self._lasso = LassoSelector(panel, self.choose, props=line)
        self._outline = None
        self._overlay = CloudOverlay(self.canvas, panel)
        if self.picked is not None:
            self._mark_picked()
        if self.trajectory.path is not None:
            self.trajectory.choose(self.trajectory.name.get())
        self.canvas.draw_idle()

    def choose(self, outline) -> None:
        """Choose the particles inside an outline, a list of (x, y); a click picks one."""
        outline = np.asarray(outline, dtype=float)
        panel = self.figure.axes[0]
        if len(outline) and np.ptp(panel.transData.transform(outline), axis=0).max() < _CLICK_PX:
            self.pick(*outline[-1])
            return
        if len(outline) < 3:
            return
        self.chosen = inside(self._axis(self.x).values, self._axis(self.y).values, outline)
        self._outline_is(Polygon(outline, facecolor=ORANGE, alpha=0.18, edgecolor=ORANGE, lw=1.5))
        self._tell_chosen("chosen.")

    def pick(self, x: float, y: float) -> None:
        """Show the particle nearest to a place of the picture."""
        panel = self.figure.axes[0]
        corners = panel.transData.transform([(0.0, 0.0), (1.0, 1.0)])
        values = self._axis(self.x).values, self._axis(self.y).values
        row, away_px = nearest_on_screen(*values, (x, y), tuple(corners[1] - corners[0]))
        if away_px > _MISS_PX:
            self._say("There is no particle here: click nearer to one.")
            return
        self.picked = row
        self.particle.show(self.what.details(row), self.what.run_folder is not None)
        self._mark_picked()
        self._say(f"Particle {self.what.columns.ids[row]}.")

    def choose_nearest(self, count: int) -> None:
        """Choose the particles whose latents are nearest to that of the one that was picked."""
        rows = nearest_rows(self.what.latents, self.what.latents[self.picked], count)
        self.chosen = np.zeros_like(self.chosen)
        self.chosen[rows] = True
        self._outline_is(None)
        x, y = self._axis(self.x).values[rows], self._axis(self.y).values[rows]
        self._overlay.put("near", x, y)
        self._tell_chosen(f"chosen, the nearest to {self.what.columns.ids[self.picked]}.")

    def make_subset(self) -> None:
        """Ask the project's window for a subset of the chosen particles."""
        ids = self.what.columns.ids[self.chosen]
        try:
            ask_for_subset(self.what.project, self.what.particles, ids, self.name.get())
        except (ValueError, OSError) as fault:
            self._say(str(fault), _FAULT)
            return
        self._say(f"A subset of {len(ids):,} particles is being made in the project.")

    def show_picked_state(self) -> None:
        """Decode the picked particle's state, beside the most typical one, for ChimeraX."""
        latents = np.array([self.what.typical(), self.what.latents[self.picked]])
        number = self.what.columns.ids[self.picked]
        self._decode(latents, f"State 1 is the most typical, state 2 that of particle {number}.")

    def show_trajectory(self, name: str) -> None:
        """Decode all states of a trajectory for ChimeraX."""
        latents = np.load(self.what.trajectories[name], allow_pickle=False)
        self._decode(latents, f"The states of {name}.")

    def destroy(self) -> None:
        if self.decoded is not None:
            self.decoded.stop()
        super().destroy()

    def _decode(self, latents: np.ndarray, about: str) -> None:
        if self.decoded is not None and self.decoded.running:
            self._say("The engine is already running: wait until it has finished.", _FAULT)
            return
        model = self.what.model if self.with_model.get() else None
        self.decoded = DecodedStates(self.what.project, self.what.run_folder, latents, model)
        self._ask_engine(about)

    def _ask_engine(self, about: str) -> None:
        """Every now and then, until the states are there; the window stays alive."""
        assert self.decoded is not None
        if self.decoded.running:
            self._say(f"Decoding: {self.decoded.line}")
            self.after(_ASK_MS, self._ask_engine, about)
        elif self.decoded.fault:
            self._say(self.decoded.fault, _FAULT)
        else:
            self._say(about)
            script = Path(self.decoded.script)
            script_view(os.fspath(script), script.read_text(encoding="utf-8"), self).show()

    def _move_state(self, latent: np.ndarray, path: np.ndarray) -> None:
        """Show a way, and where on it one is."""
        columns = [self._number(variable) for variable in (self.x, self.y)]
        way = self.what.frame.places(path)[:, columns]
        here = self.what.frame.places(latent[None])[:, columns]
        self._overlay.put("path", way[:, 0], way[:, 1])
        self._overlay.put("state", here[:, 0], here[:, 1])

    def _mark_picked(self) -> None:
        row = self.picked
        x, y = (self._axis(variable).values[[row]] for variable in (self.x, self.y))
        self._overlay.put("particle", x, y)

    def _outline_is(self, outline) -> None:
        self._overlay.put("near")
        if self._outline is None and outline is None:
            return
        if self._outline is not None:
            self._outline.remove()
        self._outline = outline
        if outline is not None:
            self.figure.axes[0].add_patch(outline)
        self.canvas.draw_idle()

    def _tell_chosen(self, how: str) -> None:
        count = int(self.chosen.sum())
        self._say(f"{count:,} of {len(self.chosen):,} particles {how}")
        self._subset.state(["!disabled"] if count else ["disabled"])

    def _number(self, variable: tk.StringVar) -> int:
        labels = [axis.label for axis in self.what.axes]
        return labels.index(variable.get())

    def _axis(self, variable: tk.StringVar) -> Axis:
        return self.what.axes[self._number(variable)]

    def _make_choices(self, labels: list[str]) -> None:
        line = ttk.Frame(self, padding=(12, 10, 12, 4))
        line.pack(fill="x")
        for text, variable, values, width in (
            ("x", self.x, labels, 34),
            ("y", self.y, labels, 34),
            ("Colour", self.colour, [BY_DENSITY], 30),
        ):
            ttk.Label(line, text=text).pack(side="left", padx=(0, 5))
            box = ttk.Combobox(
                line, textvariable=variable, values=values, width=width, state="readonly"
            )
            box.pack(side="left", padx=(0, 14))
            box.bind("<<ComboboxSelected>>", lambda _event: self.draw())
        # what differs among a million particles takes seconds to find out
        box.configure(postcommand=lambda: box.configure(values=self._colours()))

    def _colours(self) -> list[str]:
        self.configure(cursor="watch")
        self.update_idletasks()
        try:
            return [BY_DENSITY, *self.what.colour_names()]
        finally:
            self.configure(cursor="")

    def _make_subset_line(self) -> None:
        line = ttk.Frame(self, padding=(12, 4, 12, 12))
        line.pack(side="bottom", fill="x")
        self._message = tk.Label(line, text=HINT, fg=_QUIET, anchor="w")
        self._message.pack(side="left", fill="x", expand=True)
        self._subset = ttk.Button(line, text="Make a subset", command=self.make_subset)
        self._subset.pack(side="right")
        self._subset.state(["disabled"])
        ttk.Entry(line, textvariable=self.name, width=30).pack(side="right", padx=(5, 8))
        ttk.Label(line, text="Name").pack(side="right")

    def _make_side(self) -> None:
        side = ttk.Frame(self, padding=(0, 6, 12, 0))
        side.pack(side="right", fill="y")
        self.particle = ParticlePanel(side, self.choose_nearest, self.show_picked_state)
        self.particle.pack(fill="both", expand=True)
        self.trajectory = TrajectoryPanel(
            side,
            list(self.what.trajectories),
            lambda name: np.load(self.what.trajectories[name], allow_pickle=False),
            self._move_state,
            self.show_trajectory,
        )
        self.trajectory.pack(fill="x", pady=(10, 4))
        models = ttk.Checkbutton(
            side, text="ChimeraX: the fitted model, too", variable=self.with_model
        )
        models.pack(anchor="w", pady=(4, 0))
        models.state(["!disabled" if self.what.model else "disabled"])

    def _make_picture(self) -> None:
        frame = ttk.Frame(self)
        frame.pack(fill="both", expand=True)
        self.figure = Figure(figsize=(9.0, 6.4), dpi=100, layout="constrained")
        self.canvas = FigureCanvasTkAgg(self.figure, master=frame)
        NavigationToolbar2Tk(self.canvas, frame).update()
        self.canvas.get_tk_widget().pack(fill="both", expand=True)

    def _say(self, text: str, colour: str = _QUIET) -> None:
        self._message.configure(text=text, fg=colour)
