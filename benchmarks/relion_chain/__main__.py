"""Particles, RELION's refinement, analysis: internal motion against the truth.

    python -m benchmarks.relion_chain [--sets adk …] [--decoders bonds …] [--seeds 1 …]
        [--poses true relion] [--particles 2000] [--snr 0.1] [--start-angle 5] [--start-shift 2.5]
        [--iterations 6] [--body-iterations 1] [--validate] [--work FOLDER]

Each set is simulated with what real particles carry (`--sets adk-clean …`: without), given wrong
poses and refined by RELION in two half sets from the consensus low-passed to 30 Å, with a local
search about the wrong poses; --iterations 0 lets it go on until it converges. Then `gmmflex
neutral` and `gmmflex heterogeneity` run, each in a process of its own, on RELION's own star file
and map, as a user would start them; beside that on the true poses and the noise-free map. Prints
the table. The decoder multi-body is RELION's multi-body refinement, of its own poses, beside
`rigid`. What is finished in FOLDER is not made again. RELION: scripts/install_system_packages.sh.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.accuracy_runs import analyses
from benchmarks.relion_chain.chain import MULTI_BODY, Chain, Row, chain_row
from benchmarks.relion_chain.sets import CHAIN_SETS
from benchmarks.relion_chain.table import chain_table

POSES = ["true", "relion"]


def main() -> None:
    """Make what is not there yet; print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=list(CHAIN_SETS), default=["adk", "adk-rigid"])
    parser.add_argument(
        "--decoders", nargs="+", choices=[*analyses(), MULTI_BODY], default=["bonds"]
    )
    parser.add_argument("--poses", nargs="+", choices=POSES, default=POSES)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--particles", type=int, default=2000)
    parser.add_argument("--snr", type=float, default=0.1)
    parser.add_argument("--start-angle", type=float, default=5.0, help="degrees")
    parser.add_argument("--start-shift", type=float, default=2.5, help="Å")
    parser.add_argument("--iterations", type=int, default=6, help="of RELION at most; 0: no limit")
    parser.add_argument("--body-iterations", type=int, default=1, help="of multi-body at most")
    parser.add_argument("--validate", action="store_true", help="ask gmmflex validate too")
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks/relion_chain"))
    options = parser.parse_args()
    rows: list[Row] = []
    for seed in options.seeds:
        for name in options.sets:
            chain = Chain(
                CHAIN_SETS[name],
                options.work / f"{name}_{seed}",
                seed,
                options.particles,
                options.snr,
                options.start_angle,
                options.start_shift,
                options.iterations,
                options.body_iterations,
                options.validate,
            )
            for poses in options.poses:
                for decoder in options.decoders:
                    if decoder == MULTI_BODY and poses == "true":
                        continue
                    rows.append(chain_row(chain, poses, decoder))
                    print(chain_table(rows[-1:]), flush=True)
    print(f"\n{chain_table(rows)}")


if __name__ == "__main__":
    main()
