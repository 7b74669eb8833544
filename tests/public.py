"""The public names of skae."""

import skae
from skae import (
    architectures,
    datasets,
    export,
    inspection,
    losses,
    metrics,
    model_selection,
    noises,
    plotting,
    sources,
)

_MODULES = (
    skae,
    architectures,
    datasets,
    export,
    inspection,
    losses,
    metrics,
    model_selection,
    noises,
    plotting,
    sources,
)
PUBLIC = {
    f"{module.__name__}.{name}": getattr(module, name)
    for module in _MODULES
    for name in module.__all__
    if callable(getattr(module, name))
}
