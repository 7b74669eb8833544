"""What the components of a latent code mean: sensitivities, activity, disentanglement.

Nothing here knows a model: fitted reducers are asked by their public methods.
"""

from ._components import component_activity, component_importances
from ._disentanglement import disentanglement

__all__ = ["component_activity", "component_importances", "disentanglement"]
