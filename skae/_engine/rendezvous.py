"""How the processes of a launcher find each other: those that run now, and no earlier ones.

The store of a launcher outlives its processes. Where it starts them anew, addresses of those that
have died are still in it, under the names that a count of groups would give.
"""

import json
import secrets
import time

_POLL_SECONDS = 0.005


def meet(store, rank, n, timeout):
    """Return a new name that all processes agree on.

    Parameters
    ----------
    store : torch.distributed.Store
    rank, n : int
        Which process this is, of how many.
    timeout : timedelta

    Returns
    -------
    name : str

    Raises
    ------
    RuntimeError
        If a process does not come in time.
    """
    own, deadline = secrets.token_hex(8), time.monotonic() + timeout.total_seconds()
    store.set(_signature(rank), own)
    attempts = _lead(store, n) if rank == 0 else _follow(store, rank, own)
    for name in attempts:
        if name is not None:
            return name
        if time.monotonic() > deadline:
            break
        time.sleep(_POLL_SECONDS)
    raise RuntimeError(f"Process {rank} of {n} has waited for others for {timeout}.")


def _signature(rank):
    return f"skae/signature/{rank}"


def _lead(store, n):
    """Call all processes by their signatures until all have answered, and yield the name then."""
    signatures, called, name = [_signature(rank) for rank in range(n)], None, None
    while True:
        if store.check(signatures):
            present = [store.get(key).decode() for key in signatures]
            # The signature of a process that has died is called in vain, and replaced by another.
            if present != called:
                called, name = present, secrets.token_hex(8)
                store.set("skae/call", json.dumps([name, *called]))
            if store.check([f"skae/{name}/{rank}" for rank in range(1, n)]):
                store.set(f"skae/{name}/begins", "")
                yield name
        yield None


def _follow(store, rank, own):
    """Answer calls that hold the own signature, and yield the name of one that all answer."""
    while True:
        if store.check(["skae/call"]):
            name, *called = json.loads(store.get("skae/call"))
            if called[rank] == own:
                store.set(f"skae/{name}/{rank}", "")
                if store.check([f"skae/{name}/begins"]):
                    yield name
        yield None
