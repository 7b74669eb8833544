"""
Has a batch shifted?
====================

A detector scores single rows. :meth:`skae.ReconstructionOutlierDetector.shift_test` tests a batch
of rows as a whole: does it look like the training rows? The rows are patients with diabetes.
"""

from sklearn.datasets import load_diabetes

from skae import ReconstructionOutlierDetector

patients = load_diabetes(as_frame=True, scaled=False).data.sample(frac=1, random_state=0)
train, later = patients[:300], patients[300:]
detector = ReconstructionOutlierDetector(random_state=0).fit(train)
detector.set_threshold(false_positive_rate=0.05)

# %%
# Patients who come later, as they are, and ten years older. No age is impossible: few more rows
# are outliers.

older = later.assign(age=later["age"] + 10)
for name, batch in (("as they are", later), ("ten years older", older)):
    is_outlier = detector.predict(batch) == -1
    shift = detector.shift_test(batch)
    print(f"{name:16} {is_outlier.mean():.0%} outliers, p-value {shift.p_value:.2g}")

# %%
# The features that moved, with medians in training and in the batch.

shift.table.head(3).round(3)

# %%
# How far the distribution of each feature is from that in training.

shift.plot()

# %%
# Values that are possible one by one may no longer go together. Here total cholesterol (s1) is
# exchanged among the patients of the batch: each feature is distributed as before.

mixed = later.assign(s1=later["s1"].sample(frac=1, random_state=0).to_numpy())
shift = detector.shift_test(mixed)
print(f"exchanged: p-value {shift.p_value:.2g}, features {shift.features}")
