"""Particle sets: RELION and cryoSPARC metadata, poses, image stacks."""

from gmmflex.engine.io.particles.particle_set import ParticleRecords, Particles
from gmmflex.engine.io.particles.particles import (
    read_particle_records,
    read_particles,
    write_particles_star,
)

__all__ = [
    "ParticleRecords",
    "Particles",
    "read_particle_records",
    "read_particles",
    "write_particles_star",
]
