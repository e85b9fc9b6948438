"""Numbers at their limits: what is refused is named and counted, the rest gives finite results."""

import shutil

import numpy as np
import pytest
import torch
from sliding_domain import BOX, mixture_of_state, run, simulated
from two_states import N, small_model, task_of, two_states

from gmmflex.engine.data.learning_set import LearningSet
from gmmflex.engine.io.errors import UserError
from gmmflex.engine.io.models.mixture_file import write_mixture
from gmmflex.engine.machine.row_store import RowsInMemory
from gmmflex.engine.model.images.grid import FourierGrid
from gmmflex.engine.model.images.scoring import coefficients_in_use, ring_sums
from gmmflex.engine.training.training import TrainingSettings, train

PARTICLES = 100


@pytest.fixture(scope="module")
def moving(tmp_path_factory):
    return simulated(tmp_path_factory.mktemp("moving"), 20.0, PARTICLES, seed=1)


def _changed(moving, folder, change):
    """A copy of the set with other images, as a program would write them that does not look."""
    shutil.copytree(moving, folder, dirs_exist_ok=True)
    path = folder / "set" / "particles.mrcs"
    images = np.memmap(path, np.float32, "r+", offset=1024).reshape(-1, BOX, BOX)
    change(images)
    images.flush()
    return folder


@pytest.mark.parametrize(
    ("value", "rows"),
    [(np.nan, [3, 17, 80]), (np.inf, [60, 61]), (0.5, [2, 99]), (np.nan, range(PARTICLES))],
    ids=["nan", "inf late", "constant", "nan all"],
)
def test_images_that_say_nothing_are_counted_and_the_first_is_named(value, rows, moving, tmp_path):
    def change(images):
        for row in rows:
            if np.isfinite(value):
                images[row] = value
            else:
                images[row, 5, 6] = value

    folder = _changed(moving, tmp_path / "changed", change)
    with pytest.raises(UserError) as caught:
        run(folder, tmp_path / "run")
    said = str(caught.value)
    assert "particles.mrcs" in said and f"row {rows[0] + 1}" in said
    assert (
        f"({len(rows)} of {PARTICLES} particles have images that are constant or hold NaN" in said
    )
    assert not (tmp_path / "run").exists()


def test_one_such_image_is_not_counted(moving, tmp_path):
    def change(images):
        images[7, 0, 0] = np.nan

    folder = _changed(moving, tmp_path / "changed", change)
    with pytest.raises(
        UserError, match=r"used by row 8 of the particles; remove that row .*again\.$"
    ):
        run(folder, tmp_path / "run")


def test_empty_rings_dead_and_coincident_gaussians_leave_everything_finite(moving, tmp_path):
    """Images without power beyond ring 6, three Gaussians of no weight, and pairs in one place."""

    def low_pass(images):
        transform = np.fft.rfft2(images)
        k = np.hypot(np.fft.fftfreq(BOX)[:, None], np.fft.rfftfreq(BOX)[None]) * BOX
        images[:] = np.fft.irfft2(np.where(k < 6.5, transform, 0), s=(BOX, BOX))

    folder = _changed(moving, tmp_path / "changed", low_pass)
    positions_A, amplitudes, sigmas_A = mixture_of_state(moving, 4)
    positions_A = positions_A.copy()
    positions_A[1:20:2] = positions_A[0:20:2]
    amplitudes[30:33] = 0.0
    write_mixture(folder / "mixture.cif", positions_A, amplitudes, sigmas_A)
    vary = ("positions", "amplitudes", "widths")
    output = run(folder, tmp_path / "run", epochs=1, latent_dim=1, vary=vary)
    for name in ("latents", "latent_covariances", "density"):
        assert np.isfinite(np.load(output / f"{name}.npy")).all(), name
    losses = np.genfromtxt(output / "metrics.csv", delimiter=",", names=True)["test_loss"]
    assert np.isfinite(losses).all() and (losses < 0).all()


def test_an_image_ring_without_power_scores_zero_and_has_a_gradient():
    print("seed 4")
    generator = torch.Generator().manual_seed(4)
    coefficients = coefficients_in_use(FourierGrid(24, 4.0, 8), 1, 8)
    values = torch.randn(3, len(coefficients.used), 2, generator=generator).requires_grad_()
    images = torch.randn(3, len(coefficients.used), 2, generator=generator)
    ring = coefficients.bins % coefficients.n_rings
    images[:, ring == 5] = 0.0
    scores = ring_sums(
        values, torch.ones(3, len(coefficients.used)), images, coefficients
    ).by_fold()
    assert (scores[..., 5] == 0).all()
    scores.sum().backward()
    assert values.grad.isfinite().all() and (values.grad[:, ring == 5] == 0).all()


def test_training_that_goes_astray_stops_and_keeps_the_last_good_epoch():
    print("seed 5")
    torch.manual_seed(5)
    neutral, data = two_states(torch.zeros(N, 2))
    model = small_model(neutral)
    inputs = RowsInMemory(torch.ones(N, 2, 1))
    saved = []

    class AstrayInTheThird(RowsInMemory):
        def gather(self, rows, pinned=False):
            # What a graphics card with a fault in its memory might hand over.
            return super().gather(rows, pinned) * (float("nan") if len(saved) == 2 else 1.0)

    with pytest.raises(UserError) as caught:
        rows = torch.arange(N)
        particles = LearningSet(data, AstrayInTheThird(inputs.gather(rows)), rows[32:], rows[:32])
        train(
            task_of(model, particles),
            TrainingSettings(epochs=8, batch_size=64, n_drops=99),
            model.optimiser(1e-3, first_round=True),
            save=lambda progress, _: saved.append(progress),
        )
    assert "in epoch 3 of round 1 its weights or loss" in str(caught.value)
    assert "--learning-rate below 0.001" in str(caught.value)
    assert len(saved) == 2
    assert all(weights.isfinite().all() for weights in saved[-1].best.values())
