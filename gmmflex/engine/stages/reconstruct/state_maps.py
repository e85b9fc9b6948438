"""The maps of states, one state after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gmmflex.engine.machine.progress import Log
from gmmflex.engine.reconstruction.half_maps import HalfSums, maps_of_halves
from gmmflex.engine.reconstruction.local import LocalOf
from gmmflex.engine.reconstruction.maps import MaskChoice, with_decoded
from gmmflex.engine.runs.results import RunResults
from gmmflex.engine.stages.reconstruct.output import StateRow, state_row, write_state
from gmmflex.engine.stages.reconstruct.rows import keep_row, kept_row
from gmmflex.engine.stages.reconstruct.states import ParticleState

SumsOf = Callable[[ParticleState, Log], HalfSums]


@dataclass(frozen=True)
class MapWork:
    """How maps are made and where they go. output: the run folder; sums_of: the particles of a
    state, added up; mask: in which halves are compared; results: of the analysis; local_of: the
    local resolution of a map, if that is asked for."""

    output: Path
    sums_of: SumsOf
    mask: MaskChoice
    results: RunResults
    local_of: LocalOf
    log: Log


def state_maps(work: MapWork, states: list[ParticleState]) -> list[StateRow]:
    """Write the maps of each state; memory is that of one.

    States whose maps an unfinished run of the same command has written are left as they are.
    """
    output, log, rows = work.output, work.log, []
    for state in states:
        kept = kept_row(output, state)
        if kept is not None:
            log(f"{state.file}: written before")
            rows.append(kept)
            continue
        log(f"{state.file}: {state.particles:,} particles ({state.what})")
        sums = work.sums_of(state, log)
        found = maps_of_halves(sums, work.mask)
        maps = with_decoded(found, work.results.mixture(state.latent))
        local = work.local_of(state.file, found)
        write_state(output, state.file, maps, work.results.centre_A)
        rows.append(state_row(state, sums.counts, maps, local))
        keep_row(output, rows[-1])
        log(
            f"  halves agree to {found.resolution_A:.2f} A, the map and the decoded mixture "
            f"to {maps.agree_A:.2f} A"
        )
        if local is not None:
            log(f"  {local}")
    return rows
