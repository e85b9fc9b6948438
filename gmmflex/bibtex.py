"""
@article{Chen2021,
    title = {Deep learning-based mixed-dimensional Gaussian mixture model for characterizing variability in cryo-EM},
    author = {Chen, Muyuan and Ludtke, Steven J.},
    journal = {Nature Methods},
    volume = {18},
    number = {8},
    pages = {930--936},
    year = {2021},
    doi = {10.1038/s41592-021-01220-5},
    url = {https://doi.org/10.1038/s41592-021-01220-5}
}

@article{Chen2023,
    title = {Integrating molecular models into CryoEM heterogeneity analysis using scalable high-resolution deep Gaussian mixture models},
    author = {Chen, Muyuan and Toader, Bogdan and Lederman, Roy},
    journal = {Journal of Molecular Biology},
    volume = {435},
    number = {9},
    pages = {168014},
    year = {2023},
    doi = {10.1016/j.jmb.2023.168014},
    url = {https://doi.org/10.1016/j.jmb.2023.168014}
}
"""
