"""The decoder refitted, from latents that were fitted to the images.

In training a decoder sees latents that the encoder read off half an image, which say less about the
state than the images do. What it learns is the mean over all states that such a latent may stand
for, and so motions come out too small, the more the noisier the latents (regression dilution).
Fitted latents are closer to the state. docs/decisions/014 has the figures.
"""

from __future__ import annotations

from gmmflex.engine.fitting.latent_readout import Readout
from gmmflex.engine.machine.progress import within
from gmmflex.engine.machine.row_store import RowsInMemory
from gmmflex.engine.nets.encoder import passing_encoder
from gmmflex.engine.nets.model import Model
from gmmflex.engine.settings.heterogeneity import HeterogeneitySettings
from gmmflex.engine.training.rounds import all_epochs
from gmmflex.engine.training.task import TrainingTask
from gmmflex.engine.training.training import Progress, TrainingSettings, first_progress, train

# Later ones gained less than .0001 of held-out score.
_MOST_EPOCHS = 3
# Particles that it learns from at most: what is left to learn is the same for all.
_MOST_PARTICLES = 20_000
# Of the learning rate of training: the decoder is nearly right already.
_RATE = 0.1
# In units of latents: fitted ones stand for less of their neighbourhood than the encoder's.
_LATENT_NOISE = 0.02


def refit_decoder(
    task: TrainingTask, settings: HeterogeneitySettings, progress: Progress, readout: Readout
) -> Progress:
    """Train the decoder on the latents of half of each image, scored on the other half, as long
    as held-out particles gain; `task.model` is changed.

    progress: of the training before. Latents of whole images are those of halves with less noise,
    so they need not be fitted anew. Returns the progress of these epochs. Every process has to call
    it.
    """
    trained, computation = task.model, task.computation
    passing = passing_encoder(trained.latent_dim).to(trained.device)
    rate = _RATE * settings.learning_rate
    again = TrainingTask(
        Model(passing, trained.decoder, trained.neutral),
        task.particles.with_fewer(_MOST_PARTICLES).reading(RowsInMemory(readout.by_fold)),
        task.objective,
        task.bonds,
        computation.logging_to(
            lambda line: computation.log(within("decoder, from fitted latents", line))
        ),
    )
    again = again.posed(task.poses)
    how = TrainingSettings(
        epochs=_MOST_EPOCHS,
        batch_size=settings.batch_size,
        round=progress.history[-1].round + 1,
        learning_rate=rate,
        latent_noise=_LATENT_NOISE,
        n_drops=0,
        poses_after=(),
    )
    # So few epochs are not worth a checkpoint: an interrupted run fits and refits again.
    start = first_progress(again, how, all_epochs(progress))
    return train(again, how, again.model.optimiser(rate, first_round=False), start)
