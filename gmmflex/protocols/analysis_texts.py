"""What an analysis says about itself when it has finished."""


def listed(names: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" and {names[-1]}"


def summary_lines(summary: dict, particles: int | None, what: str) -> list[str]:
    """Lines below "Summary" in the project's window.

    summary: the run's summary.json; what: may change of the Gaussians, in words.
    """
    size = "" if particles is None else f"*{particles} particles* in "
    lines = [f"{size}a latent space of *{summary['latent_dim']} dimensions*."]
    lines.append(f"{summary['gaussians']} Gaussians; free to change: {what}.")
    scores = [summary.get(name) for name in ("test_score_neutral", "test_score")]
    if None not in scores:
        lines.append(
            "Agreement with images held out (weighted FRC): "
            f"{scores[0]:.3f} for the mixture at rest, *{scores[1]:.3f}* after training."
        )
    if summary.get("epochs"):
        lines.append(f"{summary['epochs']} epochs in {summary.get('seconds', 0):.0f} s.")
    return lines


def methods_text(summary: dict, particles: int, what: str) -> str:
    """A sentence for a paper; what: might change of the Gaussians, in words."""
    return (
        f"The heterogeneity of {particles} particles was analysed with a Gaussian mixture of "
        f"{summary['gaussians']} Gaussians and a latent space of {summary['latent_dim']} "
        f"dimensions; free to change were {what} [Chen2021, Chen2023]."
    )
