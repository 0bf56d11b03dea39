"""The results of a run: written as JSON and CSV, read again for compare."""
import csv
import json
import os

FORMAT = 1
COLUMNS = ("case", "kind", "measure", "at", "subject", "unit", "better", "rounds", "median", "min", "max",
           "spread", "noisy", "values")


class Unreadable(Exception):
    """A file that is no results.json of ours; the text says why."""


def round_off(value):
    """Six figures say enough."""
    return float("%.6g" % value) if isinstance(value, float) else value


def tidy(row):
    """A row of figures with rounded numbers."""
    return {key: [round_off(v) for v in value] if isinstance(value, list) else round_off(value)
            for key, value in row.items()}


def case_entry(session, status, seconds):
    """One case as results.json has it; status is complete, or says why it is not."""
    return {"name": session.case.name, "title": session.case.title, "status": status,
            "seconds": round(seconds, 1), "notes": session.notes, "commands": session.commands,
            "configurations": session.configurations,
            "figures": [tidy(row) for row in session.figures.rows()]}


def rows(results):
    """All figures of all cases."""
    return [row for case in results["cases"] for row in case["figures"]]


def write_json(folder, results):
    with open(os.path.join(folder, "results.json"), "w", encoding="utf-8") as stream:
        json.dump(results, stream, indent=1, ensure_ascii=False)
        stream.write("\n")


def write_csv(folder, results):
    with open(os.path.join(folder, "results.csv"), "w", encoding="utf-8", newline="") as stream:
        out = csv.DictWriter(stream, COLUMNS, extrasaction="ignore")
        out.writeheader()
        for row in rows(results):
            out.writerow({**row, "values": " ".join(map(str, row["values"]))})


def read_json(path):
    """A results.json, or its folder."""
    if os.path.isdir(path):
        path = os.path.join(path, "results.json")
    try:
        with open(path, encoding="utf-8") as stream:
            found = json.load(stream)
    except (OSError, ValueError) as why:
        raise Unreadable("%s: %s" % (path, why)) from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise Unreadable("%s: no results of scripts/bench (format %d)" % (path, FORMAT))
    return found
