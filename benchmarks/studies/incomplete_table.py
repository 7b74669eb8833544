"""What was the value that nobody wrote down?

A fifth of the values of a table are removed at random: numbers, a word and a truth value of Italian
wines. An autoencoder of tables takes the frame as it is, fills what is missing and leaves every
other value alone. Beside it stand the means and the most frequent values, and scikit-learn's
nearest neighbours on numbers made by hand.

    python -m benchmarks.studies.incomplete_table
"""

import argparse

import numpy as np
import pandas as pd
from sklearn.datasets import load_wine
from sklearn.impute import KNNImputer
from sklearn.preprocessing import StandardScaler

from skae import TableAutoencoder

CULTIVARS = {0: "Barolo", 1: "Grignolino", 2: "Barbera"}
# Fraction of the values that is removed.
REMOVED = 0.2


def parse_arguments(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--random-state", type=int, default=0, help="seed of all chance")
    return parser.parse_args(argv)


def make_table():
    """Return the wines with the cultivar as a word, and whether they are strong."""
    data = load_wine(as_frame=True)
    return data.data.assign(
        cultivar=data.target.map(CULTIVARS).astype(object), strong=data.data["alcohol"] > 13
    )


def by_means(table):
    """Fill numbers by means, and all else by the most frequent value."""
    numbers = table.select_dtypes("number")
    others = table.drop(columns=numbers.columns)
    return table.fillna(numbers.mean()).fillna(others.mode().iloc[0])


def by_neighbours(table):
    """Fill by the nearest rows: indicators by hand, and back."""
    numbers = table.select_dtypes("number").columns
    others = [name for name in table if name not in numbers]
    indicators = pd.get_dummies(table[others], dtype=float)
    for name in others:
        of_name = [column for column in indicators if column.startswith(f"{name}_")]
        indicators.loc[table[name].isna(), of_name] = np.nan
    scaler = StandardScaler().fit(table[numbers])
    rows = np.hstack([scaler.transform(table[numbers]), indicators])
    filled = KNNImputer().fit_transform(rows)
    done = table.copy()
    done[numbers] = scaler.inverse_transform(filled[:, : len(numbers)])
    made = pd.DataFrame(filled[:, len(numbers) :], columns=indicators.columns)
    for name in others:
        scores = made[[column for column in made if column.startswith(f"{name}_")]]
        best = scores.idxmax(axis=1).str.removeprefix(f"{name}_")
        done[name] = table[name].astype(object).where(table[name].notna(), best)
    return done


def by_autoencoder(table, random_state=0):
    """Fill by what the codes of the rows decode to."""
    return TableAutoencoder(random_state=random_state).fit(table).impute(table)


def compare(random_state=0):
    """Return the errors of each method: of numbers in standard deviations, and of words."""
    table = make_table()
    removed = np.random.default_rng(random_state).random(table.shape) < REMOVED
    removed = pd.DataFrame(removed, columns=table.columns)
    lost = table.astype({"strong": object}).mask(removed)
    numbers = table.select_dtypes("number").columns
    errors = {}
    for name, fill in (
        ("means and modes", by_means),
        ("nearest neighbours", by_neighbours),
        ("autoencoder", lambda X: by_autoencoder(X, random_state)),
    ):
        filled = fill(lost)
        squares = ((filled[numbers].astype(float) - table[numbers]) / table[numbers].std()) ** 2
        is_wrong = filled["cultivar"] != table["cultivar"]
        errors[name] = {
            "numbers": float(np.sqrt(squares.where(removed[numbers]).stack().mean())),
            "cultivar": float(is_wrong[removed["cultivar"]].mean()),
        }
    return pd.DataFrame(errors).T


def measure(quick=False):
    """Yield what, reached and asked; a quick run is no other."""
    for method, errors in compare().iterrows():
        asked = "< the others'" if method == "autoencoder" else ""
        yield f"error of numbers in standard deviations, {method}", errors["numbers"], ""
        yield f"fraction of wrong cultivars, {method}", errors["cultivar"], asked


def main(argv=None):
    arguments = parse_arguments(argv)
    print(compare(arguments.random_state).round(3).to_string())


if __name__ == "__main__":
    main()
