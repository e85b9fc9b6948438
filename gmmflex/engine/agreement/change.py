"""One way of reading particles and map otherwise than their files say, and how they then agree."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from gmmflex.engine.data.particles import ParticleData
from gmmflex.engine.model.images.ctf import CtfBatch, ctf_at
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.images.scoring import Coefficients, ring_sums
from gmmflex.engine.model.volumes.fourier_slices import FourierVolume

Matrix = tuple[tuple[float, ...], ...]
CtfReading = Literal["as it is", "defocus negated", "phases flipped", "multiplied", "corrected"]

_AT_ONCE = 64


@dataclass(frozen=True)
class Poses:
    """n particles: rotations (n, 3, 3), origins_A (n, 2) and CTF."""

    rotations: Tensor
    origins_A: Tensor
    ctf: CtfBatch

    def rows(self, index: Tensor) -> Poses:
        return Poses(self.rotations[index], self.origins_A[index], self.ctf.rows(index))


@dataclass(frozen=True)
class Sample:
    """n particles that are looked at. images: (n, K, 2) at these `coefficients`; poses: what
    their file says; before, after: what it says of the images before and after each."""

    images: Tensor
    poses: Poses
    before: Poses
    after: Poses
    coefficients: Coefficients

    def __len__(self) -> int:
        return len(self.images)

    def first(self, count: int, last_ring: int) -> Sample:
        """Fewer particles, without the rings beyond `last_ring`."""
        coefficients, some = self.coefficients, torch.arange(min(count, len(self)))
        ring = coefficients.bins % coefficients.n_rings + coefficients.first_ring
        last = max(coefficients.first_ring, min(last_ring, coefficients.last_ring))
        kept = torch.nonzero(ring <= last).squeeze(1)
        bins = (
            coefficients.folds[kept] * (last - coefficients.first_ring + 1)
            + ring[kept]
            - coefficients.first_ring
        )
        fewer = Coefficients(
            coefficients.grid,
            coefficients.first_ring,
            last,
            coefficients.used[kept],
            bins,
            coefficients.multiplicity[kept],
        )
        poses, before, after = (p.rows(some) for p in (self.poses, self.before, self.after))
        return Sample(self.images[: len(some), kept.cpu()], poses, before, after, fewer)


def sample_of(data: ParticleData, particles: Tensor) -> Sample:
    """The particles (m,) of those that a run has read."""
    everything = Poses(data.rotations, data.origins_A, data.ctf)
    last = data.n_particles - 1
    return Sample(
        data.images.gather(particles),
        everything.rows(particles),
        everything.rows((particles - 1).clamp_min(0)),
        everything.rows((particles + 1).clamp_max(last)),
        data.coefficients,
    )


@dataclass(frozen=True)
class Change:
    """What is read otherwise.

    image_axes: (2, 2) applied to what is seen in the image; map_axes: (3, 3) to the map;
    angle_signs: of rot, tilt, psi; inverse: the rotations are taken backwards; shift: (2, 2)
    applied to the origins; particle_scale, map_scale: true over stated pixel size; row: the pose is
    that of the image before (−1) or after (1); shuffled: poses are dealt out to other particles.
    """

    image_axes: Matrix = ((1, 0), (0, 1))
    map_axes: Matrix = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
    angle_signs: tuple[int, int, int] = (1, 1, 1)
    inverse: bool = False
    shift: Matrix = ((1, 0), (0, 1))
    particle_scale: float = 1.0
    map_scale: float = 1.0
    ctf: CtfReading = "as it is"
    row: int = 0
    shuffled: bool = False

    def in_disorder(self) -> Change:
        """The same with the poses of other particles: what agreement without poses looks like."""
        return replace(self, shuffled=True)

    def poses_of(self, sample: Sample) -> Poses:
        """The poses as this reading has them; two rows of each rotation are enough."""
        poses = {-1: sample.before, 0: sample.poses, 1: sample.after}[self.row]
        rotations, origins = poses.rotations, poses.origins_A
        if self.shuffled:
            # Every particle gets the pose of one far from it in the sample.
            rotations = rotations.roll(max(1, len(sample) // 2), 0)
        if self.inverse:
            rotations = rotations.transpose(1, 2)
        if self.angle_signs != (1, 1, 1):
            turned = Rotation.from_matrix(rotations.double().numpy()).inv().as_euler("ZYZ")
            turned = Rotation.from_euler("ZYZ", turned * np.array(self.angle_signs)).inv()
            rotations = torch.as_tensor(turned.as_matrix(), dtype=origins.dtype)
        axes = origins.new_tensor(self.image_axes)
        rotations = axes @ rotations[:, :2] @ origins.new_tensor(self.map_axes)
        origins = origins @ (axes @ origins.new_tensor(self.shift)).T
        ctf = poses.ctf
        if self.ctf == "defocus negated":
            ctf = replace(ctf, defocus_u_A=-ctf.defocus_u_A, defocus_v_A=-ctf.defocus_v_A)
        return Poses(rotations, origins, ctf)

    def applied(self, ctf: Tensor) -> Tensor:
        """What the image is multiplied by, from its CTF."""
        if self.ctf == "phases flipped":
            return ctf.abs()
        if self.ctf == "multiplied":
            return ctf.square()
        return torch.ones_like(ctf) if self.ctf == "corrected" else ctf


@torch.no_grad()
def correlations(volume: FourierVolume, sample: Sample, change: Change) -> Tensor:
    """(n, n_rings) FRC of each image with the projection in its pose, on the CPU."""
    coefficients, poses = sample.coefficients, change.poses_of(sample)
    stated, device = coefficients.grid, volume.values.device
    pixel_size_A = stated.pixel_size_A * change.particle_scale
    grid = FourierGrid(stated.box_px, pixel_size_A, stated.max_ring, stated.device)
    kxy = (
        torch.stack([coefficients.kx_index, coefficients.ky_index]).to(torch.float32)
        * grid.step_per_A
    )
    found = []
    for part in torch.arange(len(sample)).split(_AT_ONCE):
        at = poses.rows(part)
        values = volume.slices(at.rotations.to(device), kxy * change.map_scale)
        turns = at.origins_A.to(device) @ kxy
        values = torch.view_as_complex(values.contiguous())
        values = values * torch.polar(torch.ones_like(turns), 2 * math.pi * turns)
        ctf = change.applied(
            ctf_at(at.ctf.to(device), coefficients.kx_index, coefficients.ky_index, grid)
        )
        images = sample.images[part].to(device)
        found.append(ring_sums(torch.view_as_real(values), ctf, images, coefficients).whole().cpu())
    return torch.cat(found)
