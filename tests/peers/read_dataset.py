"""Opens a dataset folder with every reader that people use and compares what they see.

Usage: read_dataset.py FOLDER. Needs pyarrow, polars, pandas, duckdb and datasets. Prints one JSON line; any difference
in columns, types, counts or values is an AssertionError.
"""

import glob
import json
import os
import sys
import tempfile

# Read by `datasets` when it is imported.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

import datasets
import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq


def main(folder):
    datasets.disable_progress_bars()
    with open(os.path.join(folder, "manifest.json")) as file:
        manifest = json.load(file)
    report = {"dataset": os.path.basename(os.path.normpath(folder)), "versions": versions(), "parts": {}}
    for part in manifest["parts"]:
        report["parts"][part["part"]] = check(folder, part)
    print(json.dumps(report))


def check(folder, part):
    name = part["part"]
    files = sorted(glob.glob(os.path.join(folder, f"{name}-*.parquet")))
    assert [os.path.basename(f) for f in files] == [f["name"] for f in part["files"]]
    reference = pa.concat_tables(pq.read_table(f) for f in files)
    columns = [c["name"] for c in part["columns"]]
    assert reference.column_names == columns and reference.num_rows == part["rows"]
    for column in part["columns"]:
        kind = reference.schema.field(column["name"]).type
        if "width" in column:
            assert pa.types.is_fixed_size_list(kind), kind
            assert kind.list_size == column["width"], (kind, column)
            kind = kind.value_type
        if not pa.types.is_nested(kind):
            assert NAMES.get(str(kind), str(kind)) == column["type"].lower(), (kind, column)

    expected = {c: plain(reference[c].to_pylist()) for c in columns}
    readers = {"polars": polars, "pandas": pandas, "duckdb": duck, "datasets": hugging_face}
    for reader, read in readers.items():
        found = read(folder, name, files)
        assert list(found) == columns, (reader, list(found))
        for column in columns:
            compare(expected[column], plain(found[column]), f"{reader}, column {column}")
    types = vector_types(files, part)
    return {"rows": part["rows"], "columns": len(columns), "files": len(files), "readers": ["pyarrow", *readers], **types}


def polars(folder, name, files):
    frame = pl.read_parquet(files)
    return {c: frame[c].to_list() for c in frame.columns}


def pandas(folder, name, files):
    frame = pd.concat([pd.read_parquet(f, dtype_backend="pyarrow") for f in files], ignore_index=True)
    return {c: frame[c].array.__arrow_array__().to_pylist() for c in frame.columns}


def duck(folder, name, files):
    relation = duckdb.sql(f"select * from read_parquet({files!r})")
    rows = relation.fetchall()
    return {c: [row[i] for row in rows] for i, c in enumerate(relation.columns)}


def hugging_face(folder, name, files):
    with tempfile.TemporaryDirectory() as cache:
        data = datasets.load_dataset(folder, name, split="train", cache_dir=cache)
        table = data.data.table
        for field in table.schema:
            source = pq.read_schema(files[0]).field(field.name).type
            if pa.types.is_fixed_size_list(source):
                assert field.type.list_size == source.list_size, (field, source)
                assert field.type.value_type == source.value_type, (field, source)
        return {c: table[c].to_pylist() for c in table.column_names}


def vector_types(files, part):
    """Vector columns are arrays of one width in polars and lists of floats in DuckDB."""
    schema = pl.read_parquet_schema(files[0])
    described = duckdb.sql(f"describe select * from read_parquet({files!r})").fetchall()
    described = {row[0]: row[1] for row in described}
    sites = [c for c in part["columns"] if "width" in c and c["type"].startswith("Float")]
    for site in sites:
        assert schema[site["name"]].shape == (site["width"],), schema[site["name"]]
        assert described[site["name"]] == "FLOAT[]", described[site["name"]]
    return {"sites": len(sites), "site_types": sorted({str(schema[s["name"]].inner) for s in sites})}


NAMES = {"float": "float32", "halffloat": "float16", "double": "float64", "string": "utf8", "bool": "boolean"}


def plain(values):
    """Nested Python lists of plain numbers, text and None."""
    if isinstance(values, (list, tuple, np.ndarray)):
        return [plain(v) for v in values]
    return values.item() if isinstance(values, np.generic) else values


def compare(expected, found, where):
    assert len(expected) == len(found), (where, len(expected), len(found))
    for row, (a, b) in enumerate(zip(expected, found)):
        assert same(a, b), (where, row, a, b)


def same(a, b):
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and a != a:
        return isinstance(b, float) and b != b
    return a == b


def versions():
    return {m.__name__: m.__version__ for m in (pa, pl, pd, duckdb, datasets)}


if __name__ == "__main__":
    main(sys.argv[1])
