"""Real seasonal series that packages ship, read from their files without importing the packages."""

import ast
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

# Steps at most, the last ones: two months of half hours, a third of a year of hours.
_MAX_STEPS = 3000


def csv(column, date=0, **options):
    """Return a reader of a column of numbers, with the dates in another."""

    def read(path):
        return pd.read_csv(path, index_col=date, **options)[column].to_numpy(float)

    return read


def monthly_table(path):
    """Return a table with a row for each year and a column for each month as one series."""
    return pd.read_csv(path, index_col=0).to_numpy(float).ravel()


def monthly_means(path):
    """Return the monthly means of weekly values of which some are missing."""
    frame = pd.read_csv(path, dtype={"date": str})
    series = pd.Series(frame["co2"].to_numpy(float), pd.to_datetime(frame["date"]))
    return series.resample("MS").mean().interpolate().to_numpy()


def literal(path):
    """Return the first list of numbers in a source file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.List) and len(node.elts) > 30:
            numbers = [each for each in node.elts if isinstance(each, ast.Constant)]
            return np.array([each.value for each in numbers], dtype=float)
    raise ValueError(f"{path} must hold a list of numbers, got none.")


# By name: package, file in it, reader, and the period in steps.
FILES = {
    "CO2, monthly": ("statsmodels", "datasets/co2/co2.csv", monthly_means, 12),
    "sea surface, monthly": ("statsmodels", "datasets/elnino/elnino.csv", monthly_table, 12),
    "equipment, monthly": (
        "statsmodels",
        "datasets/elec_equip/elec_equip.csv",
        csv("STS.M.I7.W.TOVT.NS0016.4.000", "DATE"),
        12,
    ),
    "sunspots, yearly": (
        "statsmodels",
        "datasets/sunspots/sunspots.csv",
        csv("SUNACTIVITY", "YEAR"),
        11,
    ),
    "air passengers, monthly": ("pmdarima", "datasets/airpassengers.py", literal, 12),
    "beer, quarterly": ("pmdarima", "datasets/ausbeer.py", literal, 4),
    "wine, monthly": ("pmdarima", "datasets/wineind.py", literal, 12),
    "wool, quarterly": ("pmdarima", "datasets/woolyrnq.py", literal, 4),
    "electricity, half-hourly": ("pmdarima", "datasets/taylor.py", literal, 48),
    "prescriptions, monthly": (
        "sktime",
        "datasets/data/PBS_dataset/PBS_dataset.csv",
        csv("Scripts"),
        12,
    ),
    "road casualties, monthly": (
        "sktime",
        "datasets/data/seatbelts/seatbelts.csv",
        csv("KSI"),
        12,
    ),
    "solar power, half-hourly": (
        "sktime",
        "datasets/data/solar/solar.csv",
        csv("solar_gen"),
        48,
    ),
    "temperature, hourly": ("vega_datasets", "_data/seattle-temps.csv", csv("temp", "date"), 24),
}


def seasonal_series():
    """Yield the name, the values and the period of each series whose package is installed."""
    for name, (package, file, read, period) in FILES.items():
        spec = find_spec(package)
        if spec is None:
            print(f"{package} is not installed; its series, {name}, is left out.\n")
            continue
        values = read(Path(spec.submodule_search_locations[0], file))
        values = values[~np.isnan(values)]
        yield name, values[-_MAX_STEPS:], period
