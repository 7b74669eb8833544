"""Measurements against bare PyTorch and peers; ``python -m benchmarks`` runs them all."""
