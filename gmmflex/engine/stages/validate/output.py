"""Tables, pictures and the page of a validation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gmmflex.engine.io.html_report import Section, Table, settings_table, write_report
from gmmflex.engine.io.writing import replacing
from gmmflex.engine.runs.results import RunResults
from gmmflex.engine.settings.validate import ValidateSettings
from gmmflex.engine.stages.validate.halves import HalvesVerdict
from gmmflex.engine.stages.validate.leakage import Leak
from gmmflex.engine.stages.validate.verdict import MOVES, NOISE, UNSURE, UNTESTED, Verdict

Floats = NDArray[np.float64]

_COLOURS = {MOVES: "#1f5fa8", UNSURE: "#d9a441", NOISE: "0.6", UNTESTED: "0.6"}
_WORDS = {
    MOVES: "most of the motion is reproducible",
    UNSURE: "only part of the motion could be distinguished from noise",
    NOISE: "most of what looks like motion may be noise",
    UNTESTED: "whether the motion is real was not tested",
}


def write_gaussians(
    path: Path,
    results: RunResults,
    sizes_A: Floats,
    noise_A: Floats | None,
    halves: HalvesVerdict | None,
    verdict: Verdict,
) -> None:
    """gaussians.csv: a row for each Gaussian, with its place at rest in the frame of the files."""
    places_A = results.model.neutral.positions_A.cpu().numpy() + results.centre_A
    columns: dict[str, Sequence[Any] | NDArray[Any]] = {
        "gaussian": np.arange(1, len(sizes_A) + 1),
        **{f"{axis}_A": [f"{v:.3f}" for v in places_A[:, k]] for k, axis in enumerate("xyz")},
        "rms_displacement_A": [f"{v:.4f}" for v in sizes_A],
    }
    if noise_A is not None:
        columns["rms_displacement_without_motion_A"] = [f"{v:.4f}" for v in noise_A]
    if halves is not None:
        columns["agreement_of_half_sets"] = [f"{v:.4f}" for v in halves.motion.agreement]
        columns["agreement_within_one"] = [f"{v:.4f}" for v in halves.within.agreement]
    columns["verdict"] = verdict.kinds
    lines = [",".join(columns)]
    lines += [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    with replacing(path) as temporary:
        temporary.write_text("\n".join([*lines, ""]), encoding="utf-8")


def write_leakage(path: Path, leaks: Sequence[Leak]) -> None:
    """leakage.csv: a row for each component and property."""
    header = "component,property,information_nats,by_chance_nats,as_correlation,significant"
    rows = [
        f"{leak.component},{leak.about},{leak.information:.4f},{leak.by_chance:.4f},"
        f"{leak.as_correlation:.4f},{int(leak.significant)}"
        for leak in leaks
    ]
    with replacing(path) as temporary:
        temporary.write_text("\n".join([header, *rows, ""]), encoding="utf-8")


def draw_checks(
    path: Path,
    sizes_A: Floats,
    noise_A: Floats | None,
    halves: HalvesVerdict | None,
    verdict: Verdict,
) -> None:
    """Along the mixture: how far each Gaussian moves, what noise gives, and the agreement."""
    panels = 1 + (halves is not None)
    figure = Figure(figsize=(10.5, 3.1 * panels + 0.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(panels, 1, squeeze=False, sharex=True)[:, 0]
    number = np.arange(1, len(sizes_A) + 1)
    for kind, colour in _COLOURS.items():
        chosen = verdict.kinds == kind
        if chosen.any():
            axes[0].plot(number[chosen], sizes_A[chosen], ".", color=colour, label=f"run: {kind}")
    if noise_A is not None:
        axes[0].plot(number, noise_A, "-", color="#c0392b", lw=1, label="particles without motion")
    axes[0].set_ylabel("RMS displacement (Å)")
    axes[0].set_ylim(bottom=0)
    axes[0].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    if halves is not None:
        agreement = halves.motion
        axes[1].plot(
            number, halves.within.agreement, "-", color="0.75", label="within one analysis"
        )
        axes[1].plot(
            number, agreement.agreement, ".", color="#1f5fa8", label="of the two half sets"
        )
        edge = 4 * agreement.by_chance
        axes[1].axhspan(-edge, edge, color="#c0392b", alpha=0.15, lw=0, label="by chance (4 SD)")
        axes[1].set_ylabel("agreement of motion")
        axes[1].set_ylim(-0.3, 1.02)
        axes[1].legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    axes[-1].set_xlabel("Gaussian")
    axes[-1].set_xlim(0, len(sizes_A) + 1)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def draw_leakage(path: Path, leaks: Sequence[Leak]) -> None:
    """How each component depends on what it should not depend on."""
    names = list(dict.fromkeys(leak.about for leak in leaks))
    count = max(leak.component for leak in leaks)
    values = np.zeros((len(names), count))
    for leak in leaks:
        values[names.index(leak.about), leak.component - 1] = leak.as_correlation
    figure = Figure(figsize=(2.8 + 0.75 * count, 1.2 + 0.45 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.add_subplot()
    image = axis.imshow(values, cmap="Oranges", vmin=0, vmax=1, aspect="auto")
    axis.set_yticks(range(len(names)), names)
    axis.set_xticks(range(count), [str(k + 1) for k in range(count)])
    axis.set_xlabel("principal component of the latents")
    for leak in leaks:
        place = (leak.component - 1, names.index(leak.about))
        bold = "bold" if leak.significant else "normal"
        shade = "white" if leak.as_correlation > 0.6 else "black"
        text = f"{leak.as_correlation:.2f}"
        axis.text(*place, text, ha="center", va="center", color=shade, weight=bold, fontsize=9)
    figure.colorbar(image, label="as a correlation")
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120)


def summary_of(
    verdict: Verdict, halves: HalvesVerdict | None, leaks: Sequence[Leak]
) -> dict[str, Any]:
    """summary.json; `in_words` is its verdict as a sentence."""
    counts = {kind: int((verdict.kinds == kind).sum()) for kind in (MOVES, UNSURE, NOISE)}
    return {
        "verdict": verdict.overall,
        "in_words": _in_words(verdict),
        "rms_displacement_A": verdict.size_A,
        "rms_displacement_without_motion_A": verdict.noise_A,
        "rms_displacement_beyond_noise_A": verdict.without_noise_A,
        "share_of_motion_for_sure": verdict.sure_share,
        "gaussians": counts,
        "half_sets": None
        if halves is None
        else {
            "particles_compared": halves.particles,
            "agreement_of_motion": halves.motion.together,
            "agreement_by_chance": halves.motion.by_chance,
            "agreement_within_one_analysis": halves.within.together,
            "latents_r2": halves.latents_r2,
            "latents_r2_within_one_analysis": halves.latents_r2_within,
            "classes_adjusted_rand_index": halves.classes,
        },
        "leaks": [
            {
                "component": leak.component,
                "property": leak.about,
                "correlation": leak.as_correlation,
            }
            for leak in leaks
            if leak.significant
        ],
    }


def _in_words(verdict: Verdict) -> str:
    size = f"{verdict.size_A:.2f} A RMS"
    if verdict.noise_A is not None:
        size += f", of which particles without motion would show {verdict.noise_A:.2f} A"
    return f"{_WORDS[verdict.overall]} ({size})"


def write_page(
    settings: ValidateSettings,
    verdict: Verdict,
    halves: HalvesVerdict | None,
    leaks: Sequence[Leak],
    summary: dict[str, Any],
) -> None:
    """report.html: what moves significantly, what may be noise, what to do."""
    output = settings.output
    words = str(summary["in_words"]).replace(" A", " Å")
    counts = summary["gaussians"]
    about = [
        f"{counts[MOVES]} Gaussians move significantly, {counts[UNSURE]} are unsure, "
        f"{counts[NOISE]} may be noise.",
        f"{100 * verdict.sure_share:.0f} % of the mean square motion is significant.",
        "Motion is counted inside the molecule, from the half of it that moves most as one: a "
        "motion of the whole may as well be an error of the pose.",
    ]
    if verdict.noise_A is not None:
        off = summary["poses_off"]
        about.append(
            f"Poses seem to be off by {off['angle_deg']:.2f}° about each axis and "
            f"{off['shift_A']:.2f} Å along x and y; those of the particles without motion are off "
            "as far."
        )
    sections = [
        Section(
            "What moves",
            f"{words[:1].upper()}{words[1:]}.",
            ((output / "motion.png", "Motion of each Gaussian, in the order of the mixture."),),
            points=tuple(about),
        )
    ]
    if halves is not None:
        rows = (
            ("motion of Gaussians", _two(halves.motion.together), _two(halves.within.together)),
            ("latents (R²)", _two(halves.latents_r2), _two(halves.latents_r2_within)),
            ("groups (adjusted Rand index)", _two(halves.classes), "–"),
        )
        sections.append(
            Section(
                "Two half sets, analysed independently",
                f"{halves.particles:,} particles, one half of each image read by the one analysis "
                "and the other half by the other: they share no noise. The agreement of two "
                "halves of an image within one analysis is the most that can be expected.",
                table=Table(("agreement of", "half sets", "within one"), rows),
            )
        )
    if leaks:
        caption = (
            "Bold: more than chance. Views differ in how much of a motion they show, so some of "
            "the viewing direction is expected where latents are uncertain."
        )
        sections.append(
            Section(
                "Do latents depend on the imaging?",
                _of_leaks(leaks),
                ((output / "leakage.png", caption),),
            )
        )
    sections.append(Section("What to do", points=tuple(_advice(verdict, halves, leaks))))
    parameters = settings_table(settings.model_dump(mode="json"))
    sections.append(Section("Parameters", table=parameters))
    write_report(output / "report.html", "Validation", f"of {settings.run}", sections)


def _of_leaks(leaks: Sequence[Leak]) -> str:
    strong = [leak for leak in leaks if leak.significant]
    if not strong:
        return "No component depends on pose, defocus or shift by more than chance."
    named = ", ".join(f"{leak.about} in component {leak.component}" for leak in strong)
    return f"More than chance: {named}."


def _advice(verdict: Verdict, halves: HalvesVerdict | None, leaks: Sequence[Leak]) -> list[str]:
    advice = {
        MOVES: "Interpret the motion where Gaussians are marked as moving (gaussians.csv).",
        UNSURE: "Interpret only Gaussians marked as moving; more particles, a coarser --resolution "
        "or a decoder with fewer degrees of freedom (rigid, hierarchical) may show more.",
        NOISE: "Do not interpret the motion. Try a coarser --resolution, --bonds with a fitted "
        "model, or rigid bodies; check that the mixture fits the map.",
        UNTESTED: "Add the checks 'halves' and 'null' to learn whether the motion is real.",
    }
    found = [advice[verdict.overall]]
    if halves is not None and halves.motion.together < 0.5 * halves.within.together:
        found.append(
            "The half sets agree much less than two halves of an image within one analysis: the "
            "decoders differ; more particles or fewer latent dimensions may help."
        )
    if any(leak.significant and leak.about in ("defocus", "astigmatism") for leak in leaks):
        found.append("Latents depend on defocus: check the CTF and the amplitudes of the mixture.")
    if any(leak.significant and leak.about == "shift" for leak in leaks):
        found.append(
            "Latents depend on the shift: the mixture may be off-centre against the images."
        )
    found.append(
        "The mixture was built from the map of all particles: the half sets share it, and with it "
        "any bias that it has."
    )
    return found


def _two(value: float) -> str:
    return f"{value:.2f}"
