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

# Layouts of UMAP span some ten units, and layers are made for codes of about unit variance.
CODE_UNIT = 3.0
# Repulsion is averaged over up to this many codes of the batch: 5 a row, as UMAP draws them, make
# gradients so noisy that k-NN accuracy falls by 0.05 on MNIST. With half of the codes each pair is
# computed about once, and a fit takes an eighth less.
_MAX_REPELLING_CODES = 384
# Squared distances at which repulsion stops rising, as in umap-learn, and where powers have slopes.
_MIN_REPULSION, _MIN_SQUARED_DISTANCE = 1e-3, 1e-8
# Rows of a batch that are decoded: with all 384 the decoder takes a third of the time, and explains
# 0.01 more of the variance of MNIST.
_MAX_DECODED_ROWS = 128


class NeighborGraph:
    """Weighted edges between the rows of a training set, and random neighbors by their weight.

    One neighbor is drawn for each row of a batch. Two and three were equally good for the same
    number of rows encoded, and one makes the fewest epochs.

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
        """Return a neighbor of each row, drawn in proportion to the weights.

        Parameters
        ----------
        rows : Tensor of shape (n_samples,)
            Indices, on the host.
        device : torch.device
            Of the generator that is in use.

        Returns
        -------
        Tensor of shape (n_samples,)
            Indices, on the host. A row without edges is its own neighbor.
        """
        first, last = self.first[rows], self.last[rows]
        end = self.cumulative[last.clamp(min=0)]
        start = torch.where(first > 0, self.cumulative[(first - 1).clamp(min=0)], 0.0)
        draws = uniform(len(rows), device).cpu().double()
        edges = torch.searchsorted(self.cumulative, start + draws * (end - start), right=True)
        # Rounding may lead to the next row.
        drawn = self.neighbors[torch.clamp(edges, first, last)]
        return torch.where(first <= last, drawn, rows)


class MapLabels:
    """Columns of `Target.labels` for the rows of a map."""

    # The index keeps equal rows apart that are two nodes of the graph.
    INDEX, EDGE_WEIGHT, IS_HELD, LAYOUT = 0, 1, 2, slice(3, None)


class UMAPNetwork(AutoencoderNetwork):
    """An encoder whose codes have the neighbors that a graph has, and a decoder.

    A batch holds rows, and after them the neighbors that were drawn for them (see
    `NeighborGraph`). Neighbors attract each other, and all codes of a batch repel each other:
    together this is UMAP's cross-entropy, with the expected negative samples in place of
    drawn ones. In the first epochs this gradually replaces another loss, that of a layout which the
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
    cycle_weight : float, default=0.0
        Weight of `cycle_loss`, of as many codes as are decoded.
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
    # How much rows are held where `MapLabels.LAYOUT` has them, if they are to be held; it is set
    # for the time of training.
    landmark_weight = 0.0

    def __init__(
        self,
        encoder,
        decoder,
        standardization,
        *,
        curve,
        negative_sample_rate,
        reconstruction_weight,
        cycle_weight=0.0,
        zero_init_decoder=False,
    ):
        super().__init__(encoder, decoder, standardization, cycle_weight=cycle_weight)
        self.zero_init_decoder = zero_init_decoder
        self.curve = curve
        self.negative_sample_rate = negative_sample_rate
        self.reconstruction_weight = reconstruction_weight
        self.graph_weight = 1.0

    def _code(self, rows):
        return CODE_UNIT * super()._code(rows)

    def _decoded(self, code):
        return super()._decoded(code / CODE_UNIT)

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
        n_rows = len(inputs) // 2
        code = self._code(self._moved(inputs, n_rows) if self.training else inputs)
        # Validation has the same loss in all epochs.
        weight = self.graph_weight if self.training else 1.0
        loss = weight * self._graph_loss(code, target, n_rows)
        if weight < 1 or self.landmark_weight:
            loss = loss + self._layout_loss(code, target, weight)
        n_decoded = min(n_rows, _MAX_DECODED_ROWS) if self.training else n_rows
        code, own = code[:n_decoded], _first(target, n_decoded)
        # The value of the code, with a fraction of its gradient.
        fixed = code.detach()
        decoded = fixed + self.reconstruction_weight * (code - fixed)
        reconstruction = self.reconstruction_loss(decoded, own, criterion)
        parts = {"map": loss.detach(), "reconstruction": reconstruction.detach()}
        if self.cycle_weight:
            cycle = self.cycle_loss(code, own.weights)
            parts["cycle"] = cycle.detach()
            loss = loss + self.cycle_weight * cycle
        return loss + reconstruction, parts

    def _moved(self, inputs, n_rows):
        """Add to each row the difference between two neighbors of the batch, times a number."""
        differences = inputs[n_rows:] - inputs[:n_rows]
        draws = uniform(2 * len(inputs), inputs.device)
        chosen = (draws[: len(inputs)] * len(differences)).long().clamp(max=len(differences) - 1)
        return torch.addcmul(inputs, draws[len(inputs) :, None], differences[chosen])

    def _layout_loss(self, code, target, graph_weight):
        """Return the loss of the layout: of all rows while they learn it, of landmarks always."""
        weights = 1 - graph_weight + self.landmark_weight * target.labels[:, MapLabels.IS_HELD]
        wanted = target.labels[:, MapLabels.LAYOUT].to(code.dtype)
        distances = F.mse_loss(code / CODE_UNIT, wanted / CODE_UNIT, reduction="none")
        return weighted_mean(weights.to(code.dtype) * distances.mean(dim=1), target.weights)

    def _graph_loss(self, code, target, n_rows):
        """Return UMAP's cross-entropy per edge, for the edges of the first ``n_rows`` codes."""
        rows, neighbors = code[:n_rows], code[n_rows:]
        a, b = self.curve
        squared = (rows - neighbors).square().sum(1) + _MIN_SQUARED_DISTANCE
        attraction = torch.log1p(a * squared**b)
        # Both ends of an edge are repelled.
        step = math.ceil(len(code) / _MAX_REPELLING_CODES)
        repulsion = Repulsion.apply(code, step, a, b).view(2, n_rows).mean(0)
        losses = attraction + self.negative_sample_rate * repulsion
        losses = losses * target.labels[:n_rows, MapLabels.EDGE_WEIGHT].to(losses.dtype)
        return weighted_mean(losses, None if target.weights is None else target.weights[:n_rows])


