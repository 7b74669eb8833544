"""Networks in plain torch: they know nothing of estimators, losses or training."""
