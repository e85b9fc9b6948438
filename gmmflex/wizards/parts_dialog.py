"""The window in which bodies or regions are chosen from the chains of a model."""

import tkinter as tk
from tkinter import ttk

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models import AtomicModel, select_atoms
from gmmflex.engine.settings.decoder_registry import decoder_names
from gmmflex.notation.body_lines import BadLine, Part, parse_parts
from gmmflex.notation.chain_outline import outlines, residues_of
from gmmflex.wizards.chain_bars import ChainBars

COLOURS = ("#2a6f97", "#e07a1f", "#4c9f70", "#a23b72", "#c9a227", "#6b5b95", "#d1495b", "#3d5a80")
ELSEWHERE = "#8a8f98"
FAULT = "#b3261e"
HINT = (
    "Drag along a chain to choose residues, or click its name for all of it. "
    "Hold Ctrl to add to what is chosen."
)


class PartsDialog(tk.Toplevel):
    """Named parts of a model: chosen on its chains, changed and removed in a list."""

    def __init__(self, parent, model: AtomicModel, parts: list[Part], with_kind: bool) -> None:
        super().__init__(parent)
        self.title("Choose parts of the molecule")
        self.transient(parent)
        self.parts = list(parts)
        self.result: list[Part] | None = None
        self._model = model
        self._with_kind = with_kind
        self._example = "region" if with_kind else "body"
        frame = ttk.Frame(self, padding=14)
        frame.pack(fill="both", expand=True)
        ttk.Label(frame, text=HINT).pack(anchor="w", pady=(0, 8))
        self.bars = ChainBars(frame, outlines(model), self.choose)
        self.bars.pack(fill="both", expand=True)
        self._make_entries(frame)
        self._fault = tk.Label(frame, text="", fg=FAULT, anchor="w", justify="left", wraplength=640)
        self._fault.pack(fill="x", pady=(2, 4))
        self._make_list(frame)
        self._make_buttons(frame)
        self._refresh()

    def wait(self) -> list[Part] | None:
        """Show the window until it is closed; the parts, or None if it was cancelled."""
        self.wait_visibility()
        self.grab_set()
        self.wait_window()
        return self.result

    def choose(self, selection: str, add: bool) -> None:
        """Put a selection into the line of residues, or add it to what stands there."""
        before = self.where.get().strip()
        self.where.set(f"{before},{selection}" if add and before else selection)
        self._say("")
        self._name_entry.focus_set()

    def add(self) -> None:
        """Take the part that the entries describe into the list; one of the same name goes."""
        kind = f"{self.kind.get()} " if self._with_kind else ""
        try:
            (part,) = parse_parts(
                f"{self.name.get()}={kind}{self.where.get()}", with_kind=self._with_kind
            )
            if part.residues:
                self._check(part)
        except (BadLine, UserError) as fault:
            self._say(self._missing() or str(fault))
            return
        known = [other.name for other in self.parts]
        if part.name in known:
            self.parts[known.index(part.name)] = part
        else:
            self.parts.append(part)
        self.where.set("")
        self._refresh()

    def remove(self) -> None:
        """Drop the rows that are selected in the list."""
        gone = {int(row) for row in self._table.selection()}
        self.parts = [part for number, part in enumerate(self.parts) if number not in gone]
        self._refresh()

    def accept(self) -> None:
        """Close with the parts as they are."""
        self.result = self.parts
        self.destroy()

    def _missing(self):
        if not self.where.get().strip():
            return "Choose residues first."
        return "" if self.name.get().strip() else f"Give the {self._example} a name."

    def _check(self, part):
        """Whether the residues exist and, of rigid bodies, belong to no other one.

        Regions may overlap: their motions are added.
        """
        atoms = select_atoms(self._model, part.residues)
        for other in [] if self._with_kind else self.parts:
            if other.name != part.name and other.residues:
                shared = atoms & select_atoms(self._model, other.residues)
                if shared.any():
                    chain, numbers = next(iter(residues_of(self._model, shared).items()))
                    raise UserError(
                        f"Residue {numbers[0]} of chain {chain} belongs to '{other.name}' already: "
                        "choose others, or remove that one first."
                    )

    def _make_entries(self, frame):
        row = ttk.Frame(frame)
        row.pack(fill="x", pady=(10, 0))
        self.name = tk.StringVar(self)
        self.kind = tk.StringVar(self, "free")
        self.where = tk.StringVar(self)
        ttk.Label(row, text="Name").pack(side="left")
        self._name_entry = ttk.Entry(row, textvariable=self.name, width=14)
        self._name_entry.pack(side="left", padx=(6, 14))
        self._name_entry.bind("<Return>", lambda _event: self.add())
        if self._with_kind:
            ttk.Label(row, text="Decoder").pack(side="left")
            ttk.Combobox(
                row, textvariable=self.kind, values=decoder_names(), state="readonly", width=12
            ).pack(side="left", padx=(6, 14))
        ttk.Label(row, text="Residues").pack(side="left")
        entry = ttk.Entry(row, textvariable=self.where)
        entry.pack(side="left", padx=(6, 14), fill="x", expand=True)
        entry.bind("<Return>", lambda _event: self.add())
        ttk.Button(row, text="Add", command=self.add).pack(side="left")

    def _make_list(self, frame):
        row = ttk.Frame(frame)
        row.pack(fill="both", expand=True)
        columns = ("kind", "where", "size") if self._with_kind else ("where", "size")
        self._table = ttk.Treeview(row, columns=columns, height=6, style="Parts.Treeview")
        ttk.Style(self).configure("Parts.Treeview", rowheight=24)
        headings = {
            "#0": ("Name", 150),
            "kind": ("Decoder", 110),
            "where": ("Where", 250),
            "size": ("Residues", 90),
        }
        for column in ("#0", *columns):
            text, width = headings[column]
            self._table.heading(column, text=text, anchor="w")
            self._table.column(column, width=width, stretch=column == "where")
        self._table.pack(side="left", fill="both", expand=True)
        self._table.bind("<<TreeviewSelect>>", self._edit)
        self._table.bind("<Delete>", lambda _event: self.remove())
        ttk.Button(row, text="Remove", command=self.remove).pack(
            side="left", anchor="n", padx=(10, 0)
        )

    def _make_buttons(self, frame):
        row = ttk.Frame(frame)
        row.pack(fill="x", pady=(12, 0))
        ttk.Button(row, text="OK", command=self.accept).pack(side="right")
        ttk.Button(row, text="Cancel", command=self.destroy).pack(side="right", padx=(0, 8))
        self.bind("<Escape>", lambda _event: self.destroy())

    def _edit(self, _event):
        """A row that is clicked goes into the entries, to be changed."""
        rows = self._table.selection()
        if len(rows) == 1:
            part = self.parts[int(rows[0])]
            self.name.set(part.name)
            self.where.set(part.where)
            if part.kind:
                self.kind.set(part.kind)

    def _refresh(self):
        self._table.delete(*self._table.get_children())
        coloured = []
        for number, part in enumerate(self.parts):
            colour, size = ELSEWHERE, "–"
            residues = self._residues_of(part)
            if residues is not None:
                colour = COLOURS[number % len(COLOURS)]
                size = str(sum(len(numbers) for numbers in residues.values()))
                coloured.append((colour, residues))
            kind = (part.kind,) if self._with_kind else ()
            tag = f"part{number}"
            self._table.insert(
                "",
                "end",
                iid=str(number),
                text=f"■ {part.name}",
                values=(*kind, part.where, size),
                tags=(tag,),
            )
            self._table.tag_configure(tag, foreground=colour)
        self.bars.show(coloured)
        self.name.set(f"{self._example}{len(self.parts) + 1}")
        self._say("")

    def _residues_of(self, part):
        """Residues by chain; None for masks and for residues that this model lacks."""
        if not part.residues:
            return None
        try:
            return residues_of(self._model, select_atoms(self._model, part.residues))
        except UserError:
            return None

    def _say(self, text):
        self._fault.configure(text=text)
