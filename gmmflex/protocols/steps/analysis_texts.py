"""The summary and the methods text of a finished analysis."""

from gmmflex.results.coordination_verdict import NO_MOTION, verdict


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" and {names[-1]}"


def summary_lines(summary: dict, what: str) -> list[str]:
    """Lines below "Summary" in the project's window.

    summary: the run's summary.json; what: may change of the Gaussians, in words.
    """
    lines = [f"*{_counted(summary)}* in a latent space of *{summary['latent_dim']} dimensions*."]
    lines.append(f"{summary['gaussians']} Gaussians; free to change: {what}.")
    scores = [summary.get(name) for name in ("test_score_neutral", "test_score")]
    if None not in scores:
        lines.append(
            "Agreement with images held out (weighted FRC): "
            f"{scores[0]:.3f} for the mixture at rest, *{scores[1]:.3f}* after training."
        )
    # none was counted where no epoch was better than the start
    deviation = (summary.get("bonds") or {}).get("deviation_A")
    if deviation is not None:
        lines.append(f"Neighbouring Cα and P keep their distance to *{deviation:.2f} Å* RMS.")
    lines += [_body_line(body) for body in summary.get("bodies", ())]
    lines += [_coordination_line(pair) for pair in summary.get("coordination", ())]
    if summary.get("epochs"):
        lines.append(f"{summary['epochs']} epochs in {summary.get('seconds', 0):.0f} s.")
    return lines


def methods_text(summary: dict, what: str) -> str:
    """A sentence for a paper; what: might change of the Gaussians, in words."""
    return (
        f"The heterogeneity of {_counted(summary)} was analysed with a Gaussian mixture of "
        f"{summary['gaussians']} Gaussians and a latent space of {summary['latent_dim']} "
        f"dimensions; free to change were {what} [Chen2021, Chen2023]."
    )


def _body_line(body):
    low, high = body["turn_range_deg"]
    turn = f"{low:.1f} to {high:.1f}°".replace("-", "−")
    precision, way = body["precision_angle_deg"], body["displacement_rms_A"]
    # too few particles, or too small a motion, tell none
    each = "" if precision is None else f" (each ± {precision:.1f}°)"
    return (
        f"Body *{body['name']}*: 90 % of particles turn by {turn} about its main axis{each}; its "
        f"Gaussians move by *{way:.1f} Å* RMS."
    )


def _coordination_line(pair):
    between = f"Regions {pair['first']} and {pair['second']}"
    names = ("correlation", "null_from", "null_to", "p_value")
    correlation, low, high, p = (pair[name] for name in names)
    text = verdict(correlation, low, high, p)
    if text == NO_MOTION:
        return f"{between}: {text}."
    error = pair["standard_error"]
    main = f"correlation of the main motions {correlation:.2f} ± {error:.2f}"
    return f"{between}: *{text}* ({main}; all motions: p = {p:.2g})."


def _counted(summary):
    particles, copies = summary["particles"], summary.get("copies", 1)
    if copies == 1:
        return f"{particles} particles"
    return f"{particles * copies} symmetric copies ({summary['symmetry']}) of {particles} particles"
