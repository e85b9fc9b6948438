"""The part of `gmmflex info` on particles: counts, optics, poses, and what looks odd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.particles import ParticleRecords, Particles, read_particle_records
from gmmflex.engine.io.particles.particles import locate_images, with_images
from gmmflex.engine.stages.info.description import Description

_IMAGES_LOOKED_AT = 200
# a mean of squared direction cosines of 1/3 on every axis is an even distribution
_STRONGLY_PREFERRED = 0.6


def describe_particles(
    path: Path,
    *,
    passthrough: str | Path | None = None,
    image_root: str | Path | None = None,
) -> Description:
    """Describe a RELION or cryoSPARC particle file; missing or faulty images become warnings.

    Raises:
        UserError: the file itself cannot be used.
    """
    records = read_particle_records(path, passthrough=passthrough)
    rows = _rows(records)
    warnings = list(records.notes) + _oddities(records)
    located = locate_images(records, image_root)
    missing = located.missing()
    found = len(located.names) - len(missing)
    rows.append(("image stacks", f"{found} of {len(located.names)} found"))
    box_px = records.box_px
    try:
        particles = with_images(records, located)
        box_px = particles.box_px
        rows.append(("contrast", contrast_hint(particles)))
    except UserError as error:
        warnings.append(str(error))
    size = f"{box_px} px, {box_px * records.pixel_size_A:.1f} Å" if box_px else "not stated"
    rows.insert(1, ("box", size))
    return Description(f"particles, {records.format}", tuple(rows), tuple(warnings))


def contrast_hint(particles: Particles) -> str:
    """Whether the middle of the images is brighter or darker than their rim, over a sample."""
    sample = np.unique(np.linspace(0, len(particles) - 1, _IMAGES_LOOKED_AT).astype(int))
    images = particles.read_images(sample)
    axis = np.arange(particles.box_px) - particles.box_px // 2
    radius = np.hypot(axis[:, None], axis[None, :]) / particles.box_px
    inside, rim = images[:, radius < 0.2], images[:, (radius > 0.4) & (radius < 0.5)]
    if not inside.size or not rim.size:
        return "cannot be judged in so small a box"
    difference = inside.mean(axis=1) - rim.mean(axis=1)
    noise = difference.std() / np.sqrt(len(difference)) if len(difference) > 1 else np.inf
    if abs(difference.mean()) < 4 * noise or noise == 0:
        return f"not clear from {len(sample)} images"
    shade = "bright" if difference.mean() > 0 else "dark"
    return f"particles look {shade} ({len(sample)} images)"


def _rows(records: ParticleRecords) -> list[tuple[str, str]]:
    ctf = records.ctf
    defocus_A = (ctf.defocus_u_A + ctf.defocus_v_A) / 2
    astigmatism_A = np.abs(ctf.defocus_u_A - ctf.defocus_v_A)
    groups, counts = np.unique(records.optics_group, return_counts=True)
    shown = ", ".join(f"{g}: {c}" for g, c in zip(groups[:8], counts[:8], strict=True))
    more = f", … ({len(groups)} groups)" if len(groups) > 8 else ""
    rows = [
        ("particles", f"{len(records)}"),
        ("pixel size", f"{records.pixel_size_A:g} Å"),
        ("optics groups", shown + more),
        ("voltage", f"{_values(ctf.voltage_kv)} kV"),
        ("spherical aberration", f"{_values(ctf.spherical_aberration_mm)} mm"),
        ("amplitude contrast", _values(ctf.amplitude_contrast)),
        ("defocus", f"{defocus_A.min():.0f} to {defocus_A.max():.0f} Å"),
        ("astigmatism", f"up to {astigmatism_A.max():.0f} Å"),
        ("phase shift", f"{_values(ctf.phase_shift_deg)} degrees"),
        ("shifts", f"up to {np.abs(records.origins_A).max():.2f} Å"),
        ("viewing directions", _pose_spread(records.rotations)),
    ]
    if records.half_set is None:
        rows.append(("half sets", "none"))
    else:
        halves = [int((records.half_set == half).sum()) for half in (1, 2)]
        rows.append(("half sets", f"{halves[0]} and {halves[1]}"))
    return rows


def _values(values: NDArray[np.float64]) -> str:
    different = np.unique(np.round(values, 6))
    if len(different) <= 3:
        return ", ".join(f"{value:g}" for value in different)
    return f"{different[0]:g} to {different[-1]:g}"


def _axes_share(rotations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Eigenvalues, largest first, of the mean outer product of the viewing directions."""
    directions = rotations[:, 2, :]  # the image's z axis in the frame of the map
    return np.asarray(np.linalg.eigvalsh(directions.T @ directions / len(directions))[::-1])


def _pose_spread(rotations: NDArray[np.float64]) -> str:
    shares = _axes_share(rotations)
    word = "preferred" if shares[0] > _STRONGLY_PREFERRED else "spread"
    numbers = " / ".join(f"{share:.2f}" for share in shares)
    return f"{word} ({numbers} along their main axes; 0.33 each is even)"


def _oddities(records: ParticleRecords) -> list[str]:
    found = []
    if len(records) > 1 and np.ptp(records.rotations, axis=0).max() < 1e-6:
        found.append("all particles have the same orientation: they were probably not refined")
    elif len(records) >= 50 and _axes_share(records.rotations)[0] > _STRONGLY_PREFERRED:
        found.append("the viewing directions are strongly preferred")
    defocus_A = np.median(records.ctf.defocus_u_A)
    if not 1_000 <= abs(defocus_A) <= 100_000:
        found.append(f"the median defocus is {defocus_A:g} Å: check its unit")
    if (records.ctf.defocus_u_A < 0).any():
        found.append("some defocus values are negative (overfocus)")
    if records.ctf.spherical_aberration_mm.max() < 0.5:
        found.append("the spherical aberration is below 0.5 mm, which few microscopes have")
    return found
