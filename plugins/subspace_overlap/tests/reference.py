"""Numbers of the planted case in `planted.rs`, by numpy alone. Prints `reference.json`.

    python reference.py > reference.json        # numpy 2
"""

import json
import numpy as np

D, K, SHARE = 12, 4, 0.9


def value(i, j, c):
    """Exact in f32: what `planted.rs` computes."""
    return ((i * i * 7 + j * 13 + i * j * 5 + i * j * j * 3 + c * 29) % 61 - 30) / 32


def rows(n, shift, c):
    return np.array([[value(i + shift, j, c) for j in range(D)] for i in range(n)])


def pca(x):
    mean = x.mean(0)
    _, s, v = np.linalg.svd(x - mean, full_matrices=False)
    keep = s > np.finfo(float).eps * max(x.shape) * s[0]
    var = s[keep] ** 2 / (len(x) - 1)
    return mean, v[keep], var, var / var.sum()


def ranks(x):
    order = np.sort(x)
    return np.array([(np.searchsorted(order, v, "left") + np.searchsorted(order, v, "right") + 1) / 2 for v in x])


before = {"t": rows(40, 0, 1), "r": rows(40, 50, 2), "e": rows(15, 100, 3)}
delta = {"t": rows(40, 7, 4), "r": rows(40, 61, 5), "e": rows(15, 117, 6)}

mu, comps, var, ratio = pca(delta["t"])
_, ref, _, _ = pca(delta["r"])
bmu, bcomps, bvar, bratio = pca(before["t"])
e = delta["e"]
c = e - mu
norm = np.linalg.norm
frac = lambda x, basis: norm(x @ basis.T, axis=1) / norm(x, axis=1)
cos = lambda a, b: float(a @ b / norm(a) / norm(b))
rebuilt = mu + c @ comps[:K].T @ comps[:K]
ecomps = pca(e)[1][:K]
sines = np.clip(np.linalg.svd(comps[:K] @ ecomps.T)[1], -1, 1)
pk = int(np.searchsorted(np.cumsum(bratio), SHARE) + 1)
like = frac(before["e"] - bmu, bcomps[:pk])
dcos = np.array([cos(row, mu) for row in e])
chord = ratio[0] + (ratio[-1] - ratio[0]) * np.arange(len(ratio)) / (len(ratio) - 1)

print(json.dumps({
    "fraction": frac(c, comps[:K]).mean(),
    "squared_fraction": (frac(c, comps[:K]) ** 2).mean(),
    "explained_l2": (1 - norm(e - rebuilt, axis=1) ** 2 / norm(e, axis=1) ** 2).mean(),
    "mahalanobis": np.sqrt(((c @ comps[:K].T) ** 2 / var[:K]).sum(1)).mean(),
    "reconstruction_cosine": float(np.mean([cos(a, b) for a, b in zip(e, rebuilt)])),
    "train_fraction": frac(delta["t"] - mu, comps[:K]).mean(),
    "reference_fraction": frac(c, ref[:K]).mean(),
    "before_fraction": frac(c, bcomps[:K]).mean(),
    "variance_k": int(np.searchsorted(np.cumsum(ratio), SHARE) + 1),
    "degrees": np.degrees(np.arccos(sines)).tolist(),
    "prompt_k": pk,
    "prompt_overlap": like.mean(),
    "pearson": float(np.corrcoef(like, dcos)[0, 1]),
    "spearman": float(np.corrcoef(ranks(like), ranks(dcos))[0, 1]),
    "mean_delta_cosine": cos(mu, e.mean(0)),
    "reference_cosine": cos(delta["r"].mean(0), e.mean(0)),
    "rank": len(var),
    "elbow": int(np.argmax(chord - ratio) + 1),
    "participation": float(1 / (ratio ** 2).sum()),
}, indent=1))
