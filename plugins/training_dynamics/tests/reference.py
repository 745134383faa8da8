"""Numbers of the planted study in `reference.rs`, by numpy and scipy alone. Prints `reference.json`.

    python reference.py > reference.json        # numpy 2, scipy 1.15
"""

import json
import numpy as np
from scipy import stats

TOPICS, STEPS, BASE_SEEDS, SEEDS, SCHEDULES, TOLERANCE = 7, 6, 3, 2, 9, 0.01


def value(i, j, k):
    """Exact in f64: what `reference.rs` computes."""
    return ((i * i * 7 + j * 13 + k * 29 + i * j * 5 + j * k * 11 + i * k * 3) % 61 - 30) / 32


def base(seed, step):
    loss = 1.0 - step / 16 + value(seed, step, 1) / 256 + (0.08 if step == 4 else 0.0)
    return loss, np.array([95 - 6 * step - t + 2 * value(seed, step, t + 2) for t in range(TOPICS)])


def end(schedule, seed):
    loss = 0.66 + schedule / 40 + value(schedule, seed, 40) / 512
    merit = 12 if schedule == 3 else 0
    return loss, np.array([90 - 30 * (1 - loss) / 0.3 + merit + 4 * value(schedule, seed, t + 50) for t in range(TOPICS)])


def curve(seeds):
    losses = np.mean([[base(s, k)[0] for k in range(STEPS)] for s in seeds], 0)
    topics = np.mean([[base(s, k)[1] for k in range(STEPS)] for s in seeds], 0)
    kept = [k for k in range(STEPS) if all(losses[k] < losses[:k])]
    return losses[kept][::-1], topics[kept][::-1]


def at(loss, seeds):
    xs, ys = curve(seeds)
    if xs[0] - TOLERANCE <= loss < xs[0]:
        loss = xs[0]
    if not xs[0] <= loss <= xs[-1]:
        return None
    return np.array([np.interp(loss, xs, ys[:, t]) for t in range(TOPICS)])


def pooled(groups):
    groups = [np.array(g) for g in groups if len(g) > 1]
    df = sum(len(g) - 1 for g in groups)
    return sum(((g - g.mean()) ** 2).sum() for g in groups) / df, df


def test(differences, variance, df, against):
    d = np.array(differences)
    if len(d) > 1:
        variance = max(variance, d.mean(1).var(ddof=1))
    topics, error = d.mean(0), np.sqrt(variance * (1 / len(d) + 1 / against))
    n = df + 1
    t = stats.ttest_ind_from_stats(topics.mean(), topics.std(ddof=1), TOPICS, 0, error * np.sqrt(n), n, equal_var=False)
    a, b = topics.var(ddof=1) / TOPICS, error**2
    free = (a + b) ** 2 / (a**2 / (TOPICS - 1) + b**2 / df)
    half = stats.t.ppf(0.975, free) * np.sqrt(a + b)
    return topics.mean(), topics.mean() - half, topics.mean() + half, t.pvalue


every = range(BASE_SEEDS)
last = [base(s, STEPS - 1) for s in every]
end_loss, end_topics = np.mean([l for l, _ in last]), np.mean([t for _, t in last], 0)
equal, ends = {}, {}
for c in range(SCHEDULES):
    places = [end(c, s) for s in range(SEEDS)]
    matched = [at(loss, every) for loss, _ in places]
    equal[c] = None if any(m is None for m in matched) else [t - m for (_, t), m in zip(places, matched)]
    ends[c] = [t - end_topics for _, t in places]
own = [t - at(loss, every) for loss, t in last]
spread = pooled([np.mean(d, 1) for d in equal.values() if d is not None] + [np.mean(own, 1)])
end_spread = pooled([np.mean(d, 1) for d in ends.values()] + [np.mean([t - end_topics for _, t in last], 1)])

lines = {"equal loss": {}, "baseline's end": {}, "seed control": {}}
for c in range(SCHEDULES):
    if equal[c] is not None:
        lines["equal loss"][c] = test(equal[c], *spread, BASE_SEEDS)
    lines["baseline's end"][c] = test(ends[c], *end_spread, BASE_SEEDS)
for s in every:
    others = [o for o in every if o != s]
    lines["seed control"][s] = test([last[s][1] - at(last[s][0], others)], *spread, BASE_SEEDS - 1)


def adjusted(kind, sign):
    asked = {c: (r[3] if sign * r[0] > 0 else 1.0) for c, r in lines[kind].items()}
    if kind == "baseline's end" and sign > 0:
        asked = {c: p for c, p in asked.items() if np.mean([end(c, s)[0] for s in range(SEEDS)]) <= end_loss}
    return dict(zip(asked, stats.false_discovery_control(list(asked.values())))) if asked else {}


rows = []
for kind, found in lines.items():
    better, worse = adjusted(kind, 1), adjusted(kind, -1)
    for c, (mean, low, high, p) in found.items():
        rows.append({"kind": kind, "at": c, "difference": mean, "low": low, "high": high, "p": p,
                     "better": better.get(c), "worse": worse.get(c)})

points = [(float(np.mean([end(c, s)[0] for s in range(SEEDS)])), float(np.mean([end(c, s)[1] for s in range(SEEDS)])))
          for c in range(SCHEDULES)]
front = [not any(q[0] <= p[0] and q[1] >= p[1] and q != p for q in points) for p in points]
x, y = np.array(points).T
pearson, spearman = stats.pearsonr(x, y), stats.spearmanr(x, y)
interval = pearson.confidence_interval(0.95)
grid = [float(v) for v in np.linspace(0.5, 4.5, 33)]
xs, ys = [1.0, 1.5, 1.75, 3.0, 4.0], [2.0, -1.0, 7.5, 0.25, 9.0]
print(json.dumps({
    "rows": rows,
    "untested": [c for c in range(SCHEDULES) if equal[c] is None],
    "points": points,
    "front": front,
    "pearson": [pearson.statistic, interval.low, interval.high, pearson.pvalue],
    "spearman": [spearman.statistic, spearman.pvalue],
    "interpolated": [[v, float(np.interp(v, xs, ys, left=np.nan, right=np.nan)) if 1 <= v <= 4 else None] for v in grid],
}, indent=1))
