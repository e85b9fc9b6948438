"""report.html of a landscape: its sections."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmmflex.engine.io.html_report import Section, Table, settings_table, write_report
from gmmflex.engine.settings.landscape import LandscapeSettings
from gmmflex.engine.stages.landscape.findings import Findings
from gmmflex.engine.stages.landscape.junk import junk_section
from gmmflex.engine.stages.landscape.summary import doubts


def report_of(settings: LandscapeSettings, found: Findings, summary: dict[str, Any]) -> None:
    """report.html beside the pictures that it holds."""
    folder = settings.output
    shares = ", ".join(f"{100 * share:.1f} %" for share in found.axes.shares)
    about = summary["clusters"]
    clusters = Table(
        ("cluster", "particles", "share", "barrier to the nearest", "median free energy"),
        tuple(
            (
                str(k),
                f"{size:,}",
                f"{100 * size / summary['particles']:.1f} %",
                "–" if barrier is None else f"{barrier:.1f} kT",
                f"{_median(found.energy.of_particles_kT[found.clusters.labels == k]):.1f} kT",
            )
            for k, (size, barrier) in enumerate(
                zip(about["particles"], about["barriers_kT"], strict=True), start=1
            )
        ),
    )
    ways = Table(
        ("trajectory", "what", "frames", "largest RMS displacement"),
        tuple(
            (t["name"], t["about"], str(t["frames"]), f"{t['reached_rms_A']:.2f} Å")
            for t in summary["trajectories"]
        ),
    )
    sections = [
        Section("What to treat with caution", points=doubts(summary)),
        Section(
            "Landscape",
            f"Variance of the latents along the principal components: {shares}.",
            (
                (
                    folder / "landscape.png",
                    "Particles in the plane of the first two components, and free energy −kT ln of "
                    "their density in kT, 0 at the densest place. Grey: fewer than 4 particles "
                    "under the kernel, so that the error would be above 0.5 kT.",
                ),
                (folder / "components.png", "Share of the variance along each component."),
            ),
        ),
        Section(
            "Clusters",
            f"Method {about['method']}; number {about['why']}; numbered along the first component.",
            ((folder / "clusters.png", "Clusters in the plane of the first two components."),),
            clusters,
        ),
        Section(
            "Trajectories",
            "Latents in trajectories/NAME.npy, for gmmflex morph --latents and gmmflex reconstruct "
            "--points. RMS over all Gaussians, from the first frame.",
            ((folder / "trajectories.png", "Trajectories over the free energy."),),
            ways,
        ),
    ]
    if found.umap is not None:
        sections.append(_umap(settings))
    sections += [_regions(summary)] if summary["regions"] else []
    sections += [_combinations(settings, summary)] if summary["combinations"] else []
    if summary["junk"] is not None:
        sections.append(junk_section(folder, settings.run, summary["junk"]))
    if summary["reliability"] is not None:
        sections.append(
            Section(
                "Reliability of single particles",
                f"Median {summary['reliability']['median']:.2f}: the share of the mean square "
                "motion that a particle's own image determines. Standard error of a particle's "
                f"state {summary['reliability']['median_error_A']:.2f} Å (median, RMS over "
                f"Gaussians), against {summary['reliability']['spread_A']:.2f} Å that the states "
                "are spread.",
                ((folder / "reliability.png", "Reliability, and its mean by viewing direction."),),
            )
        )
    parameters = settings_table(settings.model_dump(mode="json"))
    sections.append(Section("Parameters", table=parameters))
    n, d = summary["particles"], summary["latent_dim"]
    subtitle = f"{settings.run}: {n:,} particles (or symmetry copies), {d} latent dimensions"
    write_report(folder / "report.html", "Conformational landscape", subtitle, sections)


def _regions(summary: dict[str, Any]) -> Section:
    rows = tuple(
        (
            region["name"],
            f"{100 * region['share_inside']:.1f} %",
            "the whole"
            if region["whole_line"]
            else f"a part; whole: {100 * region['share_inside_of_line']:.1f} %",
            f"{100 * region['share_inside_of_all_motion']:.1f} %",
            f"{region['inside_rms_A']:.2f} Å",
            f"{region['outside_rms_A']:.2f} Å",
        )
        for region in summary["regions"]
    )
    columns = ("region", "inside", "of the line", "inside, all motion", "moves by", "the rest by")
    return Section(
        "Localised motions",
        "The direction that moves a region most and the rest least: share of the squared "
        "displacement inside the region between both ends of the trajectory, the same for the "
        "motion of all particles, and RMS displacements, after superposing the rest. Where regions "
        "move one after the other, the trajectory is the part of the line on which this one moves.",
        table=Table(columns, rows),
    )


def _combinations(settings: LandscapeSettings, summary: dict[str, Any]) -> Section:
    folder = settings.output
    return Section(
        "Combined motions",
        "Every amplitude of one localised motion with every amplitude of another: latents in "
        "trajectories/grid_NAME.npy; trajectories/combine_NAME.npy goes around the four corners.",
        tuple(
            (
                folder / f"combine_{c['name']}.png",
                f"{c['name']}: the grid in the plane of the first two components, and how far each "
                "region moves from its start. Where lines cross at right angles, one motion does "
                "not change the other; where they fall on one another, they are one motion.",
            )
            for c in summary["combinations"]
        ),
    )


def _umap(settings: LandscapeSettings) -> Section:
    return Section(
        "UMAP",
        "A plane in which particles keep their nearest neighbours. Distances between groups, their "
        "sizes and the density within them mean little here: they are made by the layout.",
        (
            (
                settings.output / "umap.png",
                "UMAP of the latents (15 neighbours) by density in this plane, and with the "
                "clusters that were found in all dimensions.",
            ),
        ),
    )


def _median(values: Any) -> float:
    return float(np.median(values)) if len(values) else float("nan")
