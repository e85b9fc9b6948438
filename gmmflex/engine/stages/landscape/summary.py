"""The contents of a landscape's summary.json, and what a careful reader would object to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from gmmflex.engine.latents.regions import LOCALISED
from gmmflex.engine.latents.trajectories import CIRCLE
from gmmflex.engine.stages.landscape.findings import Findings
from gmmflex.engine.stages.landscape.junk import junk_summary

# Images of particles below determine less than half of their motion.
_UNRELIABLE = 0.5


def summary_of(found: Findings, reached_A: dict[str, float]) -> dict[str, Any]:
    """reached_A: of each trajectory, how far the Gaussians get from its first frame."""
    clusters, energy, reliability = found.clusters, found.energy, found.reliability
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
        "ring": any(t.name == CIRCLE for t in found.trajectories),
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
                "coupled": c.coupled,
                "empty": int(c.empty.sum()),
            }
            for c in found.combinations
        ],
        "junk": junk_summary(found.junk),
        "reliability": None
        if reliability is None
        else {
            "median": float(np.median(reliability.of_particles)),
            "share_below_half": float((reliability.of_particles < _UNRELIABLE).mean()),
            "median_error_A": float(np.median(reliability.error_A)),
            "spread_A": reliability.spread_A,
        },
    }


def doubts(summary: dict[str, Any]) -> tuple[str, ...]:
    """What a careful reader would object to the figures, most important first."""
    clusters, reliability = summary["clusters"], summary["reliability"]
    found = []
    if clusters["number"] == 0:
        found.append("No groups were found; every particle is in cluster 0.")
    elif not clusters["stand_apart"]:
        found.append(
            "The clusters are not separated (between two of them the density falls by less than "
            "1 kT, or some are too small to judge): read them as pieces of a continuous motion, "
            "not as states."
        )
    if summary["ring"]:
        found.append(
            "The particles lie on a ring: look at trajectories/circle, which goes around it. "
            "Principal components cut through its hole, where next to no particles are; their "
            "trajectories are written but not drawn, and a path between two clusters goes around "
            "one side only."
        )
    junk = summary["junk"]
    if junk is not None and junk["listed"]:
        found.append(
            f"{junk['listed']:,} particles probably do not show the molecule in about their pose. "
            "They are in no cluster and left out of the free energy, but components and "
            "trajectories are those of all: take them out with gmmflex select --without-junk and "
            "analyse the rest again."
        )
    if reliability is None:
        found.append("The run holds no uncertainties of its latents; analyse again to get them.")
    elif reliability["share_below_half"] >= 0.005:  # what is not 0 % when rounded
        found.append(
            f"{100 * reliability['share_below_half']:.0f} % of the particles have a reliability "
            "below 0.5: their images determine less than half of the motion, and their latents "
            "reflect all particles more than their own state."
        )
    loose = [region for region in summary["regions"] if region["share_inside"] < LOCALISED]
    if loose:
        found.append(
            f"The motion of {', '.join(region['name'] for region in loose)} could not be separated "
            "from that of the rest: in these particles they move together, or Gaussians at the "
            "border of the region move with both, as those of a decoder without rigid bodies do."
        )
    for combination in summary["combinations"]:
        if combination["coupled"]:
            found.append(
                f"Combination {combination['name']}: one motion carries the other's region along, "
                "by at least half of what that one moves by itself, so that they are not combined "
                "freely."
            )
        if combination["empty"]:
            places = int(np.prod(combination["amplitudes"]))
            found.append(
                f"{combination['empty']} of the {places} combinations {combination['name']} lie "
                "where next to no particle is: nothing in the data shows that such states exist."
            )
    sparse = 100 * summary["free_energy"]["share_of_particles_in_sparse_places"]
    found += [
        f"Free energies above {summary['free_energy']['told_up_to_kT']:.1f} kT cannot be "
        f"measured with so many particles; {sparse:.1f} % of them lie in such places and are given "
        f"that value.",
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
