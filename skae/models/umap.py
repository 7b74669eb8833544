"""UMAP's objective as an autoencoder: an encoder trained on a graph of neighbors, and a decoder."""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from ..losses import Target, weighted_mean
from ..networks.blocks import LinearSkip, zero_init_last_layer
from ..networks.generators import uniform
from .autoencoder import AutoencoderNetwork

# Neighbors drawn for each row of a batch, which the encoder sees as well. One, two and three were
# equally good for the same number of rows encoded, and one makes the fewest epochs.
NEIGHBORS_PER_ROW = 1
# Layouts of UMAP span some ten units, and layers are made for codes of about unit variance.
_CODE_UNIT = 3.0
# Repulsion is averaged over up to this many codes of the batch: 5 a row, as UMAP draws them, make
# gradients so noisy that k-NN accuracy falls by 0.05 on MNIST.
_MAX_REPELLING_CODES = 1024
# Squared distances at which repulsion stops rising, as in umap-learn, and where powers have slopes.
_MIN_REPULSION, _MIN_SQUARED_DISTANCE = 1e-3, 1e-8


class NeighborGraph:
    """Weighted edges between the rows of a training set, and random neighbors by their weight.

    Parameters
    ----------
    edges : csr_matrix of shape (n_samples, n_samples)
        Weights, symmetric and not negative.
    """

    def __init__(self, edges):
        self.first = torch.from_numpy(edges.indptr[:-1].astype("int64"))
        self.last = torch.from_numpy(edges.indptr[1:].astype("int64")) - 1
        # A zero more at the end: a graph may have no edges at all.
        indices, weights = (np.append(values, 0) for values in (edges.indices, edges.data))
        self.neighbors = torch.from_numpy(indices.astype("int64"))
        # In float64: sums over millions of edges differ by single weights.
        self.cumulative = torch.from_numpy(weights.astype("float64")).cumsum(0)

    def draw(self, rows, device):
        """Return neighbors of each row, drawn with replacement in proportion to the weights.

        Parameters
        ----------
        rows : Tensor of shape (n_samples,)
            Indices, on the host.
        device : torch.device
            Of the generator that is in use.

        Returns
        -------
        Tensor of shape (n_samples * NEIGHBORS_PER_ROW,)
            Indices, on the host. A row without edges is its own neighbor.
        """
        first, last = self.first[rows], self.last[rows]
        end = self.cumulative[last.clamp(min=0)]
        start = torch.where(first > 0, self.cumulative[(first - 1).clamp(min=0)], 0.0)
        # (n_samples, NEIGHBORS_PER_ROW)
        draws = uniform(len(rows) * NEIGHBORS_PER_ROW, device).cpu().double().view(len(rows), -1)
        wanted = start[:, None] + draws * (end - start)[:, None]
        edges = torch.searchsorted(self.cumulative, wanted, right=True)
        # Rounding may lead to the next row.
        drawn = self.neighbors[torch.clamp(edges, first[:, None], last[:, None])]
        return torch.where((first <= last)[:, None], drawn, rows[:, None]).flatten()


class MapLabels:
    """What `Target.labels` hold for each row, one column after the other."""

    INDEX, EDGE_WEIGHT, LAYOUT = 0, 1, slice(2, None)


