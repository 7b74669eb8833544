"""Scorers that are functions, and take weights of rows by scikit-learn's metadata routing."""

from collections.abc import Callable
from typing import Any, TypeVar

from sklearn.utils.metadata_routing import MetadataRequest

Scorer = TypeVar("Scorer", bound=Callable[..., float])


class RequestingScorer:
    """A scorer that says which metadata it wants.

    Parameters
    ----------
    function : callable
        Gets an estimator, X, y and what it asks for.
    requests : dict of str to bool, str or None
        What is said of each name, as in `set_score_request`.
    """

    def __init__(self, function: Callable[..., float], requests: dict[str, Any]) -> None:
        self.function = function
        self.requests = requests

    def __call__(self, estimator: Any, X: Any, y: object = None, **metadata: Any) -> float:
        return self.function(estimator, X, y, **metadata)

    def __repr__(self) -> str:
        requests = ", ".join(f"{name}={value!r}" for name, value in self.requests.items())
        return f"{self.function.__name__}.set_score_request({requests})"

    def set_score_request(self, *, sample_weight: bool | str | None) -> "RequestingScorer":
        """Return a scorer that asks for weights, or does not; scorers themselves never change."""
        return RequestingScorer(self.function, {"sample_weight": sample_weight})

    def get_metadata_routing(self) -> MetadataRequest:
        """Return what is asked for, in scikit-learn's form."""
        request = MetadataRequest(owner=self)
        for name, value in self.requests.items():
            request.score.add_request(param=name, alias=value)
        return request

    def _accept_sample_weight(self) -> bool:
        # Asked by searches without metadata routing, which hand on the weights of their fit.
        return True


def takes_weights(function: Scorer) -> Scorer:
    """Give a function the methods by which scikit-learn hands weights to its own scorers."""
    # None: weights that are given are an error with routing, until they are asked for or declined.
    scorer = RequestingScorer(function, {"sample_weight": None})
    for name in ("set_score_request", "get_metadata_routing", "_accept_sample_weight"):
        function.__dict__[name] = getattr(scorer, name)
    return function