def _first(target, n_rows):
    return Target(*(None if part is None else part[:n_rows] for part in target))


class Repulsion(torch.autograd.Function):
    """The mean of ``-log(1 - similarity)`` of each code with every ``step``-th one.

    The gradient is computed along with the value: it takes a logarithm and a power less of each
    pair, half of the time.
    """

    @staticmethod
    def forward(ctx, code, step, a, b):
        others = code[::step]
        # (n_codes, n_others)
        squared = code.square().sum(1)[:, None] + others.square().sum(1)
        squared.addmm_(code, others.T, alpha=-2).clamp_(min=_MIN_SQUARED_DISTANCE)
        scaled = squared.log().mul_(b).exp_().mul_(a)
        # -log(1 - 1 / (1 + s)) = log(1 + 1 / s)
        shifted = scaled + _MIN_REPULSION
        losses = shifted.reciprocal().log1p_()
        slopes = scaled.mul_(-b).div_(squared).div_(shifted.addcmul_(shifted, shifted))
        # No code repels itself.
        for values in (losses, slopes):
            values[::step].fill_diagonal_(0)
        ctx.step = step
        ctx.save_for_backward(code, slopes)
        return losses.mean(1)

    @staticmethod
    def backward(ctx, gradient):
        code, slopes = ctx.saved_tensors
        others = code[:: ctx.step]
        slopes = slopes * (2 / len(others) * gradient)[:, None]
        result = slopes.sum(1)[:, None] * code - slopes @ others
        result[:: ctx.step] += slopes.sum(0)[:, None] * others - slopes.T @ code
        return result, None, None, None
