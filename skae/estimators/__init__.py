"""The estimators: everything that has ``fit``."""
