"""What `gmmflex reconstruct --deformed` writes: the consensus as it is and with motion undone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.maps import Map, write_map
from gmmflex.engine.reconstruction.half_maps import (
    HalfSums,
    maps_of_halves,
    reconstruction_of,
)
from gmmflex.engine.reconstruction.maps import placed, with_decoded
from gmmflex.engine.runs.particles import RunParticles
from gmmflex.engine.stages.reconstruct.deformed import Undoing, deformed, regions_of
from gmmflex.engine.stages.reconstruct.groups import Groups
from gmmflex.engine.stages.reconstruct.output import StateRow, state_row, write_state
from gmmflex.engine.stages.reconstruct.state_maps import MapWork
from gmmflex.engine.stages.reconstruct.states import ParticleState
from gmmflex.engine.stages.reconstruct.verdict import tell, unseen_shells, verdict_of


def deformed_maps(
    work: MapWork, groups: Groups, source: RunParticles
) -> tuple[list[StateRow], dict[str, Any]]:
    """Write both maps, both in the state of the reference group, and judge them alike.

    source: the particles of the run, and up to which resolution it looked at them. Returns the rows
    of the tables, the last two of the moving part alone, and what the summary says of the motion.
    """
    output, results, mask, log = work.output, work.results, work.mask, work.log
    everything = _state("consensus", np.arange(len(groups.labels)), groups, "all of the run")
    motion_A = groups.motion_A
    log(
        f"{len(groups.offsets_A)} groups move by {np.sqrt((motion_A**2).mean()):.2f} A RMS and at "
        f"most {motion_A.max():.2f} A from group {groups.reference + 1}, whose state all are "
        "brought to"
    )
    together = work.sums_of(everything, log)
    grid = together.grid
    regions = regions_of(groups, grid.box_px, grid.pixel_size_A)
    judged = regions.molecule if isinstance(mask, str) else mask
    plain = maps_of_halves(together, judged)

    def of_rows(rows: NDArray[np.int64]) -> HalfSums:
        return work.sums_of(_state("group", rows, groups, "a group"), lambda text: None)

    extent_A = grid.box_px * grid.pixel_size_A
    shells = unseen_shells(extent_A, len(plain.fsc), source.resolution_A)
    moved = deformed(groups, together, of_rows, Undoing(regions.molecule, judged, shells), log)
    undone = moved.found

    rows = []
    states = (everything, _state("deformed", everything.rows, groups, "all, motion undone"))
    for state, found in zip(states, (plain, undone), strict=True):
        maps = with_decoded(found, groups.mixture)
        local = work.local_of(state.file, found)
        write_state(output, state.file, maps, results.centre_A)
        rows.append(state_row(state, together.counts, maps, local))
        if local is not None:
            log(f"{state.name}: {local}")
    for state, found in zip(states, (plain, undone), strict=True):
        part = reconstruction_of(found.halves, together.counts, grid, regions.moving)
        named = _state(f"{state.name}_moving", state.rows, groups, "its moving part")
        rows.append(state_row(named, together.counts, with_decoded(part, groups.mixture)))
    moving = Map(regions.moving, grid.pixel_size_A, np.zeros(3))
    write_map(output / "moving_mask.mrc", placed(moving, results.centre_A))
    for name, (before, after) in {"": rows[:2], ", the moving part": rows[2:]}.items():
        log(
            f"halves agree to {before.resolution_A:.2f} A, with motion undone to "
            f"{after.resolution_A:.2f} A (mean FSC {before.fsc.mean():.3f} and "
            f"{after.fsc.mean():.3f}){name}"
        )
    first, second = (shells.alone(half.data) for half in plain.halves)
    alike = len(source.operators)
    verdict = verdict_of((first, second), moved.unseen, judged, regions.moving, shells, alike)
    tell(verdict, log)
    about = {
        **verdict.summary(),
        "groups": len(groups.offsets_A),
        "reference_latent": groups.latents[groups.reference].tolist(),
        "motion_rms_A": float(np.sqrt((motion_A**2).mean())),
        "motion_maximum_A": float(motion_A.max()),
        "mean_fsc": {row.state.name: float(row.fsc.mean()) for row in rows},
    }
    return rows, about


def _state(name: str, rows: NDArray[np.int64], groups: Groups, what: str) -> ParticleState:
    latent = groups.latents[groups.reference]
    return ParticleState(name, rows, np.ones(len(rows)), latent, what)
