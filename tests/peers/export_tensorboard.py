"""Reads the event files that emhost exported with TensorBoard's own reader and compares every point with the tables.

Usage: export_tensorboard.py FOLDER CSV_FOLDER [--float32 COLUMN ...], with the exports of one run to TensorBoard and to
CSV, and the names of columns that have 32 bits. Needs tensorboard and numpy. One line; status 1 at the first difference.
"""

import argparse
import json
import math
import pathlib

import numpy as np
from tensorboard.backend.event_processing import event_accumulator, plugin_event_multiplexer
from tensorboard.backend.event_processing.event_file_loader import RawEventFileLoader
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard import context
from tensorboard.util import tensor_util

import export_tables


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("tables", type=pathlib.Path)
    parser.add_argument("--float32", nargs="*", default=[])
    args = parser.parse_args()
    files = sorted(args.folder.rglob("events.out.tfevents.*"))
    # Its loader checks length and checksum of each record.
    records = sum(1 for file in files for _ in RawEventFileLoader(str(file)).Load())
    expected = curves(args.tables, args.float32)
    found = {}
    for file in files:
        accumulator = event_accumulator.EventAccumulator(str(file.parent), size_guidance={"tensors": 0})
        accumulator.Reload()
        tags = accumulator.Tags()["tensors"]
        if file.parent == args.folder:
            headline(accumulator, args.tables)
            continue
        about = json.loads(texts(accumulator, "emhost/run")[0])
        key = (about["cell"], tuple(sorted(about["texts"].items())))
        for tag in tags:
            if tag != "emhost/run":
                assert accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "scalars", tag
                assert (*key, tag) not in found, tag
                found[(*key, tag)] = numbers(accumulator, tag)
    assert found.keys() == expected.keys(), found.keys() ^ expected.keys()
    for key, points in expected.items():
        assert len(points) == len(found[key]), (key, len(points), len(found[key]))
        for ours, theirs in zip(found[key], points):
            assert ours[0] == theirs[0] and export_tables.same(ours[1], theirs[1]), (key, ours, theirs)
    shown = dashboard(args.folder)
    print(f"{len(files)} files, {records} records, {len(found)} curves, {sum(map(len, found.values()))} points: equal; "
          f"the dashboard has {shown} curves")


def numbers(accumulator, tag):
    values = [(event.step, tensor_util.make_ndarray(event.tensor_proto)) for event in accumulator.Tensors(tag)]
    assert all(value.dtype == np.float64 and value.shape == () for _, value in values), tag
    return [(step, float(value)) for step, value in values]


def texts(accumulator, tag):
    return [tensor_util.make_ndarray(event.tensor_proto).item().decode() for event in accumulator.Tensors(tag)]


def curves(folder, float32):
    """Step and value of each point, by cell, texts and tag."""
    all = {}
    for path in sorted(folder.rglob("*.csv")):
        table = export_tables.read(path)
        if "step" not in table:
            continue
        cell = path.parent.name if path.parent != folder else None
        text = [name for name, column in table.items() if any(isinstance(x, str) for x in column)]
        for row, step in enumerate(table["step"]):
            said = tuple(sorted((name, table[name][row]) for name in text))
            for name, column in table.items():
                value = column[row]
                if name == "step" or name in text or value is None:
                    continue
                value = float(np.float32(value)) if name in float32 else float(value)
                all.setdefault((cell, said, f"{path.stem}/{name}"), []).append((step, value))
    return all


def headline(accumulator, folder):
    table = export_tables.read(folder / "headline.csv")
    tags = [tag for tag in accumulator.Tags()["tensors"] if tag.startswith("headline/")]
    values = {tag: numbers(accumulator, tag) for tag in tags}
    assert all(len(points) == 1 and points[0][0] == 0 for points in values.values())
    # Names are made plain; the description says what they were.
    by_words = {}
    for tag in tags:
        about = accumulator.SummaryMetadata(tag).summary_description
        by_words[(about, tag.rsplit("/", 1)[1])] = values[tag][0][1]
    count = 0
    for row in range(len(table["quantity"])):
        about = "; ".join(table[name][row] for name in ["quantity", "condition", "method"])
        for name in ["value", "low", "high", "control", "p", "n"]:
            expected = table[name][row]
            if expected is None:
                assert (about, name) not in by_words
                continue
            assert export_tables.same(by_words[(about, name)], float(expected)), (about, name)
            count += 1
    assert count == len(tags), (count, len(tags))
    params = export_tables.read(folder / "params.csv")
    text = texts(accumulator, "params")[0]
    assert all(f"| {name} |" in text for name in params["name"]), text


def dashboard(folder):
    """What the scalars dashboard would show."""
    multiplexer = plugin_event_multiplexer.EventMultiplexer(tensor_size_guidance={"scalars": 0, "text": 0})
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    experiment = context.RequestContext()
    listed = provider.list_scalars(experiment, experiment_id="x", plugin_name="scalars")
    assert provider.list_tensors(experiment, experiment_id="x", plugin_name="text"), "texts are shown"
    read = provider.read_scalars(experiment, experiment_id="x", plugin_name="scalars", downsample=10)
    assert all(isinstance(point.value, float) for run in read.values() for tag in run.values() for point in tag)
    assert not math.isnan(len(listed))
    return sum(len(tags) for tags in listed.values())


main()
