"""Scipion's own project window, told what to do by lines of a file.

    python gui_driver.py PROJECT_FOLDER COMMANDS_FILE

Each line that is appended to COMMANDS_FILE does what a click does: `form ID` opens the form of a
run, `new CLASS` that of a new one, `tab N` turns to a page of the newest form, `close` closes the
newest window, `answer` the newest message, `select ID` selects a run, `tree NAME` another tree of
protocols, `analyze ID` presses Analyze Results, `show PARAMETER` the eye beside a line of the
viewer opened last, `wizard PARAMETER` the wand beside a line of the newest form; in the window of
chains that it opens, `drag ROW FIRST LAST` chooses residues on a bar, `name NAME` adds them as a
part, `accept` presses OK; in the window that explores latents, `colour NAME` chooses a colour,
`lasso X1,Y1 X2,Y2 …` drags the mouse around (in parts of the panel, from its lower left corner),
`subset` presses the button, `pick ROW` clicks on a particle, `nearest N` chooses those around it,
`play NAME` plays a trajectory and `pause` stops it, `at X` goes to a place on it, `decode` shows
the particle's state in ChimeraX, `told` prints the line below; `report PARAMETER` prints what a
line of the newest form holds, `quit` ends. Errors of Tk and of commands go to standard error.
"""

import sys
import tkinter as tk
from pathlib import Path
from tkinter import ttk

import pwem
import pyworkflow
from pyworkflow.gui.dialog import Dialog
from pyworkflow.gui.project import ProjectWindow
from pyworkflow.gui.project.viewprotocols import FormWindow
from pyworkflow.viewer import ProtocolViewer

from gmmflex.viewers.explorer.latent_explorer import LatentExplorer
from gmmflex.wizards.parts_dialog import PartsDialog

POLL_MS = 200
SETTLED_S = 60
# Commands that open a dialog and go on when it is closed.
_WAITING = ("show", "wizard", "analyze", "form", "new", "decode")


class NotYet(Exception):
    """The window that a command is for is still being built."""


