"""One family of networks a file: the network, its training loss, its start from the data."""

from .autoencoder import AutoencoderNetwork, Network

__all__ = ["AutoencoderNetwork", "Network"]
