"""An interactive page of a latent space: points, rows, and a decoder that runs in the browser."""

from ._explore import ExplorerPage, explore

__all__ = ["ExplorerPage", "explore"]
