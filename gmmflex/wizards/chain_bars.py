"""Chains as bars, on which residues are chosen by dragging."""

import tkinter as tk
from collections.abc import Callable

import numpy as np

from gmmflex.notation.chain_outline import ChainOutline

LABEL_PX, BAR_PX, ROW_PX, BAR_HEIGHT_PX = 64, 560, 40, 14
MOST_ROWS_SHOWN = 8
BARE, CHOSEN, TEXT = "#c9d1da", "#1f2933", "#52606d"


class ChainBars(tk.Frame):
    """One bar for each chain, all on one scale.

    on_chosen is called with a selection such as `A:130-420`, and with whether it is to be added
    to what was chosen before (Ctrl held).
    """

    def __init__(
        self, master, chains: list[ChainOutline], on_chosen: Callable[[str, bool], None]
    ) -> None:
        super().__init__(master)
        self.chains = chains
        self._on_chosen = on_chosen
        self._from: tuple[int, int] | None = None
        # chains may be numbered from anywhere, but one residue is as wide in all of them
        self._px_per_residue = BAR_PX / max(chain.last - chain.first + 1 for chain in chains)
        height = ROW_PX * len(chains) + 6
        self.canvas = tk.Canvas(
            self,
            width=LABEL_PX + BAR_PX + 24,
            height=min(height, ROW_PX * MOST_ROWS_SHOWN),
            scrollregion=(0, 0, LABEL_PX + BAR_PX + 24, height),
            background="white",
            highlightthickness=1,
            highlightbackground="#d5dbe1",
            cursor="sb_h_double_arrow",
        )
        self.canvas.pack(side="left", fill="both", expand=True)
        if len(chains) > MOST_ROWS_SHOWN:
            bar = tk.Scrollbar(self, orient="vertical", command=self.canvas.yview)
            self.canvas.configure(yscrollcommand=bar.set)
            bar.pack(side="right", fill="y")
        self.canvas.bind("<Button-1>", self._press)
        self.canvas.bind("<B1-Motion>", self._drag)
        self.canvas.bind("<ButtonRelease-1>", self._release)
        self.show([])

    def show(self, coloured: list[tuple[str, dict[str, np.ndarray]]]) -> None:
        """Draw the chains; coloured: colour and residue numbers by chain of each part."""
        self.canvas.delete("all")
        for row, chain in enumerate(self.chains):
            y = self._y(row)
            self.canvas.create_text(
                LABEL_PX - 14, y + BAR_HEIGHT_PX / 2, text=chain.name, anchor="e", fill=CHOSEN
            )
            for first, last in chain.spans():
                self._box(row, first, last, BARE)
            for colour, residues in coloured:
                numbers = residues.get(chain.name, np.zeros(0, dtype=int))
                inside = np.intersect1d(numbers, chain.residues)
                if len(inside):
                    for first, last in ChainOutline(chain.name, inside).spans():
                        self._box(row, first, last, colour)
            self._number(row, chain.first, "w")
            self._number(row, chain.last, "e")

    def x_of(self, row: int, residue: int) -> float:
        """Middle of a residue on the canvas, in pixels."""
        return LABEL_PX + (residue - self.chains[row].first + 0.5) * self._px_per_residue

    def y_of(self, row: int) -> float:
        """Middle of a bar on the canvas, in pixels."""
        return self._y(row) + BAR_HEIGHT_PX / 2

    def _y(self, row):
        return 8 + row * ROW_PX

    def _box(self, row, first, last, colour, **options):
        half = self._px_per_residue / 2
        return self.canvas.create_rectangle(
            self.x_of(row, first) - half,
            self._y(row),
            self.x_of(row, last) + half,
            self._y(row) + BAR_HEIGHT_PX,
            fill=colour,
            width=0,
            **options,
        )

    def _number(self, row, residue, anchor):
        half = self._px_per_residue / 2 * (1 if anchor == "w" else -1)
        self.canvas.create_text(
            self.x_of(row, residue) - half,
            self._y(row) + BAR_HEIGHT_PX + 9,
            text=str(residue),
            anchor=anchor,
            fill=TEXT,
            font=("TkDefaultFont", 8),
        )

    def _residue_at(self, row, event):
        chain = self.chains[row]
        x = self.canvas.canvasx(event.x)
        number = chain.first + int(np.floor((x - LABEL_PX) / self._px_per_residue))
        return int(np.clip(number, chain.first, chain.last))

    def _press(self, event):
        row = int((self.canvas.canvasy(event.y) - 4) // ROW_PX)
        if not 0 <= row < len(self.chains):
            self._from = None
        elif self.canvas.canvasx(event.x) < LABEL_PX - 6:
            self._from = None
            self._on_chosen(self.chains[row].name, _with_control(event))
        else:
            self._from = (row, self._residue_at(row, event))

    def _drag(self, event):
        if self._from is None:
            return
        row, start = self._from
        end = self._residue_at(row, event)
        self.canvas.delete("dragged")
        first, last = sorted((start, end))
        self._box(row, first, last, CHOSEN, stipple="gray50", tags="dragged")
        self.canvas.create_text(
            (self.x_of(row, first) + self.x_of(row, last)) / 2,
            self._y(row) + BAR_HEIGHT_PX + 9,
            text=f"{first}–{last}",
            fill=CHOSEN,
            font=("TkDefaultFont", 9, "bold"),
            tags="dragged",
        )

    def _release(self, event):
        if self._from is not None:
            row, start = self._from
            end = self._residue_at(row, event)
            self._on_chosen(self.chains[row].selection(start, end), _with_control(event))
            self._from = None


def _with_control(event):
    return bool(event.state & 0x4)
