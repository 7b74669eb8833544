"""Training and inference: the only place that knows skorch."""

from .checkpoint import open_checkpoint
from .data import (
    TrainingData,
    TrainingSet,
    center_and_scale,
    computing_dtype,
    sample_rows,
    to_float,
)
from .inference import map_rows, record_feature_maps
from .isolation import isolated_global_rng
from .noise import Corruption
from .start import (
    principal_subspace,
    start_at_least_squares,
    start_at_pca,
    start_at_probabilistic_pca,
    start_empty,
)
from .training import OPTIMIZERS, SCHEDULES, Schedule, make_net, train

__all__ = [
    "OPTIMIZERS",
    "SCHEDULES",
    "Corruption",
    "Schedule",
    "TrainingData",
    "TrainingSet",
    "center_and_scale",
    "computing_dtype",
    "isolated_global_rng",
    "make_net",
    "map_rows",
    "open_checkpoint",
    "principal_subspace",
    "record_feature_maps",
    "sample_rows",
    "start_at_least_squares",
    "start_at_pca",
    "start_at_probabilistic_pca",
    "start_empty",
    "to_float",
    "train",
]
