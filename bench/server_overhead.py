"""What a server takes beside the drawing: alternates `calotype generate` with the same picture over HTTP, keeps medians in bench/runs.

    python3 bench/server_overhead.py [--rounds 30] [--program target/release/calotype]

`generate` loads the model each time; a server has loaded it. So two figures: the ratio of the whole times, and what the HTTP
round trip takes beyond the seconds that the worker drew.
"""

import argparse
import base64
import csv
import datetime
import json
import pathlib
import statistics
import subprocess
import tempfile
import time
import urllib.request

from record import machine

REQUEST = {"prompt": "a 3d render of a red fox", "seed": 7, "n": 1}


def pixels(png):
    """The compressed pixels: all IDAT chunks, without the recipe."""
    place, data = 8, b""
    while place < len(png):
        length = int.from_bytes(png[place : place + 4], "big")
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + length]
        place += 12 + length
    return data


def generate(program, size, steps, folder):
    out = folder / "out.png"
    command = [program, "generate", REQUEST["prompt"], "--seed", "7", "--size", size, "--steps", str(steps), "-o", out, "--json"]
    begin = time.perf_counter()
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    whole = time.perf_counter() - begin
    done = next(event for event in map(json.loads, lines) if event["event"] == "done")
    return whole, done["seconds"], pixels(out.read_bytes())


def ask(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, {"content-type": "application/json"})) as answer:
        return json.load(answer)


def over_http(url, size, steps):
    begin = time.perf_counter()
    answer = ask(url + "/v1/images/generations", {**REQUEST, "size": size, "steps": steps})
    whole = time.perf_counter() - begin
    job = ask(url + "/api/v1/jobs?limit=1")["jobs"][0]
    return whole, job["seconds"], pixels(base64.b64decode(answer["data"][0]["b64_json"]))


def measure(program, url, size, steps, rounds, folder):
    over_http(url, size, steps)
    pairs = [(generate(program, size, steps, folder), over_http(url, size, steps)) for _ in range(rounds)]
    assert len({found[2] for pair in pairs for found in pair}) == 1, "the two draw different pictures"
    middle = lambda values: statistics.median(list(values))
    cli, http = middle(pair[0][0] for pair in pairs), middle(pair[1][0] for pair in pairs)
    beyond = [1000 * (pair[1][0] - pair[1][1]) for pair in pairs]
    return {
        "name": f"server-overhead-{size}-{steps}", "rounds": rounds,
        "generate_seconds": f"{cli:.4f}", "generate_drawing_seconds": f"{middle(pair[0][1] for pair in pairs):.4f}",
        "http_seconds": f"{http:.4f}", "http_drawing_seconds": f"{middle(pair[1][1] for pair in pairs):.4f}",
        "ratio_http_to_generate": f"{http / cli:.3f}", "beyond_drawing_ms": f"{middle(beyond):.1f}",
        "beyond_drawing_p90_ms": f"{sorted(beyond)[int(0.9 * (rounds - 1))]:.1f}",
    }


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--rounds", type=int, default=30)
    parse.add_argument("--program", default="target/release/calotype")
    parse.add_argument("--jobs", nargs="+", default=["64x64:8", "512x512:8", "512x512:25"], help="SIZE:STEPS")
    parse.add_argument("--runs", type=pathlib.Path, default=pathlib.Path(__file__).parent / "runs")
    args = parse.parse_args()
    version = subprocess.run([args.program, "--version", "--verbose"], capture_output=True, text=True, check=True).stdout
    facts = dict(line.split(": ", 1) for line in version.splitlines() if ": " in line)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        command = [args.program, "serve", "--port", "0", "--data", folder / "data"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            url = "http://" + server.stdout.readline().split("http://")[1].split("/")[0].strip()
            jobs = [(size, int(steps)) for size, steps in (job.split(":") for job in args.jobs)]
            rows = [measure(args.program, url, size, steps, args.rounds, folder) for size, steps in jobs]
            threads = ask(url + "/api/v1/plan", {"prompt": "x"})["threads"]
        finally:
            server.terminate()
            server.wait()
    today = datetime.date.today().isoformat()
    fixed = {
        "date": today, "machine": machine(), "isa": facts["instruction set"].split()[0], "threads": threads,
        "commit": facts["commit"], "load_after": pathlib.Path("/proc/loadavg").read_text().split()[0],
    }
    path = args.runs / f"{today}-server-overhead.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*fixed, *rows[0]])
        writer.writeheader()
        writer.writerows({**fixed, **row} for row in rows)
    print(path.read_text())


if __name__ == "__main__":
    main()
