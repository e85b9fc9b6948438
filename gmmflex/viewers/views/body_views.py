"""Windows about rigid bodies: angles, shifts, and a table."""

import os

import numpy as np

from gmmflex.constants import BODY_MOTIONS_FILE, SUMMARY_FILE
from gmmflex.viewers.views.figure_view import figure_view
from gmmflex.viewers.views.plots import BLUE, ORANGE, quiet
from gmmflex.viewers.views.run_files import read_json_file
from gmmflex.viewers.views.table_view import TableView

MOST_BODIES = 6
TURN, SHIFT = "turn_deg", "from_mean_shift_A"


def read_body_motions(path: str, names: list[str], column: str) -> np.ndarray:
    """(bodies, particles) of one column of body_motions.csv, which holds body after body."""
    with open(path, encoding="utf-8") as stream:
        header = stream.readline().strip().split(",")
    values = np.loadtxt(path, delimiter=",", skiprows=1, usecols=header.index(column), ndmin=1)
    return values.reshape(len(names), -1)


def bodies_view(run_folder: str):
    """Histograms of turn and shift, a row for each body."""
    bodies = _bodies(run_folder)[:MOST_BODIES]
    path = os.path.join(run_folder, BODY_MOTIONS_FILE)
    names = [body["name"] for body in _bodies(run_folder)]
    turns_deg = read_body_motions(path, names, TURN)
    shifts_A = read_body_motions(path, names, SHIFT)
    view = figure_view("Angles and shifts of bodies", (9.4, 1.2 + 2.6 * len(bodies)))
    draw_bodies(view.getFigure(), bodies, turns_deg, shifts_A)
    return view


def draw_bodies(figure, bodies: list[dict], turns_deg: np.ndarray, shifts_A: np.ndarray) -> None:
    """bodies: entries of summary.json; turns_deg, shifts_A: (bodies, particles)."""
    panels = figure.subplots(len(bodies), 2, squeeze=False)
    columns = list(zip(panels.T, (turns_deg, shifts_A), strict=True))
    for row, body in enumerate(bodies):
        for column, (axes, values) in enumerate(columns):
            colour, unit = ((BLUE, "°"), (ORANGE, " Å"))[column]
            bins = int(np.clip(np.sqrt(len(values[row])), 15, 60))
            axes[row].hist(values[row], bins=bins, color=colour, alpha=0.9)
            low, high = np.percentile(values[row], [5, 95])
            axes[row].axvspan(low, high, color="#eef1f4", lw=0, zorder=0)
            between = f"{low:.1f}{unit} and {high:.1f}{unit}".replace("-", "−")
            axes[row].set_title(f"{body['name']}: 90 % between {between}", fontsize=10, loc="left")
            axes[row].set_ylabel("Particles" if column == 0 else "")
            quiet(axes[row])
    panels[-1, 0].set_xlabel("Turn about the main axis (°)")
    panels[-1, 1].set_xlabel("Shift of the centre (Å)")
    figure.suptitle(
        f"{turns_deg.shape[1]:,} particles, from the mean pose of each body", fontsize=11
    )
    figure.subplots_adjust(
        left=0.09, right=0.97, top=1 - 0.75 / figure.get_figheight(), hspace=0.45, wspace=0.2
    )
    figure.subplots_adjust(bottom=0.6 / figure.get_figheight())


def body_table_view(run_folder: str, tk_root=None):
    """A column for each body with what people ask for; summary.json holds the rest."""
    bodies = _bodies(run_folder)
    headings = ["", *(body["name"] for body in bodies)]
    return TableView("Rigid bodies", headings, body_rows(bodies), tk_root, other_px=190)


def body_rows(bodies: list[dict]) -> list[tuple[str, ...]]:
    """Label and a text for each body; bodies: entries of summary.json."""
    return [(label, *(text(body) for body in bodies)) for label, text in _ROWS]


def _range(unit, name):
    """The 5th and 95th percentile of an entry."""

    def text(body):
        entry = body[name]
        low, high = entry if isinstance(entry, list) else (entry["from"], entry["to"])
        return f"{low:.1f} to {high:.1f}{unit}".replace("-", "−")

    return text


_ROWS = (
    ("Gaussians", lambda body: f"{body['gaussians']}"),
    ("Centre (Å)", lambda body: _triple(body["centre_A"], 1)),
    ("Main axis of turning", lambda body: _triple(body["axis"], 2)),
    ("Share of turning about it", lambda body: f"{100 * body['axis_share']:.0f} %"),
    ("Turn about it, 90 % of particles", _range("°", "turn_range_deg")),
    ("Whole angle from the mean pose, 90 %", _range("°", "from_mean_angle_deg")),
    ("Shift from the mean pose, 90 %", _range(" Å", "from_mean_shift_A")),
    ("Displacement of its Gaussians, RMS", lambda body: f"{body['displacement_rms_A']:.2f} Å"),
    ("Precision of an angle", lambda body: _precision(body["precision_angle_deg"], 1, "°")),
    ("Precision of a shift", lambda body: _precision(body["precision_shift_A"], 2, " Å")),
    ("Motion that is not rigid, median", lambda body: f"{body['not_rigid_A']:.2f} Å"),
)


def _precision(value, digits, unit):
    """With too few particles, or too small a motion, there is none."""
    return "not known" if value is None else f"± {value:.{digits}f}{unit}"


def _triple(values, digits):
    return ", ".join(f"{value:.{digits}f}" for value in values).replace("-", "−")


def _bodies(run_folder):
    return read_json_file(os.path.join(run_folder, SUMMARY_FILE))["bodies"]
