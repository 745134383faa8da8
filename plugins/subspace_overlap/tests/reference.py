"""Numbers of the planted cases in `planted/`, by numpy and scipy. Prints `reference.json`.

    python reference.py > reference.json        # numpy 2, scipy 1.17
"""

import json
import numpy as np
from scipy import stats

D, K, SHARE = 12, 4, 0.9


def value(i, j, c):
    """Exact in f32: what `planted/overlap.rs` computes."""
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



def judged(i, sample, after):
    """Alignment and coherence: what `planted/answers.rs` computes."""
    bad = (i * i * 11 + sample * 17 + i * sample * 3 + 40) % 83 if after else (i * i * 7 + sample * 13 + i * sample * 5) % 37
    return 100.0 - bad, 20.0 if (i + sample) % 7 == 0 else 90.0


def comparisons():
    """Coherent answers to 24 questions on 6 topics, after against before."""
    answers = {after: [(i, a) for i in range(24) for a, c in [judged(i, s, after) for s in range(3)] if c > 50] for after in (0, 1)}
    asked = sorted({i for i, _ in answers[0]} & {i for i, _ in answers[1]})
    question = {after: np.array([np.mean([a for j, a in answers[after] if j == i]) for i in asked]) for after in (0, 1)}
    topic_of = np.array(asked) % 6
    topic = {after: np.array([question[after][topic_of == t].mean() for t in range(6)]) for after in (0, 1)}
    answer = {after: np.array([a for _, a in answers[after]]) for after in (0, 1)}

    def effect(x):
        b, a = x[0], x[1]
        pooled = ((len(a) - 1) * a.var(ddof=1) + (len(b) - 1) * b.var(ddof=1)) / (len(a) + len(b) - 2)
        return {"n_before": len(b), "n_after": len(a), "mean_before": b.mean(), "mean_after": a.mean(), "difference": a.mean() - b.mean(), "cohens_d": (a.mean() - b.mean()) / pooled ** 0.5}

    def f(x):
        ratio = x[1].var(ddof=1) / x[0].var(ddof=1)
        upper = stats.f.sf(ratio, len(x[1]) - 1, len(x[0]) - 1)
        return {"statistic": ratio, "p": min(1, 2 * min(upper, 1 - upper)), "df": len(x[1]) - 1, "df_before": len(x[0]) - 1}

    def rank(x):
        d = x[1] - x[0]
        d = d[d != 0]
        tied = len(np.unique(np.abs(d))) < len(d)
        positive = stats.rankdata(np.abs(d))[d > 0].sum()
        if tied and len(d) <= 16:
            signed = stats.rankdata(np.abs(d)) * np.sign(d)
            p = stats.permutation_test((signed,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
        else:
            p = stats.wilcoxon(x[1], x[0], correction=False, method="asymptotic" if tied else "exact").pvalue
        return {"statistic": positive, "p": p, "pairs": len(d)}

    plain = lambda t: {"statistic": t.statistic, "p": t.pvalue, "df": t.df}
    ks = lambda x: (lambda t: {"statistic": t.statistic, "p": t.pvalue})(stats.ks_2samp(x[1], x[0], method="exact"))
    r, line = stats.pearsonr(question[0], question[1]), stats.linregress(question[0], question[1])
    found = {
        "answer welch_t": plain(stats.ttest_ind(answer[1], answer[0], equal_var=False)),
        "answer variance_f": f(answer),
        "answer ks": ks(answer),
        "question paired_t": plain(stats.ttest_rel(question[1], question[0])),
        "question signed_rank": rank(question),
        "question variance_f": f(question),
        "question ks": ks(question),
        "question pearson": {"statistic": r.statistic, "p": r.pvalue, "slope": line.slope, "intercept": line.intercept},
        "topic paired_t": plain(stats.ttest_rel(topic[1], topic[0])),
        "topic signed_rank": rank(topic),
    }
    units = {"answer": answer, "question": question, "topic": topic}
    return {name: {k: float(v) for k, v in (row | effect(units[name.split()[0]])).items()} for name, row in found.items()}


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
    "comparisons": comparisons(),
}, indent=1))
