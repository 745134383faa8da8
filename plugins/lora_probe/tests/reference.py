"""Probes on a small table with scikit-learn: writes reference.json beside this file.

The table is a formula, so that it holds no random numbers of another program: 40 answers of 6 tokens with 4 scalars. The
splits are scikit-learn's and are written too, so that the test fits exactly these rows.
"""

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupShuffleSplit, StratifiedShuffleSplit
from sklearn.preprocessing import StandardScaler

ANSWERS, TOKENS, SCALARS = 40, 6, 4

rows = [
    [
        ((i * i * 7 + t * 13 + i * j * 5 + t * j * j * 3 + j * 29) % 61 - 30) / 32 + (i % 2) * [0.9, 0.0, -0.5, 0.2][j]
        for j in range(SCALARS)
    ]
    for i in range(ANSWERS)
    for t in range(TOKENS)
]
x = np.array(rows)
answer = np.repeat(np.arange(ANSWERS), TOKENS)
labels = answer % 2 == 1

splitters = [
    ("token", StratifiedShuffleSplit(n_splits=4, test_size=0.2, random_state=0).split(x, labels)),
    ("group", GroupShuffleSplit(n_splits=4, test_size=0.2, random_state=0).split(x, labels, answer)),
]
fits = []
for name, splits in splitters:
    for train, test in splits:
        for c in (0.01, 0.1, 1.0):
            scaler = StandardScaler().fit(x[train])
            model = LogisticRegression(
                l1_ratio=1, C=c, solver="liblinear", tol=1e-11, max_iter=1_000_000, random_state=0
            ).fit(scaler.transform(x[train]), labels[train])
            fits.append({
                "split": name,
                "c": c,
                "train": train.tolist(),
                "test": test.tolist(),
                "accuracy": model.score(scaler.transform(x[test]), labels[test]),
                "coefficients": model.coef_[0].tolist(),
                "intercept": float(model.intercept_[0]),
            })

path = Path(__file__).with_name("reference.json")
path.write_text(json.dumps({"x": x.tolist(), "labels": labels.tolist(), "fits": fits}) + "\n")