class Driver:
    """Runs commands one by one inside Tk's own loop."""

    def __init__(self, window, commands):
        self.window = window
        self.commands = commands
        self.done = 0
        self.busy = False
        self.viewers = []
        self.forms = []

    def poll(self):
        lines = self.commands.read_text().splitlines()
        if len(lines) > self.done and not self.busy:
            self.done += 1
            # A command may let Tk work on: the next one waits for its end, but for that of a
            # dialog, which is closed by a command.
            self.busy = not lines[self.done - 1].startswith(_WAITING)
            self.window.root.after_idle(self.try_to_obey, lines[self.done - 1])
        self.window.root.after(POLL_MS, self.poll)

    def try_to_obey(self, line, tries=SETTLED_S * 1000 // POLL_MS):
        later = False
        try:
            self.obey(*line.split(None, 1))  # Tk prints an error
        except NotYet:
            # Tk's own loop goes on meanwhile: only there does a new window get its place.
            later = tries > 0
            if not later:
                raise
            self.window.root.after(POLL_MS, self.try_to_obey, line, tries - 1)
        finally:
            self.busy = later

    def obey(self, command, argument=""):
        project, view = self.window.project, self.window.viewWidget
        if command == "form":
            view._openProtocolForm(project.getProtocol(int(argument)))
        elif command == "new":
            kind = project.getDomain().getProtocols()[argument]
            view._openProtocolForm(project.newProtocol(kind))
        elif command == "tab":
            notebooks(self.window.root)[-1].select(int(argument))
        elif command == "close":
            toplevels = [w for w in self.window.root.winfo_children() if isinstance(w, tk.Toplevel)]
            toplevels[-1].destroy()
        elif command == "select":
            view._selectItemProtocol(project.getProtocol(int(argument)))
        elif command == "tree":
            project.settings.setProtocolView(argument)
            view.protCfg = view.getCurrentProtocolView()
            view.updateProtocolsTree(view.protCfg)
        elif command == "analyze":
            view._analyzeResults(project.getProtocol(int(argument)), None)
        elif command == "show":
            self.viewers[-1]._visualizeParam(argument)
        elif command == "wizard":
            form = self.forms[-1]
            form.wizards[argument]().show(form)
        elif command == "drag":
            drag(self.dialog().bars, *map(int, argument.split()))
        elif command == "name":
            dialog = self.dialog()
            dialog.name.set(argument)
            dialog.add()
        elif command == "accept":
            self.dialog().accept()
        elif command == "colour":
            explorer = self.window_of(LatentExplorer)
            explorer.colour.set(argument)
            explorer.draw()
        elif command == "lasso":
            corners = [tuple(map(float, corner.split(","))) for corner in argument.split()]
            lasso(self.window_of(LatentExplorer), corners)
        elif command == "subset":
            self.window_of(LatentExplorer).make_subset()
        elif command == "pick":
            pick(self.window_of(LatentExplorer), int(argument))
        elif command == "nearest":
            panel = self.window_of(LatentExplorer).particle
            panel.count.set(argument)
            panel.choose()
        elif command == "play":
            trajectory = self.window_of(LatentExplorer).trajectory
            trajectory.choose(argument)
            trajectory.play_or_pause()
        elif command == "pause":
            self.window_of(LatentExplorer).trajectory.play_or_pause()
        elif command == "at":
            self.window_of(LatentExplorer).trajectory.go_to(float(argument))
        elif command == "answer":
            self.window_of(Dialog).destroy()
        elif command == "decode":
            self.window_of(LatentExplorer).show_picked_state()
        elif command == "told":
            print(f"told: {self.window_of(LatentExplorer).message}", flush=True)
        elif command == "report":
            value = self.forms[-1].widgetDict[argument].get()
            print(f"{argument}: {value}".replace("\n", " | "), flush=True)
        elif command == "quit":
            self.window.root.destroy()

    def dialog(self):
        return self.window_of(PartsDialog)

    def window_of(self, kind):
        """The newest."""
        return [w for w in descendants(self.window.root) if isinstance(w, kind)][-1]


def drag(bars, row, first, last):
    """Press, move and release the mouse on the bar of a chain."""
    bars.canvas.update()  # a window that is not drawn yet takes no events
    y = int(bars.y_of(row))
    xs = [int(bars.x_of(row, residue)) for residue in (first, (first + last) // 2, last)]
    bars.canvas.event_generate("<Button-1>", x=xs[0], y=y)
    for x in xs[1:]:
        bars.canvas.event_generate("<B1-Motion>", x=x, y=y)
    bars.canvas.event_generate("<ButtonRelease-1>", x=xs[-1], y=y)


def lasso(explorer, corners):
    """Press, move and release the mouse on the picture."""
    settle(explorer)
    press_and_move(explorer, explorer.figure.axes[0].transAxes.transform([*corners, corners[0]]))


def pick(explorer, row):
    """Click on a particle."""
    settle(explorer)
    names = [axis.label for axis in explorer.what.axes]
    x, y = (
        explorer.what.axes[names.index(variable.get())].values[row]
        for variable in (explorer.x, explorer.y)
    )
    press_and_move(explorer, explorer.figure.axes[0].transData.transform([(x, y)] * 2))


def settle(explorer):
    """Draw; a window that is new gets its size late, and its layout later: then NotYet."""
    if not hasattr(explorer, "canvas"):
        raise NotYet
    widget = explorer.canvas.get_tk_widget()
    explorer.canvas.draw()
    now = (widget.winfo_width(), widget.winfo_height(), *explorer.figure.bbox.size)
    before, explorer.seen_by_driver = getattr(explorer, "seen_by_driver", None), now
    if now != before or not widget.winfo_viewable():
        raise NotYet


def press_and_move(explorer, points):
    """Press, move and release the mouse at places of the picture, in pixels from its corner."""
    widget = explorer.canvas.get_tk_widget()
    height = widget.winfo_height()
    places = [{"x": int(x), "y": int(height - y)} for x, y in points]
    widget.event_generate("<Button-1>", **places[0])
    for place in places[1:]:
        widget.event_generate("<B1-Motion>", **place)
    widget.event_generate("<ButtonRelease-1>", **places[-1])


def descendants(widget) -> list:
    """Every widget below this one."""
    own = widget.winfo_children()
    return own + [found for child in own for found in descendants(child)]


def notebooks(widget) -> list:
    """Every row of tabs below a widget, in the order they were made."""
    own = [widget] if isinstance(widget, ttk.Notebook) else []
    return own + [found for child in widget.winfo_children() for found in notebooks(child)]


def main(project_folder: str, commands: str) -> None:
    pyworkflow.Config.setDomain(pwem)
    window = ProjectWindow(project_folder)
    driver = Driver(window, Path(commands))
    opened = ProtocolViewer.visualize

    def remember(viewer, *arguments, **keywords):
        driver.viewers.append(viewer)
        return opened(viewer, *arguments, **keywords)

    ProtocolViewer.visualize = remember
    made = FormWindow.__init__

    def remember_form(form, *arguments, **keywords):
        driver.forms.append(form)
        made(form, *arguments, **keywords)

    FormWindow.__init__ = remember_form
    window.root.after(POLL_MS, driver.poll)
    window.show()


if __name__ == "__main__":
    main(*sys.argv[1:])
