"""Writes golden.json: figures of numpy, scipy, scikit-learn and statsmodels that emhost-stats must reproduce.

    pip install numpy scipy scikit-learn statsmodels
    python make_golden.py > golden.json

Inputs are rounded to few digits, so that the file stays small and both sides read the same numbers. What no library has
(normal draws, shuffles, Haar bases, the seeded bootstrap) is computed from numpy's own Philox words with numpy's dense
algebra, independently of the Rust code's way of computing it.
"""

import json

import numpy as np
import scipy.linalg
import scipy.stats
import sklearn
import statsmodels
from sklearn.decomposition import PCA
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

USER, ORTHONORMAL, NORMAL_MATRIX, BOOTSTRAP = range(4)
LEVELS = [0.8, 0.95, 0.99, 0.999]


class Draws:
    """The documented generator on numpy's words."""

    def __init__(self, seed, stream, purpose=USER):
        key = np.array([seed, stream], dtype=np.uint64)
        self.words = np.random.Philox(key=key, counter=[0, 0, 0, purpose])
        self.spare = None

    def word(self):
        return int(self.words.random_raw())

    def uniform(self):
        return (self.word() >> 11) / 2.0**53

    def normal(self):
        if self.spare is not None:
            spare, self.spare = self.spare, None
            return spare
        radius = np.sqrt(-2 * np.log(1 - self.uniform()))
        angle = 2 * np.pi * self.uniform()
        self.spare = radius * np.sin(angle)
        return radius * np.cos(angle)

    def normals(self, n):
        return np.array([self.normal() for _ in range(n)])

    def below(self, n):
        while True:
            wide = self.word() * n
            if wide % 2**64 >= 2**64 % n:
                return wide >> 64

    def shuffled(self, n):
        items = list(range(n))
        for last in range(n - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]
        return items


def rounded(values, digits=4):
    return np.round(np.asarray(values, dtype=float), digits)


def random_words():
    seeds = [(0, 0), (1, 0), (0, 1), (2**64 - 1, 12345)]
    return [
        {"seed": s, "stream": t, "words": [w.word() for w in [Draws(s, t)] for _ in range(9)]}
        for s, t in seeds
    ]


def random_normals():
    return [{"seed": s, "stream": t, "normals": Draws(s, t).normals(15).tolist()} for s, t in [(0, 0), (42, 7)]]


def random_shuffles():
    return [{"seed": s, "n": n, "order": Draws(s, 0).shuffled(n)} for s, n in [(0, 1), (1, 2), (2, 10), (3, 25)]]


def normal_matrices():
    return [
        {"seed": s, "rows": [Draws(s, i, NORMAL_MATRIX).normals(d).tolist() for i in range(n)]}
        for s, n, d in [(0, 2, 3), (9, 3, 4)]
    ]


def haar_bases():
    cases = []
    for d, k, seed in [(1, 1, 3), (5, 3, 0), (8, 8, 1), (6, 1, 2), (12, 7, 11)]:
        draws = Draws(seed, 0, ORTHONORMAL)
        q, signs = np.eye(d), []
        for j in range(k):
            x = draws.normals(d - j)
            sign = 1.0 if x[0] < 0 else -1.0
            v = x.copy()
            v[0] -= sign * np.linalg.norm(x)
            h = np.eye(d)
            h[j:, j:] -= 2 * np.outer(v, v) / (v @ v)
            q = q @ h
            signs.append(sign)
        cases.append({"d": d, "k": k, "seed": seed, "rows": (q[:, :k] * signs).T.tolist()})
    return cases


def pca_inputs(rng):
    yield "tall", rounded(rng.normal(size=(24, 5)) @ np.diag([5, 3, 2, 1, 0.5]) + 7)
    yield "wide", rounded(rng.normal(size=(6, 10)))
    yield "square", rounded(rng.normal(size=(7, 7)) @ rng.normal(size=(7, 7)))
    yield "two rows", rounded(rng.normal(size=(2, 4)))
    yield "one column", rounded(rng.normal(size=(9, 1)))
    yield "rank two", rounded(rng.integers(-3, 4, size=(15, 2)) @ rng.integers(-3, 4, size=(2, 6)), 0)
    yield "constant column", rounded(np.column_stack([rng.normal(size=12), np.full(12, 3.5), rng.normal(size=12)]))
    yield "far from the origin", rounded(rng.normal(size=(20, 4)) * [1, 2, 3, 4] + 1e4)
    yield "tiny last variance", rounded(rng.normal(size=(30, 4)) * [1, 1e-2, 1e-4, 1e-6], 10)


