# SPDX-License-Identifier: MIT
"""A plot with two logarithmic axes, as SVG. Pure: figures in, text out."""
import math
from html import escape

WIDTH, HEIGHT = 680, 400
LEFT, RIGHT, TOP, BOTTOM = 84, 24, 72, 56
COLOURS = ("#0b62c4", "#c2410c", "#15803d", "#7e22ce")
INK, FAINT = "#1f2328", "#d0d7de"


class Axis:
    """Where a value lies between two edges of the picture."""

    def __init__(self, values, edges, margin=1.0):
        self.low, self.high = min(values) / margin, max(values) * margin
        if self.low == self.high:
            self.low, self.high = self.low / 2, self.high * 2
        self.edges = edges

    def at(self, value):
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.edges[0] + share * (self.edges[1] - self.edges[0]), 1)

    def ticks(self):
        """Powers of ten, and what lies between them where they are few."""
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        steps = (1,) if self.high / self.low > 1000 else (1, 2, 5)
        values = (step * 10.0 ** decade for decade in decades for step in steps)
        return [value for value in values if self.low <= value <= self.high]


def figure(value):
    """3, 20k, 1.5M"""
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def text(x, y, words, anchor="middle", colour=INK, more=""):
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{colour}"{more}>{escape(words)}</text>'


def rule(x1, y1, x2, y2, colour, width=1):
    return f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="{colour}" stroke-width="{width}"/>'


def grid(x_axis, y_axis, xs):
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    for value in xs:
        x = x_axis.at(value)
        yield rule(x, bottom, x, bottom + 5, INK)
        yield text(x, bottom + 20, figure(value))
    for value in y_axis.ticks():
        y = y_axis.at(value)
        yield rule(LEFT, y, right, y, FAINT)
        yield text(LEFT - 8, y + 4, figure(value), "end")
    yield rule(LEFT, bottom, right, bottom, INK)


def series(points, colour, x_axis, y_axis):
    """points: (x, lowest, median, highest). The range is a bar through the median's dot."""
    spots = [(x_axis.at(x), y_axis.at(middle)) for x, _, middle, _ in points]
    path = " ".join(f"{x},{y}" for x, y in spots)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>'
    for (x, y), (_, low, _, high) in zip(spots, points):
        yield rule(x, y_axis.at(low), x, y_axis.at(high), colour)
        yield f'<circle cx="{x}" cy="{y}" r="3.5" fill="{colour}"/>'


def legend(labels):
    x = LEFT
    for label, colour in zip(labels, COLOURS):
        yield f'<circle cx="{x + 5}" cy="48" r="5" fill="{colour}"/>'
        yield text(x + 16, 52, label, "start")
        x += 40 + 7 * len(label)


def plot(title, x_name, y_name, lines):
    """lines: [(label, [(x, lowest, median, highest), …])], none of them empty."""
    points = [point for _, several in lines for point in several]
    x_axis = Axis([x for x, *_ in points], (LEFT + 12, WIDTH - RIGHT - 12))
    y_axis = Axis([y for _, *ys in points for y in ys], (HEIGHT - BOTTOM, TOP), margin=1.3)
    half = (HEIGHT - BOTTOM + TOP) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'font-family="sans-serif" font-size="13">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        text(LEFT, 26, title, "start", more=' font-size="16" font-weight="bold"'),
        *legend([label for label, _ in lines]),
        *grid(x_axis, y_axis, sorted({x for x, *_ in points})),
        text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14, x_name),
        text(20, half, y_name, more=f' transform="rotate(-90 20 {half})"'),
    ]
    for (_, several), colour in zip(lines, COLOURS):
        parts += series(several, colour, x_axis, y_axis)
    return "\n".join([*parts, "</svg>", ""])
