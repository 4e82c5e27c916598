"""Makes discriminant.json: what scikit-learn makes of a small data set, for the tests of src/judge.

    python3 -m venv venv && venv/bin/pip install numpy scikit-learn
    venv/bin/python tests/reference/discriminant.py

Made with numpy 2.4.6 and scikit-learn 1.9.1; nothing in it depends on the version.

Three groups of 24, 20 and 16 rows in twelve dimensions; the first two are business, the third is off-topic.
The constants below are those of src/judge/space.rs and src/judge/density.rs.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KernelDensity

SHRINKAGE = 4.0  # of the covariance, in examples a dimension
RIDGE = 1e-6
BANDWIDTH = 8.0  # of a kernel, squared, on the discriminant axes
COUNTS = [24, 20, 16]
DIMENSIONS = 12

random = np.random.default_rng(20240918)
# Directions differ in spread, and a few go together: a sphere would hide mistakes.
mixing = random.normal(size=(DIMENSIONS, DIMENSIONS)) * np.linspace(0.3, 1.5, DIMENSIONS)
means = random.normal(size=(3, DIMENSIONS)) * 1.2
groups = np.repeat([0, 1, 2], COUNTS)
rows = np.round(means[groups] + random.normal(size=(60, DIMENSIONS)) @ mixing.T * 0.6, 4)
questions = np.round(random.normal(size=(10, DIMENSIONS)) * 1.5, 4)


class Fixed:
    """A covariance that is known already, in the form that scikit-learn wants one."""

    def __init__(self, covariance):
        self.covariance_ = covariance

    def fit(self, _):
        return self


def discriminant(classes, covariance=None, shrinkage=None):
    """Scores of the questions, a column a class, each class as likely as any."""
    count = len(set(classes))
    lda = LinearDiscriminantAnalysis(
        solver="lsqr",
        covariance_estimator=covariance and Fixed(covariance()),
        shrinkage=shrinkage,
    )
    # Frequencies weigh the covariances of the classes; their logarithms are no part of our scores.
    lda.fit(rows, classes)
    scores = questions @ lda.coef_.T + lda.intercept_
    if count == 2:
        return scores[:, 0] - np.log(lda.priors_[1] / lda.priors_[0])
    return scores - np.log(lda.priors_)


def within(classes):
    """The mean outer product of rows around the means of their classes."""
    centred = rows - np.array([rows[classes == c].mean(axis=0) for c in classes])
    return centred.T @ centred / len(rows)


towards_sphere = SHRINKAGE * DIMENSIONS / (SHRINKAGE * DIMENSIONS + len(rows))
scores = discriminant(groups, shrinkage=towards_sphere)

# Business against off-topic: the spread is that within groups, and of groups around the mean of their side.
business = (groups < 2).astype(int)
spread = within(groups)
shrunken = (1 - towards_sphere) * spread
shrunken += (towards_sphere * np.trace(spread) / DIMENSIONS + RIDGE) * np.eye(DIMENSIONS)
plane = discriminant(business, covariance=lambda: shrunken + within(business) - spread)

# The density of kernels as wide in every direction of the measure as BANDWIDTH says.
whitening = np.linalg.cholesky(np.linalg.inv(shrunken)).T
group_means = np.array([rows[groups == g].mean(axis=0) for g in range(3)])
axes = np.linalg.qr((whitening @ (group_means[1:] - group_means[0]).T))[0]
placed, asked = rows @ whitening.T @ axes, questions @ whitening.T @ axes
kernels = [KernelDensity(bandwidth=BANDWIDTH**0.5).fit(placed[groups == g]) for g in range(3)]
constant = np.log(2 * np.pi * BANDWIDTH)  # of two axes
densities = np.stack([k.score_samples(asked) for k in kernels], axis=1) + constant

# Two numbers of business and of what is not, by Platt's smoothed truths: each row stands on both sides,
# weighted by its truth, and both sides count alike.
labels = np.repeat([1, 0], [45, 15])
evidence = random.normal(size=(60, 2)) * [6.0, 1.5] + np.where(labels == 1, 1, -1)[:, None] * [4.0, 1.0]
evidence = np.round(evidence, 4)
counts = {label: int((labels == label).sum()) for label in (0, 1)}
truth = np.where(labels == 1, (counts[1] + 1) / (counts[1] + 2), 1 / (counts[0] + 2))
each = 1.0 / np.where(labels == 1, counts[1], counts[0])
logistic = LogisticRegression(C=1e9, solver="newton-cholesky", tol=1e-12, max_iter=1000)
logistic.fit(
    np.concatenate([evidence, evidence]),
    np.concatenate([np.ones(60), np.zeros(60)]),
    sample_weight=np.concatenate([each * truth, each * (1 - truth)]),
)

document = {
    "groups": groups.tolist(),
    "rows": rows.tolist(),
    "questions": questions.tolist(),
    "scores": (scores - scores[:, :1]).tolist(),
    "business": plane.tolist(),
    "densities": densities.tolist(),
    "labels": (labels == 1).tolist(),
    "evidence": evidence.tolist(),
    "weights": logistic.coef_[0].tolist(),
    "offset": float(logistic.intercept_[0]),
}
lines = ",\n".join(f'"{key}": {json.dumps(value)}' for key, value in document.items())
Path(__file__).with_suffix(".json").write_text("{\n" + lines + "\n}\n")
