"""The command ``skae``: compare reducers, embed rows and find outliers in files."""

from ._main import main

__all__ = ["main"]
