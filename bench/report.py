# SPDX-License-Identifier: MIT
"""The table of a run, and the page that keeps it with the machine's description."""
import json
import os
import platform
import subprocess
from statistics import median

# What most samples have.
COMMON = ("rate", "client_us", "server_us", "handler_us")
HEAD = ["#", "what", "figure", "baseline", "value", "goal", "met"]


def number(value):
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def spread(values):
    return f"{number(median(values))} [{number(min(values))}-{number(max(values))}]"


def figures(samples, source):
    name, key = source
    return [sample[key] for sample in samples.get(name, [])]


def ratio_text(ratio):
    return f"{100 * ratio:.1f} %" if ratio < 2 else f"{ratio:.1f} ×"


def goal_text(row):
    if row.bound is None:
        return ""
    sign = "≥" if row.at_least else "≤"
    if row.baseline and row.by == "difference":
        return f"{sign} +{number(row.bound)} {row.unit}"
    if row.baseline:
        return f"{sign} {100 * row.bound:.0f} %" if row.bound < 2 else f"{sign} {row.bound} ×"
    return f"{sign} {number(row.bound)} {row.unit}"


def compare(row, value, base):
    """The figure as the goal means it, and its text."""
    if row.by == "difference":
        return value - base, f"{value - base:+.3g} {row.unit}"
    return value / base, ratio_text(value / base)


def verdict(row, reached):
    if row.bound is None:
        return ""
    return "yes" if (reached >= row.bound if row.at_least else reached <= row.bound) else "NO"


def cells(row, samples, reasons):
    for name, _ in filter(None, (row.figure, row.baseline)):
        if name in reasons:
            return [row.number, row.what, f"no {name}: {reasons[name]}", "", "", goal_text(row), "?"]
    values = figures(samples, row.figure)
    base, text, reached = "", "", median(values)
    if row.baseline:
        base_values = figures(samples, row.baseline)
        reached, text = compare(row, reached, median(base_values))
        base = spread(base_values) + "".join(f" ({name})" for name in other_names(samples, row.baseline[0]))
    return [row.number, row.what, f"{spread(values)} {row.unit}", base, text, goal_text(row), verdict(row, reached)]


def other_names(samples, name):
    """Which candidate it is that is called the fastest of several."""
    taken = samples.get(name)
    return [other for other in samples if other != name and samples[other] is taken]


def add_fastest(samples, reasons, fastest):
    for name, several in fastest.items():
        measured = [one for one in several if one in samples and one not in reasons]
        if measured:
            samples[name] = samples[max(measured, key=lambda one: median(figures(samples, (one, "rate"))))]
        else:
            reasons[name] = "; ".join(f"{one}: {reasons[one]}" for one in several if one in reasons)


def add_shares(samples, reasons, shares):
    for name, parts in shares.items():
        missing = [part for part in parts if part in reasons]
        if missing:
            reasons[name] = reasons[missing[0]]
        elif all(part in samples for part in parts):
            rates = zip(*(figures(samples, (part, "rate")) for part in parts))
            samples[name] = [{"share": rate / base} for rate, base in rates]


def as_table(lines):
    """Markdown that is also fit to be read as it is; the first line is the head."""
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    ruled = [lines[0], ["-" * width for width in widths], *lines[1:]]
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
                     for line in ruled)


def table(rows, samples, reasons):
    return as_table([HEAD] + [cells(row, samples, reasons) for row in rows])


def spread_of(taken, key):
    return spread([sample[key] for sample in taken]) if key in taken[0] else ""


def details(samples):
    """Every candidate, with every figure that was taken of it."""
    lines = [["candidate", "entries/s", "client µs/entry", "server µs/entry", "handlers µs/entry", "more"]]
    for name, taken in samples.items():
        more = [f"{key} {spread_of(taken, key)}" for key in taken[0] if key not in COMMON]
        lines.append([name, *(spread_of(taken, key) for key in COMMON), ", ".join(more)])
    return as_table(lines)


def sample_text(sample):
    """One sample in a line, as it is taken."""
    text = "" if "rate" not in sample else "{:>9.0f}/s".format(sample["rate"])
    used = [f"{name} {sample[key]:.3f}" for name, key in
            (("client", "client_us"), ("server", "server_us"), ("handler", "handler_us")) if key in sample]
    more = [f"{key} {value:.3g}" for key, value in sample.items() if key not in COMMON]
    return "  ".join(filter(None, [text, ", ".join(used) + " µs/entry" if used else "", ", ".join(more)]))


def first_line(*argv):
    try:
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except OSError:
        return "none"
    return (done.stdout.splitlines() or ["unknown"])[0]


def cpu_model():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def load_average():
    return " ".join(f"{value:.1f}" for value in os.getloadavg())


def machine():
    return [
        f"{cpu_model()}, {os.cpu_count()} cores",
        f"{platform.system()} {platform.release()}, {platform.freedesktop_os_release()['PRETTY_NAME']}",
        first_line("redis-server", "--version"),
        first_line("cc", "--version"),
        f"hiredis {first_line('pkg-config', '--modversion', 'hiredis')}",
        f"Python {platform.python_version()}, Node {first_line('node', '--version')}, "
        f"{first_line('php', '--version')}, {first_line('go', 'version')}"]


def limits():
    """What is written by hand about goals that are not met."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "limits.md")) as file:
        return file.read()


def save(folder, text, run):
    """Keeps a run, {rounds, load, machine, samples}: as a page, and for programs."""
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "results.json"), "w") as file:
        json.dump(run, file, indent=1, ensure_ascii=False)
        file.write("\n")
    machine_lines = "\n".join("* " + line for line in run["machine"])
    with open(os.path.join(folder, "results.md"), "w") as file:
        file.write(f"""# The last results

Written by `make bench`: {run["rounds"]} rounds, candidates in turn, median [min-max]. A rate means something only
as a ratio to the baseline of the same run; CPU time for each entry is the stable figure.

{text}

{limits()}
## Every candidate

{details(run["samples"])}

## The machine

{machine_lines}
* load average before: {run["load"][0]}; after: {run["load"][1]}
""")
