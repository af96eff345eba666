"""Runs `calotype bench --json` and keeps the result as CSV in bench/runs, with machine, instruction set, threads and commit.

    python3 bench/record.py NAME [--filter NAME] [--threads N] [--program target/release/calotype]
"""

import argparse
import csv
import datetime
import json
import pathlib
import subprocess


def machine():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return "unknown"


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("name")
    parse.add_argument("--filter")
    parse.add_argument("--threads", type=int, default=2)
    parse.add_argument("--program", default="target/release/calotype")
    args = parse.parse_args()
    version = subprocess.run([args.program, "--version", "--verbose"], capture_output=True, text=True, check=True).stdout
    facts = dict(line.split(": ", 1) for line in version.splitlines() if ": " in line)
    command = [args.program, "bench", "--json", "--threads", str(args.threads)]
    if args.filter:
        command += ["--filter", args.filter]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [row for row in map(json.loads, output.splitlines()) if row.pop("event", "") == "bench"]
    load = pathlib.Path("/proc/loadavg").read_text().split()[0]
    fixed = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "isa": facts.get("instruction set", "").split()[0],
        "threads": args.threads,
        "commit": facts.get("commit", ""),
        "load_after": load,
    }
    columns = list(fixed) + sorted({key for row in rows for key in row}, key=lambda key: (key != "name", key))
    path = pathlib.Path(__file__).parent / "runs" / f"{fixed['date']}-{args.name}.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({**fixed, **row} for row in rows)
    print(path, len(rows), "rows")


if __name__ == "__main__":
    main()
