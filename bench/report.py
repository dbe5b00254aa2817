# SPDX-License-Identifier: MIT
"""The table of a run, and the page that keeps it with the machine's description."""
import os
import platform
import subprocess
from statistics import median

# What every sample has.
COMMON = ("rate", "client_us", "server_us", "handler_us")
HEAD = ["#", "what", "figure", "baseline", "ratio", "goal", "met"]


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def spread(values):
    return f"{number(median(values))} [{number(min(values))}-{number(max(values))}]"


def figures(samples, source):
    name, key = source
    return [sample[key] for sample in samples.get(name, [])]


def ratio_text(ratio):
    return f"{100 * ratio:.1f} %" if ratio < 2 else f"{ratio:.1f} ×"


def goal_text(row):
    sign = "≥" if row.at_least else "≤"
    if not row.baseline:
        return f"{sign} {number(row.bound)} {row.unit}"
    return f"{sign} {100 * row.bound:.0f} %" if row.bound < 2 else f"{sign} {row.bound} ×"


def cells(row, samples, reasons):
    for name, _ in filter(None, (row.figure, row.baseline)):
        if name in reasons:
            return [row.number, row.what, f"no {name}: {reasons[name]}", "", "", goal_text(row), "?"]
    values = figures(samples, row.figure)
    base, ratio, reached = "", "", median(values)
    if row.baseline:
        base_values = figures(samples, row.baseline)
        reached /= median(base_values)
        base, ratio = spread(base_values), ratio_text(reached)
    met = reached >= row.bound if row.at_least else reached <= row.bound
    return [row.number, row.what, f"{spread(values)} {row.unit}", base, ratio, goal_text(row),
            "yes" if met else "NO"]


def table(rows, samples, reasons):
    """A Markdown table that is also fit to be read as it is."""
    lines = [HEAD] + [cells(row, samples, reasons) for row in rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEAD))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths)) + " |"
                     for line in lines)


def details(samples):
    head = ["candidate", "entries/s", "client µs/entry", "server µs/entry", "handlers µs/entry"]
    lines = [head, ["---"] * len(head)]
    for name, taken in samples.items():
        lines.append([name] + [spread([sample[key] for sample in taken])
                               for key in COMMON])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


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


def machine():
    return "\n".join("* " + line for line in [
        f"{cpu_model()}, {os.cpu_count()} cores",
        f"{platform.system()} {platform.release()}, {platform.freedesktop_os_release()['PRETTY_NAME']}",
        first_line("redis-server", "--version"),
        first_line("cc", "--version"),
        f"hiredis {first_line('pkg-config', '--modversion', 'hiredis')}",
        f"Python {platform.python_version()}"])


def save(path, text, rounds, samples):
    with open(path, "w") as file:
        file.write(f"""# The last results

Written by `make bench`: {rounds} rounds, candidates in turn, median [min-max]. A rate means something only
as a ratio to the baseline of the same run; CPU time for each entry is the stable figure.

{text}

{details(samples)}

## The machine

{machine()}
""")
