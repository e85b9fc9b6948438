"""What summary.json and report.html of a landscape say."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from gmmflex.engine.stages.landscape_findings import Findings
from gmmflex.engine.stages.landscape_regions import LOCALISED
from gmmflex.engine.stages.landscape_report import Section, Table, settings_table, write_report
from gmmflex.engine.stages.landscape_settings import LandscapeSettings

# Particles below tell less than half of the motion that is asked about.
_UNRELIABLE = 0.5


def summary_of(found: Findings, reached_A: dict[str, float]) -> dict[str, Any]:
    """reached_A: of each trajectory, how far the Gaussians get from its first frame."""
    clusters, energy, told = found.clusters, found.energy, found.reliability
    barriers = clusters.barriers_kT.tolist()
    return {
        "particles": len(clusters.labels),
        "latent_dim": len(found.axes.mean),
        "variance_shares": found.axes.shares.tolist(),
        "free_energy": {
            "kernel": energy.kernel.tolist(),
            "told_up_to_kT": energy.ceiling_kT,
            "share_of_particles_in_sparse_places": float(energy.sparse.mean()),
        },
        "clusters": {
            "method": clusters.method,
            "number": len(clusters.centres),
            "why": clusters.why,
            "order": "along the first principal component",
            "silhouette": clusters.silhouette,
            "stand_apart": clusters.apart,
            "barriers_kT": [b if np.isfinite(b) else None for b in barriers],
            "particles": clusters.sizes.tolist(),
            "in_none": int((clusters.labels == 0).sum()),
            "tried": [asdict(trial) for trial in clusters.trials],
        },
        "trajectories": [
            {
                "name": t.name,
                "about": t.about,
                "frames": len(t.latents),
                "closed": t.closed,
                "reached_rms_A": reached_A[t.name],
            }
            for t in found.trajectories
        ],
        "regions": [
            {
                "name": motion.region,
                "share_inside": motion.share,
                "whole_line": motion.whole,
                "share_inside_of_line": motion.share_of_line,
                "share_inside_of_all_motion": motion.share_of_all,
                "inside_rms_A": motion.inside_A,
                "outside_rms_A": motion.outside_A,
                "direction": motion.direction.tolist(),
            }
            for motion in found.motions
        ],
        "combinations": [
            {
                "name": c.name,
                "amplitudes": list(c.shape),
                "rms_A": c.moved_A.max(axis=0).tolist(),
                "empty": int(c.empty.sum()),
            }
            for c in found.combinations
        ],
        "reliability": None
        if told is None
        else {
            "median": float(np.median(told.of_particles)),
            "share_below_half": float((told.of_particles < _UNRELIABLE).mean()),
            "median_error_A": float(np.median(told.error_A)),
            "spread_A": told.spread_A,
        },
    }


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
        Section("What to doubt", points=doubts(summary)),
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
    sections += [_regions(summary)] if summary["regions"] else []
    sections += [_combinations(settings, summary)] if summary["combinations"] else []
    if summary["reliability"] is not None:
        sections.append(
            Section(
                "Reliability of single particles",
                f"Median {summary['reliability']['median']:.2f}: the share of the mean square "
                "motion that a particle's own image tells. Standard error of a particle's state "
                f"{summary['reliability']['median_error_A']:.2f} Å (median, RMS over Gaussians), "
                f"against {summary['reliability']['spread_A']:.2f} Å that the states are spread.",
                ((folder / "reliability.png", "Reliability, and its mean by viewing direction."),),
            )
        )
    parameters = settings_table(settings.model_dump(mode="json"))
    sections.append(Section("Parameters", table=parameters))
    n, d = summary["particles"], summary["latent_dim"]
    subtitle = f"{settings.run}: {n:,} particles (or symmetry copies), {d} latent dimensions"
    write_report(folder / "report.html", "Conformational landscape", subtitle, sections)


def doubts(summary: dict[str, Any]) -> tuple[str, ...]:
    """What a careful reader would hold against the figures, most telling first."""
    clusters, told = summary["clusters"], summary["reliability"]
    found = []
    if clusters["number"] == 0:
        found.append("No groups were found; every particle is in cluster 0.")
    elif not clusters["stand_apart"]:
        found.append(
            "The clusters do not stand apart (between two of them the density falls by less than "
            "1 kT, or some are too small to tell): take them as pieces of a continuous motion, not "
            "as states."
        )
    if told is None:
        found.append("The run holds no uncertainties of its latents; analyse again to get them.")
    elif told["share_below_half"] >= 0.005:  # what is not 0 % when it is told
        found.append(
            f"{100 * told['share_below_half']:.0f} % of the particles have a reliability below "
            "0.5: their images tell less than half of the motion, and their places say more of "
            "all particles than of themselves."
        )
    loose = [region for region in summary["regions"] if region["share_inside"] < LOCALISED]
    if loose:
        found.append(
            f"The motion of {', '.join(region['name'] for region in loose)} could not be separated "
            "from that of the rest: in these particles they move together, or Gaussians at the "
            "border of the region move with both, as those of a decoder without rigid bodies do."
        )
    for combination in summary["combinations"]:
        if combination["empty"]:
            places = int(np.prod(combination["amplitudes"]))
            found.append(
                f"{combination['empty']} of the {places} combinations {combination['name']} lie "
                "where next to no particle is: nothing in the data says that such states exist."
            )
    sparse = 100 * summary["free_energy"]["share_of_particles_in_sparse_places"]
    found += [
        f"Free energies above {summary['free_energy']['told_up_to_kT']:.1f} kT cannot be told from "
        f"so many particles; {sparse:.1f} % of them lie in such places and are given that value.",
        "Densities are those of the latents: noise fills valleys in and lowers barriers, and a "
        "latent space that is stretched in one place shows a lower density there. Preferred "
        "orientations, picking and classification change the populations too. Differences of less "
        "than about 1 kT should not be read as energies.",
        "A plane of two components hides what lies in others; distances between clusters are "
        "measured in all dimensions.",
        "Trajectories show what the decoder makes of latents. Compare them with maps reconstructed "
        "from the particles there (gmmflex reconstruct).",
    ]
    return tuple(found)


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


def _median(values: Any) -> float:
    return float(np.median(values)) if len(values) else float("nan")
