"""What a finished analysis says about its motions: those of Gaussians and of bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmmflex.engine.fitting.latent_readout import Readout
from gmmflex.engine.motion.body_motion_files import report_body_motions
from gmmflex.engine.motion.body_motions import moved_A
from gmmflex.engine.motion.coordination import coordination, report_coordination
from gmmflex.engine.motion.motion_file import write_motion
from gmmflex.engine.parts.regions import Region
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.training.preparation import Prepared


def report_motions(
    settings: HeterogeneitySettings,
    prepared: Prepared,
    centre_A: NDArray[np.float64],
    readout: Readout,
    junk: NDArray[np.bool_],
) -> dict[str, Any]:
    """Write the tables and pictures that the run's decoders call for; entries for summary.json.

    centre_A: (3,) box centre in the frame of the files; junk: (n,) particles whose latents say
    nothing of the motion.
    """
    task, regions, output = prepared.task, prepared.decoders.regions, settings.output
    model, computation = task.model, task.computation

    def decode(latents: NDArray[np.float32]) -> NDArray[np.float32]:
        return moved_A(model, torch.as_tensor(latents)).cpu().numpy()

    positions_A = model.neutral.positions_A.cpu().numpy().astype(np.float64) + centre_A
    latents = readout.latents.numpy().astype(np.float32)
    of_rows = np.repeat(junk, task.particles.data.n_copies)
    shown = latents if of_rows.all() else latents[~of_rows]
    write_motion(output / "motion.npz", decode, shown, positions_A)

    entries: dict[str, Any] = {}
    names, membership = bodies_of(regions)
    if names:
        entries["bodies"] = report_body_motions(
            output, model, centre_A, readout.latents, readout.by_fold, names, membership
        )
    if len(regions) > 1:
        pairs = coordination(
            model,
            task.particles.data,
            readout.latents,
            computation.batch_limit,
            settings.seed,
            computation.log,
        )
        entries["coordination"] = report_coordination(output, pairs)
    return entries


def bodies_of(regions: dict[str, Region]) -> tuple[tuple[str, ...], Tensor]:
    """Names and (K, N) memberships of the bodies of all decoders, rigid or watched.

    A name that several decoders use is preceded by that of its decoder.
    """
    found = {name: region.reported for name, region in regions.items()}
    known = {name: bodies for name, bodies in found.items() if bodies is not None}
    if not known:
        return (), torch.zeros(0)
    plain = [body for bodies, _ in known.values() for body in bodies]
    names = tuple(
        body if plain.count(body) == 1 else f"{name}.{body}"
        for name, (bodies, _) in known.items()
        for body in bodies
    )
    return names, torch.cat([membership.cpu() for _, membership in known.values()])
