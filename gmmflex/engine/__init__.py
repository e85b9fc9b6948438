"""The engine half: PyTorch code that never imports pyworkflow or pwem.

One folder for each idea, on floors: imports only go down, and folders of one floor do not know each
other (held by import-linter, see pyproject.toml). From top to bottom:

    cli | api       one function for each command | what `import gmmflex` offers notebooks
    stages          what each command does, a folder for each: neutral, heterogeneity, landscape ...
    latents         questions to a cloud of latents: clusters, density, paths, trajectories, rings
    motion          what moves and how far: modes, rigid bodies, coordination, models carried along
    training        the training loop, its step, the start of the networks, checkpoints
    runs            a finished run as objects: settings, particles, arrays, results
    parts           neutral mixture, bodies, regions and symmetry copies of a run
    reconstruction  maps and half maps from particles
    agreement       do particles, poses, CTF and map fit together, and what is wrong if not
    fitting         latents and poses fitted to single particles
    data            particles as rows: images, encoder inputs, scores, read ahead
    nets            encoder and decoders
    machine         where a computation runs: device, processes, memory, progress
    model           pure functions on tensors: mixture < geometry < images < volumes < inference
    io              readers and writers of files (particles, maps, models, star, runs); no torch
    settings        options of each stage with bounds and defaults, as pydantic models; no torch

motion | training, parts | reconstruction | agreement | fitting, nets | machine and io | settings
are one floor each. Where to begin: `stages/NAME/stage.py` has the one public function of a command.
"""
