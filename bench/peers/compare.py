"""Alternates `calotype bench --filter train-SIZEpx` and `train_step.py` and writes the ratio of medians to bench/runs.

    venv/bin/python bench/peers/compare.py --size 64 --modes eager compile --rounds 2
"""

import argparse
import csv
import datetime
import json
import pathlib
import statistics
import subprocess
import sys


def main():
    parse = argparse.ArgumentParser()
    parse.add_argument("--size", type=int, default=64)
    parse.add_argument("--modes", nargs="+", default=["eager", "compile"])
    parse.add_argument("--detail", action="store_true", help="with patches of 32 and the detail network")
    parse.add_argument("--precision", choices=["bf16", "f32"], default="bf16", help="of the peer")
    parse.add_argument("--rounds", type=int, default=2)
    parse.add_argument("--threads", type=int, default=2)
    parse.add_argument("--suffix", default="", help="tells runs of one day on different machines apart")
    parse.add_argument("--program", default="target/release/calotype")
    args = parse.parse_args()
    here = pathlib.Path(__file__).parent
    name = f"train-{args.size}px" + ("-detail" if args.detail else "")
    ours, adamw, peers = [], [], {mode: [] for mode in args.modes}
    for _ in range(args.rounds):
        command = [args.program, "bench", "--json", "--filter", name, "--threads", str(args.threads)]
        lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        rows = {row.get("name"): row for row in map(json.loads, lines)}
        ours.append(rows[name])
        adamw.append(rows[name + "-adamw"])
        for mode in args.modes:
            command = [sys.executable, here / "train_step.py", "--mode", mode, "--size", str(args.size),
                       "--threads", str(args.threads), "--steps", "3", "--precision", args.precision,
                       *(["--detail"] if args.detail else [])]
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            peers[mode].append(json.loads(output.splitlines()[-1]))
    version = subprocess.run([args.program, "--version", "--verbose"], capture_output=True, text=True).stdout
    facts = dict(line.split(": ", 1) for line in version.splitlines() if ": " in line)
    median = lambda rows, key: statistics.median(row[key] for row in rows)
    suffix = f"-{args.suffix}" if args.suffix else ""
    path = here.parent / "runs" / f"{datetime.date.today().isoformat()}-{name}-peers{suffix}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["peer", "peer_precision", "isa", "threads", "commit", "size", "batch", "ours_forward_backward",
                         "peer_forward_backward", "ratio_forward_backward", "ours_step_muon", "ours_step_adamw", "peer_step_adamw", "ratio_step_muon",
                         "ratio_step_adamw", "rounds", "unit"])
        for mode, rows in peers.items():
            half = median(ours, "forward_backward_pictures_per_second"), median(rows, "forward_backward_pictures_per_second")
            muon, plain = median(ours, "pictures_per_second"), median(adamw, "pictures_per_second")
            whole = median(rows, "step_pictures_per_second")
            writer.writerow([rows[0]["peer"], rows[0]["precision"], facts["instruction set"].split()[0], args.threads,
                             facts["commit"], args.size, rows[0]["batch"], *map("{:.1f}".format, half), f"{half[0] / half[1]:.2f}",
                             f"{muon:.1f}", f"{plain:.1f}", f"{whole:.1f}", f"{muon / whole:.2f}", f"{plain / whole:.2f}",
                             args.rounds, "pictures/s"])
    print(path.read_text())


if __name__ == "__main__":
    main()
