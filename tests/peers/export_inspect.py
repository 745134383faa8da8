"""Reads an Inspect log that emhost exported with inspect_ai and compares every sample with the table.

Usage: export_inspect.py LOG TABLE_CSV [--float32 COLUMN ...], with the log, the table as `emhost export` writes it as CSV,
and the names of condition columns that have 32 bits. Needs inspect_ai. Opens the log whole and by its header, compares
inputs, answers, scores, conditions and means, and writes the log again by inspect_ai. One line; status 1 at the first
difference.
"""

import argparse
import math
import pathlib
import statistics
import struct
import tempfile

from inspect_ai.log import list_eval_logs, read_eval_log, read_eval_log_sample_summaries, write_eval_log

import export_tables


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("log")
    parser.add_argument("table")
    parser.add_argument("--float32", nargs="*", default=[])
    args = parser.parse_args()
    path = str(pathlib.Path(args.log).absolute())
    table = export_tables.read(args.table)
    rows = len(next(iter(table.values())))
    header = read_eval_log(path, header_only=True)
    log = read_eval_log(path)
    assert log.version == 2 and log.status == "success", log.status
    assert len(log.samples) == rows == log.results.total_samples, (len(log.samples), rows)
    names = [score.name for score in log.results.scores]
    pairs = set()
    for row, sample in enumerate(log.samples):
        equal(sample, {name: column[row] for name, column in table.items()}, row, names, args.float32)
        pairs.add((sample.id, sample.epoch))
    assert len(pairs) == rows, "id and epoch say which sample it is"
    assert max(sample.epoch for sample in log.samples) == log.eval.config.epochs
    for score in log.results.scores:
        known = [x for x in table[score.name] if x is not None and not (isinstance(x, float) and math.isnan(x))]
        assert (score.scored_samples, score.unscored_samples) == (len(known), rows - len(known)), score
        # Sums in another order round otherwise.
        assert math.isclose(score.metrics["mean"].value, statistics.fmean(known), rel_tol=1e-12), score
        assert math.isclose(score.metrics["stderr"].value, statistics.stdev(known) / math.sqrt(len(known)), rel_tol=1e-9)
    for part in ["eval", "plan", "results", "stats"]:
        # Models of pydantic also compare which fields were given.
        whole, alone = getattr(log, part).model_dump(), getattr(header, part).model_dump()
        assert whole == alone, (part, whole, alone)
    listed = [info.name for info in list_eval_logs(str(pathlib.Path(path).parent))]
    assert any(name.endswith(pathlib.Path(path).name) for name in listed), listed
    summaries = read_eval_log_sample_summaries(path)
    assert len(summaries) == rows
    with tempfile.TemporaryDirectory() as folder:
        for kind in ["json", "eval"]:
            again = f"{folder}/again.{kind}"
            write_eval_log(log, again)
            assert [s.model_dump() for s in read_eval_log(again).samples] == [s.model_dump() for s in log.samples], kind
    print(f"{rows} samples, {len({id for id, _ in pairs})} ids, {log.eval.config.epochs} epochs, scores {', '.join(names)}: equal")


def equal(sample, row, number, names, float32):
    def check(what, got, expected):
        assert export_tables.same(got, expected), (number, what, got, expected)

    question, answer = row["question"], row["answer"]
    check("row", sample.metadata["row"], number)
    check("row_id", sample.metadata["row_id"], row["row_id"])
    check("input", sample.input, question)
    check("completion", sample.output.completion, answer or "")
    check("choices", len(sample.output.choices), int(answer is not None))
    check("messages", [m.text for m in sample.messages], [question] + [answer] * (answer is not None))
    check("missing", sample.metadata.get("missing"), ["answer"] if answer is None else None)
    for name, value in sample.metadata["conditions"].items():
        expected = row[name]
        if name in float32 and expected is not None:
            expected = struct.unpack("f", struct.pack("f", expected))[0]
        check(name, value, expected)
    missing = sample.metadata.get("missing_scores", {})
    for name in names:
        value = row[name]
        if value is None or isinstance(value, float) and not math.isfinite(value):
            assert name not in sample.scores and name in missing, (number, name)
            check(name, missing[name], None if value is None else "NaN")
        else:
            check(name, sample.scores[name].value, value)
    assert set(sample.scores) | set(missing) == set(names)


main()
