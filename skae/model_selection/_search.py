"""`GridSearchCV` whose fits train their networks together."""

import warnings
from typing import Any, Self

from joblib import parallel_config
from sklearn.model_selection import GridSearchCV

from ..estimators._docs import DocLinkMixin
from ._backend import TogetherBackend


class BatchedGridSearchCV(DocLinkMixin, GridSearchCV):
    """Grid search that trains the networks of candidates and folds as one.

    It has the interface and the results of `sklearn.model_selection.GridSearchCV`, to rounding.
    Fits of small networks spend their time on calls of functions, not on numbers. Here all
    candidates and folds fit at the same time, and those whose networks have the same layers are
    trained by one computation with a leading axis for the models.

    Within a stack of networks these may differ: ``learning_rate_init``, ``alpha``,
    ``noise_level``, ``beta``, ``random_state``, ``tol`` and ``n_iter_no_change``. Other values of
    layers, loss, optimizer, schedule, ``batch_size`` and ``max_iter``, and folds of another size,
    make stacks of their own.

    Fits are trained one by one, as ever, if there is none like them, or if they have
    ``callbacks``, a ``checkpoint``, ``verbose``, an optimizer, a loss, a noise or an architecture
    of the user's own code, a graph of neighbors (`ParametricUMAP`), sequences, more than 4 million
    values or, on a CPU, more than 32,768 weights. Any estimator can be searched: a Pipeline, a
    detector around an autoencoder, one without networks.

    Parameters
    ----------
    estimator : estimator object
        As for `GridSearchCV`, and so are the other parameters but one.
    param_grid : dict or list of dict
        Names of parameters and values to try.
    scoring : str, callable, list, tuple or dict, default=None
        How to judge predictions on held-out data.
    n_jobs : int, default=None
        Processes, of which each trains a part of the fits together.
    refit : bool, str or callable, default=True
        Whether to fit the best candidate to all data.
    cv : int, cross-validation generator or iterable, default=None
        Folds.
    verbose : int, default=0
        How much to print.
    pre_dispatch : int or str, default='2*n_jobs'
        Fits that run at the same time; ``n_jobs`` in it stands for 64.
    error_score : 'raise' or float, default=nan
        Score of a fit that fails.
    return_train_score : bool, default=False
        Whether to score on the training data as well.

    Attributes
    ----------
    cv_results_ : dict of str to ndarray
        As of `GridSearchCV`. The time of a fit is its own, plus its part of the training that it
        had in common with others.
    best_estimator_ : estimator
        Fitted on all data in the ordinary way.
    best_score_ : float
        Mean score of the best candidate.
    best_params_ : dict
        Parameters of the best candidate.
    best_index_ : int
        Its index in ``cv_results_``.
    scorer_ : callable or dict
        Functions that judged.
    n_splits_ : int
        Number of folds.
    refit_time_ : float
        Seconds of the fit of the best candidate.
    multimetric_ : bool
        Whether there are several scores.
    feature_names_in_ : ndarray of str
        Names of the columns of X, if it has names.

    See Also
    --------
    sklearn.model_selection.GridSearchCV : One fit after the other, or in several processes.

    Notes
    -----
    Large networks gain nothing on a CPU: their computations take the time. The guide has figures.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from skae import Autoencoder
    >>> from skae.architectures import Dense
    >>> from skae.model_selection import BatchedGridSearchCV
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(8, architecture=Dense((16,)), max_iter=5, random_state=0)
    >>> grid = {"learning_rate_init": [0.001, 0.01], "alpha": [0.0, 1.0]}
    >>> search = BatchedGridSearchCV(autoencoder, grid, cv=3).fit(X[:300])
    >>> search.cv_results_["mean_test_score"].shape
    (4,)
    >>> bool(search.best_score_ > 0.5)
    True
    """

    _doc_link_template = (
        "https://skae-dev.github.io/skae/generated/skae.model_selection.{estimator_name}.html"
    )

    def fit(self, X: Any, y: Any = None, **params: Any) -> Self:
        """Fit all candidates to all folds, and the best one to all data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,), default=None
            Target.
        **params : dict
            Passed to ``fit`` of the estimator, to the scorer and to the splitter.

        Returns
        -------
        self : object
            The fitted search.
        """
        # Filters of warnings belong to the process, and the threads of fits end in any order.
        with (
            warnings.catch_warnings(),
            parallel_config(backend=TogetherBackend(self.n_jobs)),
        ):
            fitted: Self = super().fit(X, y, **params)
        return fitted
