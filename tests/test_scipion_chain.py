"""A whole headless Scipion project: import from star and cs, neutral mixture, heterogeneity."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from scipion_samples import BOX_PX, PIXEL_SIZE_A, cryosparc_copy, simulated
from scipion_session import (
    imported,
    log_of,
    maker,
    point_to,
    run,
    run_forked,
    scipion,
    subset_of,
)

from gmmflex.engine.io.maps import read_map
from gmmflex.engine.io.models.mixture_file import read_mixture
from gmmflex.engine.io.star import read_star

# Scipion and its plugins warn about their own dependencies
__all__ = ["scipion"]  # a fixture

pytestmark = pytest.mark.filterwarnings("ignore")

PARTICLES = 240
GAUSSIANS = 40
ODD_IDS = list(range(1, PARTICLES, 2))


@pytest.fixture(scope="module")
def chain(scipion, tmp_path_factory):
    """Both chains, run once; the tests look at what came out.

    The mixture and one analysis are launched as Scipion does it, in processes of their own.
    """
    data = simulated(tmp_path_factory.mktemp("data"), PARTICLES)
    cs_file = data / "J7_particles.cs"
    cryosparc_copy(data, cs_file)
    project = scipion.project("Chain")

    new = maker(scipion, project)
    from_star, volume = imported(project, new, data, PIXEL_SIZE_A)
    from_cs = run_forked(project, new("ProtGmmflexImportParticles", particlesFile=str(cs_file)))

    neutral = new(
        "ProtGmmflexNeutral",
        resolution=16.0,
        numberOfGaussians=GAUSSIANS,
        numberOfThreads=1,
        useGpu=False,
    )
    point_to(neutral, "inputVolume", volume, "outputVolume")
    neutral = run(project, neutral)

    subset, _ = subset_of(project, new, from_cs.outputParticles, ODD_IDS, data)

    def analysis(launch, particles, **parameters):
        protocol = new(
            "ProtGmmflexHeterogeneity",
            latentDimension=2,
            epochs=2,
            numberOfThreads=1,
            useGpu=False,
            **parameters,
        )
        point_to(protocol, "inputParticles", particles, "outputParticles")
        point_to(protocol, "inputGaussians", neutral, "outputGaussians")
        return launch(project, protocol)

    return SimpleNamespace(
        scipion=scipion,
        project=project,
        new=new,
        data=data,
        from_star=from_star,
        from_cs=from_cs,
        neutral=neutral,
        subset=subset,
        of_star=analysis(run, from_star),
        of_subset=analysis(run_forked, subset, varyAmplitudes=True),
    )


def _columns(protocol):
    from gmmflex.convert.particles import read_particle_set

    return read_particle_set(protocol.outputParticles)


def test_every_protocol_finished(chain):
    for name in ("from_star", "from_cs", "neutral", "subset", "of_star", "of_subset"):
        protocol = getattr(chain, name)
        assert protocol.isFinished(), f"{name}: {protocol.getErrorMessage()}\n{log_of(protocol)}"


def test_import_from_star_keeps_everything(chain):
    particles = chain.from_star.outputParticles
    assert particles.getSize() == PARTICLES
    assert particles.hasAlignmentProj() and particles.hasCTF()
    assert particles.getSamplingRate() == pytest.approx(PIXEL_SIZE_A)
    assert particles.getXDim() == BOX_PX
    columns = _columns(chain.from_star)
    tables = read_star(chain.data / "particles.star")
    given = tables["particles"].columns
    assert (columns.half_set == given["rlnRandomSubset"].astype(int)).all()
    assert np.abs(columns.defocus[:, 0] - given["rlnDefocusU"].astype(float)).max() < 1e-2
    voltages = tables["optics"].columns["rlnVoltage"].astype(float)
    expected = voltages[given["rlnOpticsGroup"].astype(int) - 1]
    found = [p.getAcquisition().getVoltage() for p in particles.iterItems(orderBy="id")]
    assert sorted(set(found)) == [200.0, 300.0]
    assert (np.array(found) == expected).all()


def test_import_from_cs_gives_the_same_particles(chain):
    star, cs = _columns(chain.from_star), _columns(chain.from_cs)
    assert (star.slice_numbers == cs.slice_numbers).all()
    assert np.abs(star.matrices - cs.matrices).max() < 1e-4
    # the direction of astigmatism has a period of 180 degrees
    turned = np.abs(star.defocus[:, 2] - cs.defocus[:, 2])
    assert np.minimum(turned, 180 - turned).max() < 1e-2
    assert np.abs(star.defocus[:, :2] - cs.defocus[:, :2]).max() < 0.1
    assert (star.half_set == cs.half_set).all()
    optics = [
        [
            (group.voltage_kv, group.spherical_aberration_mm, group.amplitude_contrast)
            for group in (columns.optics.groups[number - 1] for number in columns.optics_group)
        ]
        for columns in (star, cs)
    ]
    assert np.abs(np.array(optics[0]) - np.array(optics[1])).max() < 1e-5


def test_neutral_outputs(chain):
    gaussians = chain.neutral.outputGaussians
    positions_A, amplitudes, _ = read_mixture(gaussians.getFileName())
    assert len(amplitudes) == gaussians.getNumberOfGaussians() == GAUSSIANS
    assert gaussians.getMeanFsc() > 0.9
    assert str(gaussians).startswith(f"GaussianModel ({GAUSSIANS} Gaussians, 16.0 Å, 4.00 Å/px")
    # Scipion puts the box centre at 0, so that is where the mixture has to lie
    centre_A = (positions_A * amplitudes[:, None]).sum(axis=0) / amplitudes.sum()
    assert np.abs(centre_A).max() < BOX_PX * PIXEL_SIZE_A / 4
    volume = chain.neutral.outputVolume
    header_A = read_map(volume.getFileName()).origin_A
    assert volume.getShiftsFromOrigin() == pytest.approx(tuple(header_A))
    assert header_A == pytest.approx(-BOX_PX * PIXEL_SIZE_A / 2)
    assert chain.neutral.outputModel.getPseudoAtoms()


@pytest.mark.parametrize("name", ["of_star", "of_subset"])
def test_latents_are_joined_by_id(chain, name):
    protocol = getattr(chain, name)
    output = protocol.outputParticles
    table = read_star(protocol.getPath("extra", "heterogeneity", "latents.star"))["particles"]
    ids = table.columns["rlnImageId"].astype(int)
    labels = ("gmmflexLatent1", "gmmflexLatent2")
    latents = np.stack([table.columns[label].astype(float) for label in labels], axis=1)
    expected = dict(zip(ids.tolist(), latents, strict=True))
    source = (chain.from_star if name == "of_star" else chain.from_cs).outputParticles
    inputs = {p.getObjId(): p.getLocation()[0] for p in source.iterItems()}
    seen = []
    for particle in output.iterItems(orderBy="id"):
        number = particle.getObjId()
        assert particle.getZFlex() == pytest.approx(expected[number], abs=1e-9)
        assert particle.getZRed().shape == (3,)
        assert particle.getFlexInfo().getProgName() == "GMMFlex"
        assert particle.getLocation()[0] == inputs[number]
        seen.append(number)
    assert seen == (ODD_IDS if name == "of_subset" else list(range(1, PARTICLES + 1)))
    assert len(set(map(tuple, latents))) > PARTICLES / 4  # particles do differ


def test_flexible_set_carries_what_others_read(chain):
    from pathlib import Path

    output = chain.of_star.outputParticles
    assert output.getClassName() == "SetOfParticlesFlex"
    assert output.getFlexInfo().getProgName() == "GMMFlex"
    assert Path(output.getFlexInfo().getAttr("modelPath")).exists()
    assert output.hasCTF() and output.hasAlignmentProj()
    reduced = np.array([p.getZRed() for p in output.iterItems(orderBy="id")])
    assert reduced[:, 0].var() >= reduced[:, 1].var() > 0
    assert (reduced[:, 2] == 0).all()  # two latent dimensions: nothing along the third axis


def test_log_shows_progress(chain):
    log = log_of(chain.of_star)
    assert "epoch 1/2" in log and "epoch 2/2" in log and "remaining" in log


def test_texts_for_people(chain):
    assert f"{PARTICLES} particles" in " ".join(chain.of_star.summary())
    assert "positions and amplitudes" in " ".join(chain.of_subset.methods())
    assert f"{GAUSSIANS} Gaussians" in " ".join(chain.neutral.summary())
    assert "2 optics groups" in " ".join(chain.from_cs.summary())
    for protocol in (chain.of_star, chain.neutral):
        assert "Chen2021" in protocol._citations()


@pytest.mark.xmipp3
def test_flexutils_takes_the_output(chain):
    protocol = chain.new("ProtFlexAssociateSpace")
    point_to(protocol, "particlesFlex", chain.of_star, "outputParticles")
    point_to(protocol, "particles", chain.from_star, "outputParticles")
    protocol = run_forked(chain.project, protocol)
    assert protocol.isFinished(), protocol.getErrorMessage()
    theirs = protocol.flexParticles
    assert theirs.getFlexInfo().getProgName() == "GMMFlex"
    ours = {p.getObjId(): p.getZFlex() for p in chain.of_star.outputParticles.iterItems()}
    for particle in theirs.iterItems():
        assert particle.getZFlex() == pytest.approx(ours[particle.getObjId()])


def test_engine_error_is_the_error_of_the_protocol(chain, tmp_path):
    text = (chain.data / "particles.star").read_text().replace("_rlnDefocusV", "_rlnSomething")
    broken = chain.data / "broken.star"
    broken.write_text(text)
    protocol = run_forked(
        chain.project, chain.new("ProtGmmflexImportParticles", particlesFile=str(broken))
    )
    assert protocol.isFailed()
    message = protocol.getErrorMessage()
    assert "broken.star" in message and "rlnDefocusV" in message
    assert "Traceback" not in message and "CalledProcessError" not in message


def test_original_file_gives_the_optics_back(chain):
    """Imported by Scipion's RELION import, one voltage is left; the original file knows two."""
    imported = run_forked(
        chain.project,
        chain.new(
            "ProtImportParticles",
            importFrom=3,
            starFile=str(chain.data / "particles.star"),
            samplingRate=PIXEL_SIZE_A,
            magnification=50000,
            voltage=300.0,
        ),
    )
    assert imported.isFinished(), imported.getErrorMessage()
    assert len(_columns(imported).optics.groups) == 1
    protocol = chain.new(
        "ProtGmmflexHeterogeneity",
        originalFile=str(chain.data / "particles.star"),
        latentDimension=1,
        epochs=1,
        numberOfThreads=1,
        useGpu=False,
    )
    point_to(protocol, "inputParticles", imported, "outputParticles")
    point_to(protocol, "inputGaussians", chain.neutral, "outputGaussians")
    protocol = run_forked(chain.project, protocol)
    assert protocol.isFinished(), protocol.getErrorMessage()
    optics = read_star(protocol.getPath("extra", "particles.star"))["optics"].columns
    assert sorted(optics["rlnVoltage"].astype(float)) == [200.0, 300.0]


def test_pictures_are_drawn_without_a_display(chain, tmp_path):
    from matplotlib import image

    from gmmflex.convert.database_latents import read_latents_of_set
    from gmmflex.viewers.latent_views import latent_view
    from gmmflex.viewers.viewer_neutral import fsc_view
    from gmmflex.viewers.views.run_files import read_latents_array

    output = chain.of_subset.outputParticles
    latents = read_latents_of_set(output.getFileName())
    stored = read_latents_array(chain.of_subset.getRunFolder())
    assert latents == pytest.approx(stored, abs=1e-5)
    views = (latent_view(latents, True, 1, 2), fsc_view(chain.neutral.outputGaussians))
    for number, view in enumerate(views):
        path = tmp_path / f"{number}.png"
        view.savefig(str(path))
        view.close()
        assert image.imread(path)[..., :3].std() > 0.05
