"""Exports a run to a real MLflow server that is killed on the way, and compares what it holds in the end with the run.

Usage: export_mlflow.py [--store sqlite|file] [--float32 COLUMN ...] CSV_FOLDER COMMAND..., with the run as CSV and the
command that exports it to MLFLOW_TRACKING_URI through a spool. Needs mlflow. Starts a server over an empty store in a
temporary folder, kills it (SIGKILL) some times while the command runs and starts it again; then kills the command itself
some times, on a second store; then exports again what is there. Every metric point, parameter and tag must be equal and
there once. One line per part; status 1 at the first difference.
"""

import argparse
import collections
import json
import math
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request

import export_tables

LARGEST = sys.float_info.max


class Server:
    """MLflow over a store that outlives it."""

    def __init__(self, folder, store):
        self.folder = pathlib.Path(folder)
        self.store = f"sqlite:///{folder}/store.db" if store == "sqlite" else f"{folder}/store"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self):
        command = [sys.executable, "-m", "mlflow", "server", "--port", str(self.port), "--workers", "1",
                   "--backend-store-uri", self.store, "--artifacts-destination", f"{self.folder}/artifacts"]
        environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true",
                                    "MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        self.process = subprocess.Popen(command, env=environment, stdout=open(self.folder / "log", "a"),
                                        stderr=subprocess.STDOUT, cwd=self.folder, start_new_session=True)

    def wait(self):
        for _ in range(600):
            try:
                return urllib.request.urlopen(f"{self.url}/health", timeout=2).read()
            except OSError:
                assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
                time.sleep(0.2)
        raise AssertionError((self.folder / "log").read_text()[-2000:])

    def kill(self):
        # The workers too: they are of its session, which is of its own making.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()



def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--store", default="sqlite")
    parser.add_argument("--float32", nargs="*", default=[])
    parser.add_argument("tables", type=pathlib.Path)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    args = parser.parse_args()
    expected = points(args.tables, args.float32)
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder, args.store)
        try:
            server.wait()
            kills = server_killed(server, args.command)
            compare(server, expected, args.tables, f"server killed {kills} times")
            subprocess.run(args.command, env=env(server), check=True, stdout=subprocess.DEVNULL)
            compare(server, expected, args.tables, "exported again")
        finally:
            server.kill()
    with tempfile.TemporaryDirectory() as folder:
        server = Server(folder, args.store)
        try:
            server.wait()
            kills = client_killed(server, args.command)
            compare(server, expected, args.tables, f"export killed {kills} times")
        finally:
            server.kill()


def env(server):
    return os.environ | {"MLFLOW_TRACKING_URI": server.url}


def server_killed(server, command):
    """Kills the server some times, at any moment of the export."""
    random.seed(3)
    export = subprocess.Popen(command, env=env(server), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    kills = 0
    while export.poll() is None:
        time.sleep(random.uniform(0.05, 0.6))
        if export.poll() is None and kills < 5:
            server.kill()
            kills += 1
            time.sleep(0.3)
            server.start()
            server.wait()
    assert export.returncode == 0, export.stderr.read().decode()
    assert kills > 0, "the export was too quick to be met: give it more steps"
    return kills


def client_killed(server, command):
    """Kills the export some times, then lets it end."""
    random.seed(4)
    kills = 0
    for _ in range(15):
        export = subprocess.Popen(command, env=env(server), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            # The first is met early: a small export is soon over.
            later = random.choice([random.uniform(0.02, 0.5), random.uniform(2, 6)])
            export.wait(timeout=later if kills else 0.05)
            # It has ended: what comes now would be another export of the same run.
            assert export.returncode == 0, export.stderr.read().decode()
            break
        except subprocess.TimeoutExpired:
            export.kill()
            export.wait()
            kills += 1
    subprocess.run(command, env=env(server), check=True, stdout=subprocess.DEVNULL)
    assert kills > 0
    return kills


def points(folder, float32):
    """How often each point is there, by key, step and value, as a database keeps it."""
    all = collections.Counter()
    for path in sorted(folder.rglob("*.csv")):
        table = export_tables.read(path)
        if "step" not in table:
            continue
        parts = ([path.parent.name] if path.parent != folder else []) + [path.stem]
        text = [name for name, column in table.items() if any(isinstance(x, str) for x in column)]
        for row, step in enumerate(table["step"]):
            label = " ".join(f"{name}-{table[name][row]}" for name in text)
            for name, column in table.items():
                value = column[row]
                if name == "step" or name in text or value is None:
                    continue
                if name in float32:
                    value = struct.unpack("f", struct.pack("f", value))[0]
                all[("/".join(map(plain, parts + [label] * bool(label) + [name])), step, shown(value))] += 1
    table, bases = export_tables.read(folder / "headline.csv"), collections.Counter()
    for row in range(len(table["quantity"])):
        base = "/".join(["headline", plain(table["quantity"][row]), plain(table["condition"][row])])
        bases[base] += 1
        base += f"_{bases[base]}" * (bases[base] > 1)
        for name in ["value", "low", "high", "control", "p", "n"]:
            if table[name][row] is not None:
                all[(f"{base}/{name}", 0, shown(table[name][row]))] += 1
    return all


def plain(text):
    text = re.sub(r"[^A-Za-z0-9_\-. ]", "_", text[:80]).strip()
    return re.sub(r"^\.+", lambda dots: "_" * len(dots[0]), text) or "_"


def shown(value):
    """A value as what is left of it: over a database an infinity is the largest number."""
    value = float(value)
    return "nan" if math.isnan(value) else repr(math.copysign(LARGEST, value) if math.isinf(value) else value)




def compare(server, expected, folder, what):
    import mlflow
    client = mlflow.MlflowClient(server.url)
    [experiment] = [e for e in client.search_experiments() if client.search_runs([e.experiment_id])]
    [run] = client.search_runs([experiment.experiment_id])
    held, times = collections.Counter(), set()
    for key in run.data.metrics:
        for point in client.get_metric_history(run.info.run_id, key):
            held[(key, point.step, shown(point.value))] += 1
            times.add(point.timestamp)
    assert held == expected, [list((held - expected).items())[:5], list((expected - held).items())[:5]]
    params = export_tables.read(folder / "params.csv")
    assert run.data.params.keys() == set(params["name"]), run.data.params
    for name, value in zip(params["name"], params["value"]):
        said = value if isinstance(value, str) else json.dumps(value)
        got = run.data.params[name]
        assert got == said or float(got) == float(said), (name, got, said)
    tags = run.data.tags
    assert tags["emhost.run_id"] == run.info.run_name and tags["emhost.plugin"] == experiment.name, tags
    assert tags["emhost.verdict"] in tags["mlflow.note.content"]
    assert run.info.status == "FINISHED" and run.info.start_time in times and run.info.end_time in times
    files = [file.path for file in client.list_artifacts(run.info.run_id, "figures")]
    print(f"{what}: {len(expected)} points, {len(params['name'])} parameters, {len(tags)} tags, {len(files)} file: equal, "
          f"none twice", flush=True)
    assert len(files) == 1, files


main()
