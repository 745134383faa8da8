"""Predictions on a small table with scikit-learn, numpy and scipy: writes reference.json beside this file.

The table is a formula, so that it holds no random numbers of another program: 60 questions on 12 topics with 8 activations,
40 training prompts for the principal components, and a target that depends on some of the activations and on the topic.
Written are the results alone; splits, scaling, penalties by inner folds and permutations are made again by the test.
"""

import json
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.linear_model import Lasso, LassoCV, LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import GroupKFold, KFold, RepeatedKFold
from sklearn.preprocessing import StandardScaler

QUESTIONS, TOPICS, WIDTH, TRAIN = 60, 12, 8, 40
SPLITS, REPEATS, SEED, INNER, DRAWS, PERMUTED_REPEATS = 5, 3, 42, 4, 50, 2
ALPHAS = [0.1, 0.3, 1.0, 3.0, 10.0]
RIDGE_ALPHAS = [0.1, 1.0, 10.0, 100.0]


def wave(i, j, k):
    return ((i * i * 7 + i * j * 13 + j * j * 5 + k * 17 + j * 29) % 61 - 30) / 16


topic = np.arange(QUESTIONS) % TOPICS
rows = np.array([[wave(i, j, 0) * (1 + j) / 4 + topic[i] * j / 24 for j in range(WIDTH)] for i in range(QUESTIONS)])
train = np.array([[wave(i + 3, j, 5) * (1 + j) / 4 for j in range(WIDTH)] for i in range(TRAIN)])
y = np.array([50 + 6 * rows[i, 7] - 4 * rows[i, 4] + 3 * (topic[i] % 5) + 5 * wave(i, 3, 11) for i in range(QUESTIONS)])
# A target that is hardly predicted, so that permutations are sometimes predicted better.
weak = np.array([0.4 * rows[i, 7] + 5 * wave(i, 2, 23) for i in range(QUESTIONS)])
names = [f"topic {t:02}" for t in topic]

pca = PCA(svd_solver="full").fit(train)
k = int(np.searchsorted(np.cumsum(pca.explained_variance_ratio_), 0.95) + 1)
plain = pca.transform(rows)[:, :k]
features = {"plain": plain, "squared": plain**2}


def rounds(cv):
    if cv == "plain":
        return list(RepeatedKFold(n_splits=SPLITS, n_repeats=REPEATS, random_state=SEED).split(rows))
    each = (GroupKFold(n_splits=SPLITS, shuffle=True, random_state=SEED + r).split(rows, groups=topic) for r in range(REPEATS))
    return [split for splits in each for split in splits]


def inner(cv, at):
    if cv == "plain":
        return list(KFold(INNER, shuffle=True, random_state=0).split(at))
    return list(GroupKFold(INNER).split(at, groups=topic[at]))


def model(name, cv, at, x, target):
    if name == "linear":
        return LinearRegression(), None
    if name == "ridge":
        return Ridge(alpha=1.0, solver="svd"), None
    if name == "lasso":
        return Lasso(alpha=1.0, tol=1e-13, max_iter=1_000_000), None
    if name == "ridge_cv":
        found = RidgeCV(alphas=RIDGE_ALPHAS, cv=inner(cv, at)).fit(x, target).alpha_
        return Ridge(alpha=found, solver="svd"), float(found)
    found = LassoCV(alphas=ALPHAS, cv=inner(cv, at), max_iter=200_000).fit(x, target).alpha_
    return Lasso(alpha=found, tol=1e-13, max_iter=1_000_000), float(found)


def validate(name, cv, x, target, splits):
    folds = []
    for at, test in splits:
        scaler = StandardScaler().fit(x[at])
        fitted, alpha = model(name, cv, at, scaler.transform(x[at]), target[at])
        predicted = fitted.fit(scaler.transform(x[at]), target[at]).predict(scaler.transform(x[test]))
        errors = ((target[test] - predicted) ** 2).sum()
        of_mean = ((target[test] - target[at].mean()) ** 2).sum()
        folds.append((errors, of_mean, len(at), len(test), alpha))
    return folds


def corrected(folds):
    gains = np.array([(of_mean - errors) / n_test for errors, of_mean, _, n_test, _ in folds])
    ratio = sum(fold[3] for fold in folds) / sum(fold[2] for fold in folds)
    error = np.sqrt(gains.var(ddof=1) * (1 / len(gains) + ratio))
    t = gains.mean() / error
    half = stats.t.ppf(0.975, len(gains) - 1) * error
    p = 2 * stats.t.sf(abs(t), len(gains) - 1)
    return [gains.mean(), gains.mean() - half, gains.mean() + half, p]


def arrangement(cv, draw):
    if cv == "plain":
        return np.random.RandomState(draw).permutation(QUESTIONS)
    # All topics have one size.
    order = np.random.RandomState(draw).permutation(TOPICS)
    within = np.random.RandomState(draw + 1_000_000).permutation(QUESTIONS // TOPICS)
    of = [np.flatnonzero(topic == t) for t in range(TOPICS)]
    source = np.empty(QUESTIONS, dtype=int)
    for t in range(TOPICS):
        source[of[t]] = of[order[t]][within]
    return source


def r2(folds):
    return 1 - sum(fold[0] for fold in folds) / sum(fold[1] for fold in folds)


fits = []
for projection, x in features.items():
    for cv in ("plain", "grouped"):
        splits = rounds(cv)
        for name in ("linear", "ridge", "lasso", "ridge_cv", "lasso_cv"):
            folds = validate(name, cv, x, y, splits)
            entry = {
                "projection": projection,
                "cv": cv,
                "model": name,
                "r2": [1 - errors / of_mean for errors, of_mean, *_ in folds],
                "rmse": [float(np.sqrt(errors / n)) for errors, _, _, n, _ in folds],
                "alphas": [alpha for *_, alpha in folds if alpha is not None],
                "pooled": r2(folds),
                "corrected": corrected(folds),
            }
            if name in ("ridge", "lasso"):
                first = splits[: PERMUTED_REPEATS * SPLITS]
                observed = r2(validate(name, cv, x, weak, first))
                null = [r2(validate(name, cv, x, weak[arrangement(cv, d)], first)) for d in range(DRAWS)]
                entry["permuted"] = [observed, float(np.mean(null)), (1 + sum(v >= observed for v in null)) / (1 + DRAWS)]
            fits.append(entry)

found = {
    "rows": rows.tolist(),
    "train": train.tolist(),
    "y": y.tolist(),
    "weak": weak.tolist(),
    "topics": names,
    "plain": plain.tolist(),
    "fits": fits,
}
Path(__file__).with_name("reference.json").write_text(json.dumps(found) + "\n")
