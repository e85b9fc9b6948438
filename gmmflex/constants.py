"""Names that the protocols, viewers and other plugins share."""

PROGRAM_NAME = "GMMFlex"
"""Value of `FlexInfo.getProgName()` on everything this plugin makes."""

# Variables of Scipion's configuration
ENV_ACTIVATION = "GMMFLEX_ENV_ACTIVATION"
HOME = "GMMFLEX_HOME"

# Files of the run folders that the engine writes (the contract of the commands)
NEUTRAL_MODEL_FILE = "neutral.cif"
NEUTRAL_MAP_FILE = "neutral.mrc"
NEUTRAL_FSC_FILE = "frc.csv"
LATENTS_STAR_FILE = "latents.star"
LATENTS_ARRAY_FILE = "latents.npy"
WEIGHTS_FILE = "weights.safetensors"
METRICS_FILE = "metrics.csv"
SUMMARY_FILE = "summary.json"
MOTION_FILE = "motion.npz"
BODY_MOTIONS_FILE = "body_motions.csv"
COORDINATION_FILE = "coordination.csv"
COORDINATION_PICTURE = "coordination.png"
MORPH_FILE = "morph.cif"
MOVIE_FILE = "movie.gif"
MOVIE_PICTURE = "movie.png"
MOVIE_SCRIPT = "movie.cxc"
CLUSTERS_FILE = "clusters.npy"
STATES_FILE = "states.csv"
CHANGES_FILE = "changes.csv"
CHANGES_PICTURE = "changes.png"
REPORT_FILE = "report.html"
GAUSSIANS_FILE = "gaussians.csv"
REFINED_STAR_FILE = "particles.star"
DISPLACEMENTS_FILE = "displacements.csv"
ATOM_DISPLACEMENTS_FILE = "displacements_by_atom.csv"
CHAIN_DISPLACEMENTS_FILE = "displacements_by_chain.csv"

# Labels of the star files
LATENT_LABEL = "gmmflexLatent"
JUNK_LABEL = "gmmflexJunkProbability"
SYMMETRY_COPY_LABEL = "gmmflexSymmetryCopy"
PARTICLE_ID_LABEL = "gmmflexParticleId"
IMAGE_ID_LABEL = "rlnImageId"
OPTICS_GROUP_ATTRIBUTE = "_rlnOpticsGroup"
HALF_SET_ATTRIBUTE = "_rlnRandomSubset"

# Attributes of the symmetric copies of a particle
PARTICLE_ID_ATTRIBUTE = "_gmmflexParticleId"
SYMMETRY_COPY_ATTRIBUTE = "_gmmflexSymmetryCopy"
# Attribute of every particle of an analysis
JUNK_ATTRIBUTE = "_gmmflexJunkProbability"
