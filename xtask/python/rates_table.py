"""One table of our rates beside PyTorch's, and the same as JSON.

usage: rates_table.py OURS.json THEIRS.json TABLE.json

A ratio is their time over ours: above 1 we are faster. Rows that memory bounds also say which share of the copy's
bandwidth they reach.
"""

import json
import sys

HEADING = f"{'what':<88} {'ours':>12} {'theirs':>12} {'ratio':>6} {'compiled':>9}  notes"


def rate(row, seconds):
    """A row's rate and its unit."""
    if row["pictures"]:
        return row["pictures"] / seconds, "img/s"
    if row["flops"]:
        return row["flops"] / seconds / 1e12, "TFLOP/s"
    return row["bytes"] / seconds / 1e9, "GB/s"


def bandwidth_of_copy(ours):
    rows = [row for row in ours["rows"] if row["spec"]["kind"] == "copy"]
    return rate(rows[0], rows[0]["seconds"])[0] if rows else None


def join(ours, theirs):
    """Ours and theirs by name, one entry a row of ours."""
    by_name = {row["name"]: row for row in theirs["rows"]}
    copied = bandwidth_of_copy(ours)
    for row in ours["rows"]:
        other = by_name.get(row["name"], {"seconds": {}, "errors": {"all": "not measured"}})
        value, unit = rate(row, row["seconds"])
        plain = other["seconds"].get("eager", other["seconds"].get("fused"))
        compiled = other["seconds"].get("compile")
        yield {
            "name": row["name"],
            "spec": row["spec"],
            "variant": row["variant"],
            "unit": unit,
            "ours": value,
            "theirs": rate(row, plain)[0] if plain else None,
            "ratio": plain / row["seconds"] if plain else None,
            "ratio_compiled": compiled / row["seconds"] if compiled else None,
            "of_copy": value / copied if copied and unit == "GB/s" else None,
            "errors": other["errors"],
        }


def line(entry):
    def number(value, form):
        return format(value, form) if value is not None else "-"

    notes = [entry["variant"]] if entry["variant"] else []
    if entry["of_copy"] is not None:
        notes.append(f"{entry['of_copy']:.0%} of the copy")
    notes += [f"{variant}: {error}" for variant, error in entry["errors"].items()]
    ours, theirs = number(entry["ours"], ".2f"), number(entry["theirs"], ".2f")
    ratio, compiled = number(entry["ratio"], ".2f"), number(entry["ratio_compiled"], ".2f")
    what = f"{entry['name']} [{entry['unit']}]"
    return f"{what:<88} {ours:>12} {theirs:>12} {ratio:>6} {compiled:>9}  {', '.join(notes)}".rstrip()


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    ours, theirs = (json.load(open(path, encoding="utf-8")) for path in sys.argv[1:3])
    entries = list(join(ours, theirs))
    print(f"ours: {ours['device']}, activations in {ours['activations']}")
    print(f"theirs: torch {theirs['torch']} on {theirs['device']}")
    print(HEADING)
    for entry in entries:
        print(line(entry))
    table = {"ours": ours["device"], "theirs": theirs["device"], "torch": theirs["torch"], "rows": entries}
    with open(sys.argv[3], "w", encoding="utf-8") as file:
        json.dump(table, file, indent=1)


if __name__ == "__main__":
    main()
