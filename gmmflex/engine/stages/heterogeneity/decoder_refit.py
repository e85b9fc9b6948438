"""The decoder taught once more, from latents that were fitted to the images.

In training a decoder sees latents that the encoder read off half an image, which say less about the
state than the images do. What it learns is the mean over all states that such a latent may stand
for, and so motions come out too small, the more the noisier the latents (regression dilution).
Fitted latents are closer to the state. docs/decisions/014 has the figures.
"""

from __future__ import annotations

import torch

from gmmflex.engine.data.row_store import RowsInMemory
from gmmflex.engine.fitting.latent_readout import Readout
from gmmflex.engine.machine.progress import Log, within
from gmmflex.engine.model.mixture.adam import Adam
from gmmflex.engine.nets.encoder import passing_encoder
from gmmflex.engine.nets.model import Model
from gmmflex.engine.training.preparation import Prepared
from gmmflex.engine.training.rounds import all_epochs
from gmmflex.engine.training.training import Progress, TrainingSettings, train

# Later ones gained less than .0001 of held-out score.
_MOST_EPOCHS = 3
# Particles that it learns from at most: what is left to learn is the same for all.
_MOST_PARTICLES = 20_000
# Of the learning rate of training: the decoder is nearly right already.
_RATE = 0.1
# In units of latents: fitted ones stand for less of their neighbourhood than the encoder's.
_LATENT_NOISE = 0.02


def refit_decoder(
    prepared: Prepared, progress: Progress, readout: Readout, learning_rate: float, log: Log
) -> Progress:
    """Train the decoder on the latents of half of each image, scored on the other half, as long
    as held-out particles gain; `prepared.model` is changed.

    progress: of the training before; learning_rate: the one it began with. Latents of whole images
    are those of halves with less noise, so they need not be fitted anew. Returns the progress of
    these epochs. Every process has to call it.
    """
    trained = prepared.model
    passing = passing_encoder(trained.latent_dim).to(trained.device)
    model = Model(passing, trained.decoder, trained.neutral)
    rows = prepared.train_rows[torch.randperm(len(prepared.train_rows))[:_MOST_PARTICLES]]
    return train(
        model,
        prepared.data,
        RowsInMemory(readout.by_fold),
        prepared.weights,
        rows,
        prepared.test_rows,
        TrainingSettings(
            epochs=_MOST_EPOCHS,
            batch_size=prepared.training.batch_size,
            round=progress.history[-1].round + 1,
            learning_rate=_RATE * learning_rate,
            latent_noise=_LATENT_NOISE,
            n_drops=0,
        ),
        prepared.bonds,
        model.optimiser(_RATE * learning_rate, first_round=False),
        None,
        all_epochs(progress),
        _not_saved,
        lambda line: log(within("decoder, from fitted latents", line)),
        prepared.batch_limit,
        prepared.processes,
    )


def _not_saved(_: Progress, __: Adam) -> None:
    """So few epochs are not worth a checkpoint: an interrupted run fits and teaches again."""