class UMAPNetwork(AutoencoderNetwork):
    """An encoder whose codes have the neighbors that a graph has, and a decoder.

    A batch holds rows, and after them the neighbors that were drawn for them (see
    `NeighborGraph`). Neighbors attract each other, and all codes of a batch repel those of the
    rows: together this is UMAP's cross-entropy, with the expected negative samples in place of
    drawn ones. In the first epochs this replaces another loss by and by, that of a layout which the
    graph's spectrum gives.

    Inputs are moved by differences between other neighbors: held-out rows lie about that far from
    rows of the training set, in these directions. Without it the training rows form clusters in
    whose surroundings held-out rows fall apart.

    Parameters
    ----------
    encoder, decoder : Module
    standardization : Standardization
    curve : tuple of float
        a and b of 1 / (1 + a d^(2 b)), the similarity of codes at distance d.
    negative_sample_rate : float
        Weight of the repulsion, in repelling codes for each attracting one.
    reconstruction_weight : float
        What the encoder gets of the reconstruction's gradient. The decoder gets all of it.
    zero_init_decoder : bool, default=False
        Whether all codes are decoded to the mean before training.

    References
    ----------
    McInnes, Healy and Melville (2018). UMAP: Uniform manifold approximation and projection for
    dimension reduction. arXiv:1802.03426.

    Sainburg, McInnes and Gentner (2021). Parametric UMAP embeddings for representation and
    semisupervised learning. Neural Computation 33(11).
    """

    needs_labels = True

    def __init__(
        self,
        encoder,
        decoder,
        standardization,
        *,
        curve,
        negative_sample_rate,
        reconstruction_weight,
        zero_init_decoder=False,
    ):
        super().__init__(encoder, decoder, standardization)
        self.zero_init_decoder = zero_init_decoder
        self.curve = curve
        self.negative_sample_rate = negative_sample_rate
        self.reconstruction_weight = reconstruction_weight
        self.graph_weight = 1.0

    def _code(self, rows):
        return _CODE_UNIT * super()._code(rows)

    def _decoded(self, code):
        return super()._decoded(code / _CODE_UNIT)

    def start(self, sample, seed):
        """Start decoding to the mean; the first epochs learn a layout."""
        decoder = self.decoder
        parts = [decoder]
        if isinstance(decoder, LinearSkip):
            parts = [decoder.linear, decoder.nonlinear]
        for part in parts if self.zero_init_decoder else []:
            *_, last = part.modules()
            # Behind an activation zeros would stay zeros.
            if isinstance(last, nn.Linear):
                zero_init_last_layer(part)

    # -- training --------------------------------------------------------------------------

    def begin_epoch(self, n_finished):
        # Rising, not set: after a sudden change Adam's steps are far too long for a while.
        self.graph_weight = min(n_finished / self.n_warmup, 1.0) if self.n_warmup else 1.0

    def training_loss(self, inputs, target, criterion):
        """Return the loss of the map plus that of the reconstruction, and both parts."""
        n_rows = len(inputs) // (1 + NEIGHBORS_PER_ROW)
        code = self._code(self._moved(inputs, n_rows) if self.training else inputs)
        # Validation has the same loss in all epochs.
        weight = self.graph_weight if self.training else 1.0
        loss = weight * self._graph_loss(code, target, n_rows)
        if weight < 1:
            loss = loss + (1 - weight) * self._layout_loss(code, target)
        own = Target(*(None if part is None else part[:n_rows] for part in target))
        # The value of the code, with a fraction of its gradient.
        fixed = code[:n_rows].detach()
        decoded = fixed + self.reconstruction_weight * (code[:n_rows] - fixed)
        reconstruction = self.reconstruction_loss(decoded, own, criterion)
        parts = {"map": loss.detach(), "reconstruction": reconstruction.detach()}
        return loss + reconstruction, parts

    def _moved(self, inputs, n_rows):
        """Add to each row the difference between two neighbors of the batch, times a number."""
        neighbors = inputs[n_rows:].view(n_rows, NEIGHBORS_PER_ROW, -1)
        differences = (neighbors - inputs[:n_rows, None]).flatten(0, 1)
        draws = uniform(2 * len(inputs), inputs.device)
        chosen = (draws[: len(inputs)] * len(differences)).long().clamp(max=len(differences) - 1)
        return inputs + draws[len(inputs) :, None] * differences[chosen]

    def _layout_loss(self, code, target):
        wanted = target.labels[:, MapLabels.LAYOUT].to(code.dtype)
        distances = F.mse_loss(code / _CODE_UNIT, wanted / _CODE_UNIT, reduction="none")
        return weighted_mean(distances.mean(dim=1), target.weights)

    def _graph_loss(self, code, target, n_rows):
        """Return UMAP's cross-entropy per edge, for the edges of the first ``n_rows`` codes."""
        rows = code[:n_rows]
        # (n_rows, NEIGHBORS_PER_ROW)
        neighbors = code[n_rows:].view(n_rows, NEIGHBORS_PER_ROW, -1)
        attraction = torch.log1p(self._scaled((rows[:, None] - neighbors).square().sum(2)))
        # -log(1 - 1 / (1 + s)) = log(1 + 1 / s), (n_rows, n_others)
        step = math.ceil(len(code) / _MAX_REPELLING_CODES)
        others = torch.arange(0, len(code), step, device=code.device)
        distances = _squared_distances(rows, code[others])
        repulsion = torch.log1p(1 / (self._scaled(distances) + _MIN_REPULSION))
        # No code repels itself.
        repulsion = repulsion * (others != torch.arange(n_rows, device=code.device)[:, None])
        losses = attraction.mean(dim=1) + self.negative_sample_rate * repulsion.mean(dim=1)
        losses = losses * target.labels[:n_rows, MapLabels.EDGE_WEIGHT].to(losses.dtype)
        return weighted_mean(losses, None if target.weights is None else target.weights[:n_rows])

    def _scaled(self, squared_distances):
        """Return s of the similarity 1 / (1 + s)."""
        a, b = self.curve
        return a * (squared_distances + _MIN_SQUARED_DISTANCE) ** b


def _squared_distances(first, second):
    """Return the squared distance of each code from each: (n_first, n_second)."""
    squares = first.square().sum(1)[:, None] + second.square().sum(1)
    return (squares - 2 * first @ second.T).clamp(min=0)
