"""A client of Dask whose data outlive the workers that hold them."""

from typing import Any

from .._utils import import_optional


class ResilientClient:
    """Client of Dask through which searches survive workers that die.

    joblib scatters the rows and the indices of folds to workers. Dask cannot compute scattered data
    again: where a worker dies, fits that need data which no other worker holds are canceled, and
    the search ends with them. This client sends data as the result of a task, which another worker
    repeats. A dead worker then costs no more than the fits that it was computing.

    Parameters
    ----------
    client : distributed.Client, default=None
        The client that does the work. If None, the current one.

    Raises
    ------
    ImportError
        If distributed is not installed: ``pip install 'skae[dask]'``.
    TypeError
        If something else is given, such as an address or a cluster.
    ValueError
        If no client is given and there is none.

    See Also
    --------
    joblib.parallel_config : Where the client is passed.

    Notes
    -----
    The scheduler keeps the data while the search needs them, and workers get them from it or from
    each other. A fit during which four workers in turn have died, say for want of memory, is an
    error of distributed, ``KilledWorker``: its setting ``distributed.scheduler.allowed-failures``.

    Examples
    --------
    >>> import joblib
    >>> from distributed import Client
    >>> from sklearn.datasets import load_digits
    >>> from sklearn.model_selection import GridSearchCV
    >>> from skae import Autoencoder
    >>> from skae.model_selection import ResilientClient
    >>> X, _ = load_digits(return_X_y=True)
    >>> autoencoder = Autoencoder(max_iter=1, random_state=0)
    >>> search = GridSearchCV(autoencoder, {"n_components": [2, 4]}, cv=2)
    >>> client = Client(processes=False, n_workers=2, dashboard_address=None)
    >>> with client, joblib.parallel_config("dask", client=ResilientClient(client)):
    ...     search = search.fit(X[:300])
    >>> search.best_params_
    {'n_components': 4}
    """

    def __init__(self, client: Any = None) -> None:
        distributed = import_optional("distributed", "dask")
        client = distributed.get_client() if client is None else client
        if not isinstance(client, distributed.Client):
            raise TypeError(
                f"client must be a distributed.Client, got {type(client).__name__}: connect one "
                "first, by distributed.Client(address_or_cluster)."
            )
        self._client = client

    def scatter(self, data: Any, *, asynchronous: bool = False, **options: Any) -> Any:
        """Send data to the cluster.

        Parameters
        ----------
        data : list or object
            The data; of a list, each entry by itself.
        asynchronous : bool, default=False
            Whether to return an awaitable.
        **options : object
            Other options of `distributed.Client.scatter`, which say to which workers data go. They
            have no meaning here: workers fetch what they need.

        Returns
        -------
        futures : Future, list of Future, or an awaitable of them
            As of `distributed.Client.scatter`.
        """
        sent = [self._sent(each) for each in data] if isinstance(data, list) else self._sent(data)
        return _awaitable(sent) if asynchronous else sent

    def _sent(self, data: Any) -> Any:
        config = import_optional("dask.config", "dask")
        # distributed warns of data in a task, and advises to scatter them.
        with config.set({"distributed.admin.large-graph-warning-threshold": "1 PiB"}):
            # Not pure: the name of data would be a hash of them all.
            return self._client.submit(_same, data, pure=False)

    def __getattr__(self, name: str) -> Any:
        # All else is the client's. Before `__init__`, as in a copy, there is none.
        return getattr(vars(self).get("_client"), name)


def _same(data: Any) -> Any:
    return data


async def _awaitable(result: Any) -> Any:
    return result
