"""Windows about several decoders: whether the motions of their regions go together."""

import os

from gmmflex.constants import COORDINATION_FILE
from gmmflex.viewers.figure_view import figure_view
from gmmflex.viewers.run_files import read_table


def coordination_view(run_folder: str):
    """Correlation of every two regions."""
    table = read_table(os.path.join(run_folder, COORDINATION_FILE))
    view = figure_view("Coordination of regions", (7.4, 6.4))
    draw_coordination(view.getFigure(), table)
    return view


def draw_coordination(figure, table) -> None:
    """table: columns of coordination.csv."""
