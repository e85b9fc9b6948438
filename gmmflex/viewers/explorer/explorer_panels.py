"""The side of the window that explores latents: one particle, and a trajectory that plays."""

import tkinter as tk
from tkinter import ttk

import numpy as np

from gmmflex.results.nearest_points import along_path

FRAME_MS = 40
PLAY_S = 4.0
NEAREST = 500


class ParticlePanel(ttk.LabelFrame):
    """What is known of the particle that was clicked, and what can be done with it."""

    def __init__(self, parent, choose_nearest, show_state) -> None:
        """choose_nearest: called with a number of particles; show_state: without anything."""
        super().__init__(parent, text="Particle", padding=8)
        self.count = tk.StringVar(self, str(NEAREST))
        self._choose_nearest = choose_nearest
        self._table = ttk.Treeview(self, columns=("value",), show="tree", height=13)
        self._table.column("#0", width=172)
        self._table.column("value", width=92, anchor="e")
        self._table.pack(fill="both", expand=True)
        self._hint = ttk.Label(self, text="Click on a particle to see it.", foreground="#5f6b76")
        self._hint.pack(anchor="w", pady=(6, 2))
        line = ttk.Frame(self)
        line.pack(fill="x", pady=(4, 2))
        self._near = ttk.Button(line, text="Choose the nearest", command=self.choose)
        self._near.pack(side="left", fill="x", expand=True)
        ttk.Entry(line, textvariable=self.count, width=8, justify="right").pack(
            side="right", padx=(6, 0)
        )
        self._state = ttk.Button(self, text="Its state in ChimeraX", command=show_state)
        self._state.pack(fill="x", pady=(2, 0))
        for button in (self._near, self._state):
            button.state(["disabled"])

    def show(self, lines: list[tuple[str, str]], decodable: bool) -> None:
        """lines: names and values; decodable: whether its state can be shown."""
        self._table.delete(*self._table.get_children())
        for name, value in lines:
            self._table.insert("", "end", text=name, values=(value,))
        self._hint.configure(text="Nearest: in all latent dimensions.")
        self._near.state(["!disabled"])
        self._state.state(["!disabled" if decodable else "disabled"])

    def choose(self) -> None:
        """Hand the number on; what is no number is put right."""
        try:
            count = max(1, int(self.count.get()))
        except ValueError:
            count = NEAREST
        self.count.set(str(count))
        self._choose_nearest(count)


class TrajectoryPanel(ttk.LabelFrame):
    """A way through the latent space, played over the cloud."""

    def __init__(self, parent, names: list[str], chosen, moved, show_states) -> None:
        """chosen: called with a name, gives the latents (m, d); moved: with a latent (d,) and the
        path; show_states: with a name."""
        super().__init__(parent, text="Trajectory", padding=8)
        self._chosen, self._moved = chosen, moved
        self.name = tk.StringVar(self)
        self.at = tk.DoubleVar(self, 0.0)
        self.path: np.ndarray | None = None
        self._step = 0.0
        self._timer: str | None = None
        box = ttk.Combobox(self, textvariable=self.name, values=names, state="readonly")
        box.pack(fill="x")
        box.bind("<<ComboboxSelected>>", lambda _event: self.choose(self.name.get()))
        line = ttk.Frame(self)
        line.pack(fill="x", pady=6)
        self._play = ttk.Button(line, text="Play", width=7, command=self.play_or_pause)
        self._play.pack(side="left")
        self._slider = ttk.Scale(line, variable=self.at, command=lambda _value: self._tell())
        self._slider.pack(side="left", fill="x", expand=True, padx=(8, 0))
        self._state_line = ttk.Label(self, foreground="#5f6b76")
        self._state_line.pack(anchor="w")
        self._states = ttk.Button(
            self, text="Its states in ChimeraX", command=lambda: show_states(self.name.get())
        )
        self._states.pack(fill="x", pady=(6, 0))
        self._state_line.configure(
            text="Choose one to play it." if names else "Run 'landscape' to get some."
        )
        box.state(["!disabled" if names else "disabled"])
        for widget in (self._play, self._slider, self._states):
            widget.state(["disabled"])

    @property
    def playing(self) -> bool:
        return self._timer is not None

    def choose(self, name: str) -> None:
        """Begin a trajectory anew."""
        self.name.set(name)
        self.path = np.atleast_2d(self._chosen(name))
        last = len(self.path) - 1
        self._slider.configure(from_=0.0, to=float(last))
        self._step = last * FRAME_MS / (1000 * PLAY_S)
        for widget in (self._play, self._slider, self._states):
            widget.state(["!disabled"])
        self.go_to(0.0)

    def play_or_pause(self) -> None:
        """What the button does."""
        if self.playing:
            self.pause()
        else:
            self._play.configure(text="Pause")
            self._advance()

    def go_to(self, at: float) -> None:
        """Show the place so many steps from the first state."""
        self.at.set(at)
        self._tell()

    def pause(self) -> None:
        """Stand still."""
        if self._timer is not None:
            self.after_cancel(self._timer)
            self._timer = None
            self._play.configure(text="Play")

    def destroy(self) -> None:
        self.pause()
        super().destroy()

    def _advance(self) -> None:
        """To and fro."""
        assert self.path is not None
        last = len(self.path) - 1.0
        at = self.at.get() + self._step
        if not 0.0 <= at <= last:
            self._step = -self._step
            at = float(np.clip(at, 0.0, last))
        self.go_to(at)
        self._timer = self.after(FRAME_MS, self._advance)

    def _tell(self) -> None:
        if self.path is None:
            return
        at = self.at.get()
        self._state_line.configure(text=f"State {at + 1:.1f} of {len(self.path)}")
        self._moved(along_path(self.path, at), self.path)
