"""Speed and memory of the overlap table beside numpy on a synthetic activation dataset of the size of study 2, in one run.

Usage: subspace_speed.py PROGRAM [WORK] [--rounds 3] [--methods svd32,svd64,eigh64] [--sites 4] [--draws 19]
                         [--train 5900] [--eval 1414] [--width 5120] [--plugin LIBRARY]
PROGRAM is `emhost`, with --plugin libsubspace_overlap.so, or the example `overlap` of sdk/stats:
    cargo build --release -p emhost-stats --example overlap
Needs numpy, pyarrow and blake3.

The dataset is written once under WORK, as a folder that `emhost data verify` accepts: activations before and after a
fine-tune, 5,900 training and 1,414 evaluation prompts, width 5,120, float32. Deltas have a power-law spectrum with the
numbers of components that are published for study 2 (84, 258 and 584 for .80, .90 and .95 of the variance); evaluation
deltas share that subspace and have a tenth of their energy elsewhere.

Each program runs as a process of its own and reads the same Parquet files; rounds alternate. Printed are wall clock,
processor seconds and the largest resident set of each process, then medians and ratios. On a shared machine processor
seconds are the steadier measure. Every number that both sides report must agree: to 1e-6 with numpy in float64, and for
numpy in float32 the largest difference is printed, because there the rounding is numpy's.
  svd32, svd64  PCA by numpy.linalg.svd of the centred rows, which is what scikit-learn's full solver does
  eigh64        PCA by numpy.linalg.eigh of the smaller product matrix: numpy's quickest way
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

SHARES, KS, ANGLES = (0.80, 0.90, 0.95), (1, 2, 4, 8, 16, 32, 64, 128), 8
MEASURES = ["fraction", "squared_fraction", "explained_l2", "mahalanobis", "reconstruction_cosine", "train_fraction",
            "before_fraction"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("work", nargs="?", default="target/subspace_speed")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--methods", default="svd32,svd64,eigh64")
    parser.add_argument("--sites", type=int, default=4)
    parser.add_argument("--draws", type=int, default=19)
    parser.add_argument("--train", type=int, default=5900)
    parser.add_argument("--eval", type=int, default=1414)
    parser.add_argument("--width", type=int, default=5120)
    parser.add_argument("--plugin")
    parser.add_argument("--peer")
    args = parser.parse_args()
    args.sites = [f"blocks.{at}.mlp_out" for at in range(args.sites)]
    args.folder = os.path.join(args.work, f"activations_{args.train}_{args.eval}_{args.width}_{len(args.sites)}")
    if args.peer == "make":
        return make(args)
    if args.peer:
        return json.dump(table(args), sys.stdout)
    os.makedirs(args.work, exist_ok=True)
    again = [sys.executable, *sys.argv]
    if not os.path.exists(os.path.join(args.folder, "manifest.json")):
        # In a process of its own: a child's largest resident set begins with its parent's.
        run([*again, "--peer", "make"])
    methods, figures = args.methods.split(","), {}
    for round_number in range(args.rounds):
        print(f"round {round_number}, load {os.getloadavg()[0]:.1f}", flush=True)
        ours, *measured = emhost(args)
        figures.setdefault("emhost", []).append(measured)
        print("  emhost", show(measured), flush=True)
        for method in methods:
            out, *measured = run([*again, "--peer", method])
            figures.setdefault(method, []).append(measured)
            difference, where = compare(ours, json.loads(out))
            print(f"  {method} {show(measured)}, largest difference {difference:.1e} ({where})", flush=True)
            assert difference < 1e-6 or method.endswith("32"), (method, difference, where)
    medians = {name: [statistics.median(column) for column in zip(*runs)] for name, runs in figures.items()}
    for name, (wall, cpu, memory) in medians.items():
        ratios = [f"{statistics.median(theirs[i] / mine[i] for theirs, mine in zip(figures[name], figures['emhost'])):.2f}"
                  for i in (0, 1)]
        print(f"{name}: {show((wall, cpu, memory))}, {ratios[0]} times emhost's wall clock, {ratios[1]} times its "
              f"processor seconds, {memory / medians['emhost'][2]:.2f} times its memory")


def show(measured):
    return "{:.1f} s, {:.1f} processor s, {:,.0f} MB".format(*measured)


def run(command):
    """Output, seconds, processor seconds and peak memory in MB of a process."""
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    out = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return out.decode(), time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def emhost(args):
    """The table of the program, and what it took."""
    if not args.plugin:
        raw = raw_files(args)
        shape = [str(count) for count in (args.train, args.eval, args.width, args.draws)]
        out, *measured = run([args.program, raw, *shape, *args.sites])
        return json.loads(out), *measured
    import pyarrow.parquet as parquet
    with tempfile.TemporaryDirectory(dir=args.work) as folder:
        settings = {"datasets": json.dumps([{"name": "synthetic", "path": os.path.abspath(args.folder)}]).replace(":", "="),
                    "organisms.list": "[]", "views": "['last_prompt']", "headline_site": args.sites[0],
                    "random_draws": args.draws, "bootstrap_draws": 100}
        sets = [part for pair in settings.items() for part in ("--set", f"{pair[0]}={pair[1]}")]
        _, *measured = run([args.program, "run", "--plugin", args.plugin, "--config", f"runs={folder}", "--progress", "none",
                            *sets])
        run_folder = os.path.join(folder, os.listdir(folder)[0], "tables")
        rows = {name: parquet.read_table(os.path.join(run_folder, f"{name}.parquet")).to_pylist()
                for name in ("overlap", "angles", "correlation", "mean_delta")}
    found = {}
    for row in rows["overlap"]:
        found |= {f"{row['site']} {row['subspace']} {name}": row[name] for name in ("k", *MEASURES)}
    for row in rows["angles"]:
        found[f"{row['site']} angle {row['index']}"] = row["degrees"]
    for row in rows["correlation"]:
        found |= {f"{row['site']} {name}": row[name] for name in ("prompt_k", "prompt_overlap", "pearson")}
    for row in rows["mean_delta"]:
        found[f"{row['site']} mean cosine"] = row["cosine"]
    return found, *measured


def compare(ours, theirs):
    """The largest difference, in degrees for angles, relative for lengths, and where it is."""
    shared = sorted(ours.keys() & theirs.keys())
    assert len(shared) >= len(theirs) > 0, sorted(theirs.keys() - ours.keys())
    for key in shared:
        assert not key.endswith(" k") or ours[key] == theirs[key], (key, ours[key], theirs[key])
    return max((abs(ours[key] - theirs[key]) / (abs(theirs[key]) if "mahalanobis" in key else 1), key) for key in shared)


def table(args):
    """The overlap table in numpy: every site by itself, each basis computed once, all k from one product."""
    dtype = np.float32 if args.peer.endswith("32") else np.float64
    fit = by_svd if args.peer.startswith("svd") else by_eigh
    found, evals, most = {}, [], 1
    for site in args.sites:
        parts = {key: rows.astype(dtype, copy=False) for key, rows in read(args, site).items()}
        train, bank = (parts[split, "after"] - parts[split, "before"] for split in ("train", "general"))
        before, bank_before = parts["train", "before"], parts["general", "before"]
        del parts
        mean, variances, components = fit(train)
        before_mean, before_variances, before_components = fit(before)
        del before
        shares = np.cumsum(variances / variances.sum())
        specs = [(f"variance:{share}", int(np.searchsorted(shares, share)) + 1) for share in SHARES]
        specs += [(f"k={k}", k) for k in KS]
        high = max(k for _, k in specs)
        most = max(most, high)
        centred = bank - mean
        evals.append(centred / np.linalg.norm(centred, axis=1, keepdims=True))
        ours, own, there = (rows @ basis[:high].T for rows, basis in
                            ((centred, components), (train - mean, components), (centred, before_components)))
        along = components[:high] @ mean
        lengths, raw, own_lengths = (np.linalg.norm(rows, axis=1) for rows in (centred, bank, train - mean))
        energy, own_energy, there_energy = (np.cumsum(np.square(rows, dtype=np.float64), axis=1) for rows in (ours, own, there))
        cross = np.cumsum((ours * along).astype(np.float64), axis=1)
        distance = np.sqrt(np.cumsum(np.square(ours, dtype=np.float64) / variances[:high], axis=1))
        onto_mean, square = bank @ mean, float(mean @ mean)
        for name, k in specs:
            projected = energy[:, k - 1]
            fraction = np.sqrt(projected) / lengths
            rebuilt = (onto_mean + projected + cross[:, k - 1]) / raw / np.sqrt(square + projected + 2 * cross[:, k - 1])
            values = [fraction, fraction ** 2, 1 - (lengths ** 2 - projected) / raw ** 2, distance[:, k - 1], rebuilt,
                      np.sqrt(own_energy[:, k - 1]) / own_lengths, np.sqrt(there_energy[:, k - 1]) / lengths]
            found |= {f"{site} {name} {measure}": float(np.mean(value)) for measure, value in zip(MEASURES, values)}
            found[f"{site} {name} k"] = k
        eval_components = fit(bank)[2]
        cosines = np.linalg.svd(components[:ANGLES] @ eval_components[:ANGLES].T, compute_uv=False)
        angles = np.degrees(np.arccos(np.minimum(cosines, 1)))
        found |= {f"{site} angle {at + 1}": float(angle) for at, angle in enumerate(angles)}
        prompt_k = int(np.searchsorted(np.cumsum(before_variances / before_variances.sum()), 0.95)) + 1
        offset = bank_before - before_mean
        like = np.linalg.norm(offset @ before_components[:prompt_k].T, axis=1) / np.linalg.norm(offset, axis=1)
        cosine = onto_mean / raw / np.sqrt(square)
        found[f"{site} prompt_k"] = prompt_k
        found[f"{site} prompt_overlap"] = float(like.mean())
        found[f"{site} pearson"] = float(np.corrcoef(like, cosine)[0, 1])
        eval_mean = bank.mean(axis=0)
        found[f"{site} mean cosine"] = float(eval_mean @ mean / np.linalg.norm(eval_mean) / np.sqrt(square))
    # The random control: its draws differ, so only its time is compared.
    for draw in range(args.draws):
        basis = np.linalg.qr(np.random.default_rng(draw).standard_normal((args.width, most)).astype(dtype))[0]
        for units in evals:
            np.sqrt(np.cumsum((units @ basis) ** 2, axis=1)).mean(axis=0)
    return found


def by_svd(rows):
    mean = rows.mean(axis=0, dtype=np.float64).astype(rows.dtype)
    _, values, vectors = np.linalg.svd(rows - mean, full_matrices=False)
    return mean, values.astype(np.float64) ** 2 / (len(rows) - 1), vectors


def by_eigh(rows):
    mean = rows.mean(axis=0)
    centred = rows - mean
    wide = len(rows) < rows.shape[1]
    values, vectors = np.linalg.eigh(centred @ centred.T if wide else centred.T @ centred)
    values, vectors = values[::-1], vectors[:, ::-1].T
    if wide:
        values, vectors = values[:-1], (vectors[:-1] / np.sqrt(values[:-1, None])) @ centred
    return mean, values / (len(rows) - 1), vectors


def read(args, site):
    import pyarrow.parquet as parquet
    rows = parquet.read_table(os.path.join(args.folder, "acts-00000.parquet"), columns=["split", "condition", site])
    split, condition = (np.array(rows[name].to_pylist()) for name in ("split", "condition"))
    values = rows[site].combine_chunks().flatten().to_numpy().reshape(len(split), -1)
    return {(s, c): values[(split == s) & (condition == c)] for s in ("train", "general") for c in ("before", "after")}


def raw_files(args):
    """The same values for the example, which reads no Parquet: one file per site, split and condition."""
    folder = args.folder + "_raw"
    if not os.path.exists(folder):
        os.makedirs(folder + ".new", exist_ok=True)
        for site in args.sites:
            for (split, condition), values in read(args, site).items():
                values.tofile(os.path.join(folder + ".new", f"{site}.{split}.{condition}.f32"))
        os.rename(folder + ".new", folder)
    return folder


def make(args):
    import pyarrow as pa
    import pyarrow.parquet as parquet
    os.makedirs(args.folder, exist_ok=True)
    counts = {"train": args.train, "general": args.eval}
    keys = [(split, condition) for split in counts for condition in ("before", "after")]
    names = {key: [f"{key[0]}{row:05}" for row in range(counts[key[0]])] for key in keys}
    site_values = {site: activations(args, at) for at, site in enumerate(args.sites)}
    field = lambda name, kind: pa.field(name, kind, nullable=False)
    vectors = pa.list_(pa.field("item", pa.float32(), nullable=False), args.width)
    texts = ["split", "condition", "row_id", "view"]
    schema = pa.schema([field(name, pa.string()) for name in texts] + [field(site, vectors) for site in args.sites])
    path = os.path.join(args.folder, "acts-00000.parquet")
    with parquet.ParquetWriter(path, schema, compression="none", use_dictionary=False, write_statistics=False) as writer:
        for key in keys:
            for start in range(0, len(names[key]), 1024):
                ids = names[key][start:start + 1024]
                columns = [pa.array([text] * len(ids)) for text in key] + [pa.array(ids), pa.array(["last_prompt"] * len(ids))]
                for site in args.sites:
                    values = site_values[site][key][start:start + 1024]
                    columns.append(pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), type=vectors))
                writer.write_table(pa.table(columns, schema=schema))
    rows = [(name, names[name, "before"]) for name in counts]
    rows = pa.table({"split": [split for split, ids in rows for _ in ids], "row_id": [i for _, ids in rows for i in ids]},
                    schema=pa.schema([field("split", pa.string()), field("row_id", pa.string())]))
    parquet.write_table(rows, os.path.join(args.folder, "rows-00000.parquet"), compression="none", use_dictionary=False)
    with open(os.path.join(args.folder, "README.md"), "w") as card:
        card.write("Synthetic activations, written by tests/peers/subspace_speed.py.\n")
    seal(args.folder)


def activations(args, seed):
    """float32 rows by split and condition."""
    rng, width = np.random.default_rng(seed), args.width
    turn = lambda: np.linalg.qr(rng.standard_normal((width, width), dtype=np.float32))[0]
    # What is left of the variance after k components: 0.2 at 84, 0.05 at 584 of 5,120.
    left = (1 + np.arange(width + 1) * (5120 / width) / 11.4) ** -0.757
    scales = np.sqrt(left[:-1] - left[1:]).astype(np.float32)
    root = lambda value: np.float32(np.sqrt(value))
    draw = lambda n: rng.standard_normal((n, width), dtype=np.float32)
    deltas, contexts, found = turn(), turn(), {}
    shift, level = (rng.standard_normal(width, dtype=np.float32) / root(width) for _ in range(2))
    # Two coordinates of the residual stream are large in every prompt, as in trained models.
    level[[7, width // 3]] += 20.0
    for split, n, elsewhere in (("train", args.train, 0.0), ("general", args.eval, 0.1)):
        before = 10 * level + 5 * (draw(n) * scales) @ contexts.T
        inside = (draw(n) * scales) @ deltas.T
        outside = draw(n) / root(width)
        delta = shift + root(1 - elsewhere) * inside + root(elsewhere) * outside
        found[split, "before"], found[split, "after"] = before, before + delta
    return found


def seal(folder):
    """The manifest that `dataset.open` asks for: the BLAKE3 of every byte, and last its own."""
    import pyarrow.parquet as parquet
    from blake3 import blake3
    entries = []
    for part in ("rows", "acts"):
        name = f"{part}-00000.parquet"
        with open(os.path.join(folder, name), "rb") as file:
            data = file.read()
        span = lambda start, end: {"start": start, "bytes": end - start, "blake3": blake3(data[start:end]).hexdigest()}
        metadata = parquet.ParquetFile(os.path.join(folder, name)).metadata
        groups = [metadata.row_group(at) for at in range(metadata.num_row_groups)]
        starts = [min(first_page(group.column(at)) for at in range(group.num_columns)) for group in groups]
        end = max(first_page(c) + c.total_compressed_size for c in (groups[-1].column(at) for at in range(metadata.num_columns)))
        ends = starts[1:] + [end]
        spans = [{"rows": group.num_rows, "span": span(*at)} for group, at in zip(groups, zip(starts, ends))]
        columns = []
        for column in parquet.read_schema(os.path.join(folder, name)):
            fixed = hasattr(column.type, "list_size")
            columns.append({"name": column.name, "type": "Float32" if fixed else "Utf8"}
                           | ({"width": column.type.list_size} if fixed else {}))
        file = {"name": name, "rows": metadata.num_rows, "bytes": len(data), "blake3": blake3(data).hexdigest(),
                "header": span(0, starts[0]), "row_groups": spans, "footer": span(end, len(data))}
        entries.append({"part": part, "rows": metadata.num_rows, "columns": columns, "files": [file]})
    with open(os.path.join(folder, "README.md"), "rb") as file:
        card = file.read()
    manifest = {"format": 1, "emhost": "synthetic", "about": "Synthetic activations.", "provenance": {}, "parts": entries,
                "card": {"start": 0, "bytes": len(card), "blake3": blake3(card).hexdigest()}, "digest": "0" * 64}
    text = (json.dumps(manifest, indent=2) + "\n").encode()
    digest = blake3(text).hexdigest().encode()
    with open(os.path.join(folder, "manifest.json"), "wb") as file:
        file.write(text[:-len(digest) - 4] + digest + text[-4:])


def first_page(column):
    return column.dictionary_page_offset if column.has_dictionary_page else column.data_page_offset


main()
