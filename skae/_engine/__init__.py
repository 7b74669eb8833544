"""Training and inference: the only place that knows skorch. It knows no model."""