def pca_cases(rng):
    cases = []
    for name, x in pca_inputs(rng):
        rank = int(np.linalg.matrix_rank(x - x.mean(axis=0)))
        pca = PCA(svd_solver="full").fit(x)
        probe = rounded(x.mean(axis=0) + rng.normal(size=x.shape[1]))
        z = pca.components_[:rank] @ (probe - pca.mean_)
        k = max(1, rank // 2)
        inverse = np.linalg.pinv(pca.components_[:k].T * pca.explained_variance_[:k] @ pca.components_[:k], rcond=1e-14)
        offset = probe - pca.mean_
        cases.append({
            "name": name,
            "rows": x.tolist(),
            "mean": pca.mean_.tolist(),
            "components": pca.components_[:rank].tolist(),
            "variances": pca.explained_variance_[:rank].tolist(),
            "ratios": pca.explained_variance_ratio_[:rank].tolist(),
            "shares": [
                {"share": s, "k": int(PCA(n_components=s, svd_solver="full").fit(x).n_components_)}
                for s in [0.3, 0.8, 0.9, 0.95]
            ],
            "probe": probe.tolist(),
            "mahalanobis": [
                {"k": rank, "distance": float(np.sqrt(np.sum(z**2 / pca.explained_variance_[:rank])))},
                {"k": k, "distance": float(np.sqrt(offset @ inverse @ offset))},
            ],
        })
    return cases


def overlap_cases(rng):
    cases = []
    for n, m, d, k in [(20, 6, 5, 2), (8, 5, 12, 3), (40, 6, 8, 7), (12, 4, 6, 1)]:
        train = rounded(rng.normal(size=(n, d)) * np.linspace(3, 0.5, d) + rng.normal(size=d))
        evaluated = rounded(rng.normal(size=(m, d)) + rng.normal(size=d))
        pca = PCA(n_components=k, svd_solver="full").fit(train)
        rebuilt = pca.inverse_transform(pca.transform(evaluated))
        centered, inside = evaluated - pca.mean_, rebuilt - pca.mean_
        norm = lambda a: np.linalg.norm(a, axis=1)
        cos = lambda a, b: 1 - scipy.spatial.distance.cosine(a, b)
        cases.append({
            "train": train.tolist(),
            "eval": evaluated.tolist(),
            "k": k,
            "fractions": (norm(inside) / norm(centered)).tolist(),
            "squared": (norm(inside) ** 2 / norm(centered) ** 2).tolist(),
            "explained_l2": (1 - norm(evaluated - rebuilt) ** 2 / norm(evaluated) ** 2).tolist(),
            "reconstruction_cosines": [cos(a, b) for a, b in zip(evaluated, rebuilt)],
            "row_cosines": [cos(a, train.mean(axis=0)) for a in evaluated],
            "mean_delta_cosine": cos(train.mean(axis=0), evaluated.mean(axis=0)),
        })
    return cases


def angle_cases(rng):
    def tilted(angle):
        return [[1, 0, 0, 0], [0, 1, 0, 0]], [[np.cos(angle), 0, np.sin(angle), 0], [0, 1, 0, 0]]

    inputs = [tilted(a) for a in [1e-12, 1e-9, 1e-5, 0.1, 0.78, 0.79, 1.5, np.pi / 2 - 1e-9]]
    for ka, kb, d in [(2, 2, 5), (3, 1, 6), (1, 4, 6), (4, 3, 9), (3, 3, 3), (5, 4, 6)]:
        inputs.append((rounded(rng.normal(size=(ka, d))).tolist(), rounded(rng.normal(size=(kb, d))).tolist()))
    shared = rounded(rng.normal(size=(2, 7)))
    inputs.append((shared.tolist(), (shared[::-1] * 3).tolist()))
    inputs.append((np.eye(4)[:2].tolist(), np.eye(4)[2:].tolist()))
    return [{"a": a, "b": b, "angles": angles(np.array(a, float).T, np.array(b, float).T)} for a, b in inputs]


def angles(a, b):
    """scipy.linalg.subspace_angles, sharpened.

    scipy 1.17 picks sine or cosine per angle by a mask in the opposite order (`sigma` against `sigma[::-1]`), so that a
    zero angle beside a wide one comes out as 1.5e-8. The arc tangent of both is accurate everywhere; scipy must agree to
    what the cosine alone can give.
    """
    qa, qb = sorted([scipy.linalg.orth(a), scipy.linalg.orth(b)], key=lambda q: -q.shape[1])
    cosines = scipy.linalg.svdvals(qa.T @ qb)[::-1]
    sines = scipy.linalg.svdvals(qb - qa @ (qa.T @ qb))
    sharpened = np.arctan2(sines, cosines)
    assert np.allclose(sharpened, scipy.linalg.subspace_angles(a, b), rtol=1e-12, atol=3e-8)
    return sharpened.tolist()


def correlation_cases(rng):
    inputs = []
    for n, slope, digits in [(3, 1, 3), (4, 0.2, 3), (5, -3, 3), (10, 0.5, 0), (25, 0.05, 3), (60, 2, 1), (200, -0.3, 2),
                             (400, 0.1, 2), (30, 30, 3)]:
        x = rounded(rng.normal(size=n), digits)
        inputs.append((x, rounded(slope * x + rng.normal(size=n), digits)))
    inputs.append((np.arange(6.0), np.arange(6.0) ** 3))
    inputs.append((np.arange(5.0), -2 * np.arange(5.0)))
    inputs.append((rounded([1, 1, 2, 2, 3, 3, 3]), rounded([2, 2, 2, 1, 5, 5, 4])))
    inputs.append((rounded([0, -0.0, 1, 2]), rounded([5, 3, 8, 1])))
    inputs.append((rounded([-1, 0, 1, 0]), rounded([0, -1, 0, 1])))
    cases = []
    for x, y in inputs:
        pearson, spearman = scipy.stats.pearsonr(x, y), scipy.stats.spearmanr(x, y)
        ci = pearson.confidence_interval(0.95) if len(x) > 3 else None
        cases.append({
            "x": x.tolist(), "y": y.tolist(),
            "pearson": float(pearson.statistic), "pearson_p": float(pearson.pvalue),
            "low": ci and float(ci.low), "high": ci and float(ci.high),
            "spearman": float(spearman.statistic), "spearman_p": float(spearman.pvalue),
            "ranks": scipy.stats.rankdata(x).tolist(),
        })
    return cases


def correlation_ladder():
    """p-values over many sizes and strengths: two columns of n values whose correlation is close to `r`."""
    cases = []
    for n in [3, 4, 5, 8, 20, 100, 320, 1414, 5900, 50000]:
        for r in [0.0, 1e-3, 0.05, -0.3, 0.7, 0.99]:
            i = np.arange(n)
            x, noise = (i * 7919) % n, (i * i * 31 + 17 * i) % 101
            y = rounded(r * (x - x.mean()) / max(x.std(), 1) + np.sqrt(1 - r * r) * (noise - noise.mean()) / noise.std(), 3)
            pearson = scipy.stats.pearsonr(x, y)
            cases.append({"n": n, "slope": r, "std": float(max(x.std(), 1)), "noise_std": float(noise.std()),
                          "noise_mean": float(noise.mean()), "r": float(pearson.statistic), "p": float(pearson.pvalue)})
    return cases


def multiple_cases(rng):
    families = [[0.04], [0.01, 0.04, 0.03, 0.005], [0.5, 0.5, 0.5], [0.0, 1.0, 0.2], [1e-300, 1e-8, 0.9],
                rounded(rng.uniform(size=40) ** 2, 5).tolist(), [0.02, 0.02, 0.01, 0.9, 0.01]]
    return [
        {"p": p, "bh": multipletests(p, method="fdr_bh")[1].tolist(), "holm": multipletests(p, method="holm")[1].tolist()}
        for p in families
    ]


def wilson_cases():
    cases = []
    for successes, n in [(0, 1), (1, 1), (0, 50), (3, 50), (25, 50), (50, 50), (1, 800), (37, 800), (5899, 5900)]:
        for level in LEVELS:
            low, high = proportion_confint(successes, n, alpha=1 - level, method="wilson")
            cases.append({"successes": successes, "n": n, "level": level, "low": float(low), "high": float(high)})
    return cases


def mean_cases(rng):
    cases = []
    for n in [2, 3, 5, 12, 40]:
        x = rounded(rng.normal(50, 20, size=n), 1)
        for level in LEVELS:
            low, high = scipy.stats.t.interval(level, n - 1, loc=x.mean(), scale=scipy.stats.sem(x))
            cases.append({"values": x.tolist(), "level": level, "mean": float(x.mean()), "low": float(low), "high": float(high)})
    return cases


def half_width_cases():
    """t quantiles in units of the standard error, for n values that alternate between -1 and 1."""
    return [
        {"n": n, "level": level, "half_width": float(-scipy.stats.t.ppf((1 - level) / 2, n - 1) / np.sqrt(n - 1))}
        for n in [2, 4, 6, 10, 30, 100, 320, 1000, 5900, 100000, 1000000]
        for level in [0.01, 0.5] + LEVELS + [0.999999]
    ]


def bootstrap_cases(rng):
    cases = []
    for seed, n, clusters, level in [(0, 8, None, 0.95), (5, 30, None, 0.9), (1, 24, 6, 0.95), (2, 17, 5, 0.8)]:
        values = rounded(rng.normal(60, 25, size=n), 1)
        names = list(range(n)) if clusters is None else rng.integers(0, clusters, size=n).tolist()
        groups = [values[np.array(names) == g] for g in sorted(set(names))]
        draws = 200
        means = []
        for b in range(draws):
            rng_b = Draws(seed, b, BOOTSTRAP)
            means.append(np.concatenate([groups[rng_b.below(len(groups))] for _ in groups]).mean())
        low, high = np.quantile(means, [(1 - level) / 2, 1 - (1 - level) / 2])
        cases.append({"values": values.tolist(), "clusters": None if clusters is None else names, "seed": seed,
                      "draws": draws, "level": level, "mean": float(values.mean()), "low": float(low), "high": float(high)})
    return cases


def empirical_cases(rng):
    """scipy.stats.permutation_test's p-values, with its own null distribution as the draws."""
    cases = []
    for shift in [0.0, 0.8, -0.5]:
        x, y = rng.normal(size=8), rng.normal(shift, size=7)
        case = None
        for tail, name in [("greater", "upper"), ("less", "lower"), ("two-sided", "two_sided")]:
            found = scipy.stats.permutation_test((x, y), lambda a, b: a.mean() - b.mean(), n_resamples=99,
                                                 alternative=tail, rng=np.random.default_rng(3))
            case = case or {"observed": float(found.statistic), "draws": found.null_distribution.tolist()}
            case[name] = float(found.pvalue)
        cases.append(case)
    return cases


def main():
    rng = np.random.default_rng(20260614)
    golden = {
        "made_with": {m.__name__: m.__version__ for m in [np, scipy, sklearn, statsmodels]},
        "words": random_words(),
        "normals": random_normals(),
        "shuffles": random_shuffles(),
        "normal_matrices": normal_matrices(),
        "haar": haar_bases(),
        "pca": pca_cases(rng),
        "overlap": overlap_cases(rng),
        "angles": angle_cases(rng),
        "correlation": correlation_cases(rng),
        "ladder": correlation_ladder(),
        "multiple": multiple_cases(rng),
        "wilson": wilson_cases(),
        "mean_t": mean_cases(rng),
        "half_widths": half_width_cases(),
        "bootstrap": bootstrap_cases(rng),
        "empirical": empirical_cases(rng),
    }
    lines = []
    for key, value in golden.items():
        one_case_a_line = isinstance(value, list)
        body = "[\n  " + ",\n  ".join(map(json.dumps, value)) + "\n ]" if one_case_a_line else json.dumps(value)
        lines.append(f' "{key}": {body}')
    print("{\n" + ",\n".join(lines) + "\n}")


if __name__ == "__main__":
    main()
