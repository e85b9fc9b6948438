"""Optics groups: what particles of one microscope session share."""

from dataclasses import dataclass, field

import gemmi
import numpy as np

from gmmflex.engine.io.star import StarTable
from gmmflex.engine.io.star.star import format_column


@dataclass(frozen=True)
class OpticsGroup:
    """One row of RELION's optics table."""

    name: str
    voltage_kv: float
    spherical_aberration_mm: float
    amplitude_contrast: float


@dataclass
class OpticsGroups:
    """Distinct optics in order of appearance; their numbers start at 1."""

    groups: list[OpticsGroup] = field(default_factory=list)
    _numbers: dict[OpticsGroup, int] = field(default_factory=dict)

    def number_of(self, group: OpticsGroup) -> int:
        """Number of this group; a new one is added at the end."""
        if group not in self._numbers:
            self.groups.append(group)
            self._numbers[group] = len(self.groups)
        return self._numbers[group]

    def table(self, pixel_size_A: float, box_px: int) -> StarTable:
        """The optics table of a RELION 3.1 star file."""
        n = len(self.groups)
        names = [g.name or f"opticsGroup{i}" for i, g in enumerate(self.groups, start=1)]
        return StarTable(
            "optics",
            {
                "rlnOpticsGroupName": np.array(names, dtype=object),
                "rlnOpticsGroup": np.arange(1, n + 1),
                "rlnVoltage": np.array([g.voltage_kv for g in self.groups]),
                "rlnSphericalAberration": np.array(
                    [g.spherical_aberration_mm for g in self.groups]
                ),
                "rlnAmplitudeContrast": np.array([g.amplitude_contrast for g in self.groups]),
                "rlnImagePixelSize": np.full(n, pixel_size_A),
                "rlnImageSize": np.full(n, box_px),
                "rlnImageDimensionality": np.full(n, 2),
            },
        )

    def text(self, pixel_size_A: float, box_px: int) -> str:
        """The optics table as Scipion's Acquisition keeps it (STAR text)."""
        table = self.table(pixel_size_A, box_px)
        lines = ["", f"data_{table.name}", "", "loop_"]
        lines += [f"_{label} #{i}" for i, label in enumerate(table.columns, start=1)]
        cells = [format_column(values) for values in table.columns.values()]
        lines += [" ".join(row) for row in zip(*cells, strict=True)]
        return "\n".join(lines) + "\n\n"


def optics_from_text(text: str | None) -> dict[int, OpticsGroup]:
    """Groups by number from the text that Scipion's Acquisition keeps; empty if there is none."""
    if not text or "_rlnOpticsGroup" not in text:
        return {}
    block = gemmi.cif.read_string(text).sole_block()
    labels = ["OpticsGroup", "Voltage", "SphericalAberration", "AmplitudeContrast"]
    rows = block.find("_rln", labels)
    names = [gemmi.cif.as_string(value) for value in block.find_values("_rlnOpticsGroupName")]
    groups = {}
    for at, row in enumerate(rows):
        number, voltage, aberration, contrast = (float(gemmi.cif.as_string(v)) for v in row)
        name = names[at] if at < len(names) else ""
        groups[int(number)] = OpticsGroup(name, voltage, aberration, contrast)
    return groups
