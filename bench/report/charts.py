"""Charts as inline SVG. Colours are classes, so that the page's light and dark themes apply; widths are those of a phone,
and the page scales them."""
import html
import math

WIDTH = 400
FONT = 11


def text(x, y, content, anchor='start', css=''):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{f" class={chr(34)}{css}{chr(34)}" if css else ""}>'
            f'{html.escape(str(content))}</text>')


def svg(height, parts, label):
    return (f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{html.escape(label, quote=True)}">'
            + ''.join(parts) + '</svg>')


def legend(series):
    items = ''.join(f'<span><i class="s{i}"></i>{html.escape(name)}</span>' for i, name in series)
    return f'<p class="legend">{items}</p>'


def si(ns):
    """A time in ns, short."""
    for limit, unit in ((1e9, 's'), (1e6, 'ms'), (1e3, 'µs')):
        if ns >= limit:
            return f'{ns / limit:.3g} {unit}'
    return f'{ns:.3g} ns'


class LogAxis:
    """Maps values to pixels, by powers of ten."""

    def __init__(self, low, high, begin, end, whole=True):
        self.low, self.high = math.log10(low), math.log10(high)
        if whole:
            self.low, self.high = math.floor(self.low + 1e-9), math.ceil(self.high - 1e-9)
        if self.high <= self.low:
            self.high = self.low + 1
        self.begin, self.end = begin, end

    def __call__(self, value):
        part = (math.log10(max(value, 1e-12)) - self.low) / (self.high - self.low)
        return self.begin + part * (self.end - self.begin)

    def ticks(self):
        return [10.0**e for e in range(math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9) + 1)]


def bars(rows, label, unit=si, reference=None):
    """Horizontal bars from zero: rows of (label, figure or number, series). A figure's whisker is its range.
    `reference`: {row label: (value, what)}, a mark at each."""
    reference = reference or {}
    value = lambda v: v['median'] if isinstance(v, dict) else v  # noqa: E731
    left, right, step = 142, 62, 21
    most = max([value(v) for _, v, _ in rows] + [r for r, _ in reference.values()])
    scale = (WIDTH - left - right) / (most or 1)
    parts, y = [], 4
    for name, v, series in rows:
        width = max(value(v) * scale, 1)
        parts.append(text(left - 6, y + 12, name, 'end'))
        parts.append(f'<rect class="s{series}" x="{left}" y="{y + 2}" width="{width:.1f}" height="13" rx="2"/>')
        end = width
        if isinstance(v, dict):
            low, high = v['quartiles'][0] * scale, min(v['quartiles'][1] * scale, WIDTH - left - 4)
            parts.append(f'<path class="whisker" d="M{left + low:.1f} {y + 8.5}H{left + high:.1f}"/>')
            end = max(end, high)
        if name in reference:
            at = left + reference[name][0] * scale
            parts.append(f'<path class="mark" d="M{at:.1f} {y - 1}V{y + 18}"><title>{html.escape(reference[name][1])}'
                         '</title></path>')
            end = max(end, at - left) if at - left - end < 44 else end
        parts.append(text(min(left + end + 5, WIDTH - 52), y + 12, unit(value(v)), css='value'))
        y += step
    return svg(y + 2, parts, label)


def stacked(rows, series, label):
    """Horizontal stacked bars: rows of (label, [number for each series])."""
    left, right, step = 100, 58, 21
    most = max(sum(values) for _, values in rows)
    scale = (WIDTH - left - right) / (most or 1)
    parts, y = [], 4
    for name, values in rows:
        parts.append(text(left - 6, y + 12, name, 'end'))
        x = float(left)
        for (number, what), v in zip(series, values):
            width = max(v, 0) * scale
            parts.append(f'<rect class="s{number}" x="{x:.1f}" y="{y + 2}" width="{max(width - 1, 0.3):.1f}" height="13">'
                         f'<title>{html.escape(what)}: {si(max(v, 0))}</title></rect>')
            x += width
        parts.append(text(x + 5, y + 12, si(sum(values)), css='value'))
        y += step
    return legend(series) + svg(y + 2, parts, label)


def lines(curves, label, x_axis, y_axis, x_tick, y_tick, x_title, marks=()):
    """Curves of (series, name, [(x, y)]); axes map values to pixels; marks: (x, y, what)."""
    parts = []
    for tick in y_axis.ticks():
        y = y_axis(tick)
        parts.append(f'<path class="grid" d="M{x_axis.begin} {y:.1f}H{x_axis.end}"/>')
        parts.append(text(x_axis.begin - 5, y + 4, y_tick(tick), 'end', 'tick'))
    for tick in x_axis.ticks():
        x = x_axis(tick)
        parts.append(f'<path class="grid" d="M{x:.1f} {y_axis.begin}V{y_axis.end}"/>')
        parts.append(text(x, y_axis.begin + 14, x_tick(tick), 'middle', 'tick'))
    parts.append(text((x_axis.begin + x_axis.end) / 2, y_axis.begin + 30, x_title, 'middle', 'tick'))
    for series, name, points in curves:
        path = 'L'.join(f'{x_axis(x):.1f} {y_axis(y):.1f}' for x, y in points)
        parts.append(f'<path class="line l{series}" d="M{path}"><title>{html.escape(name)}</title></path>')
    for x, y, what in marks:
        parts.append(f'<circle class="dot" cx="{x_axis(x):.1f}" cy="{y_axis(y):.1f}" r="4"/>')
        parts.append(text(x_axis(x), y_axis(y) - 9, what, 'middle', 'value'))
    return legend([(s, n) for s, n, _ in curves]) + svg(y_axis.begin + 38, parts, label)


class Linear:
    """Maps [0, 1] to pixels."""

    def __init__(self, begin, end):
        self.begin, self.end = begin, end

    def __call__(self, value):
        return self.begin + value * (self.end - self.begin)

    def ticks(self):
        return [0, 0.25, 0.5, 0.75, 1]


def ranks(rows, series, label, low, high):
    """Dots on one logarithmic axis: rows of (label, {series number: (value, low, high)})."""
    left, right, step = 104, 10, 19
    axis = LogAxis(low, high, left, WIDTH - right, whole=False)
    ticks = [t for t in (0.5, 1, 2, 5, 10, 20, 50, 100, 200) if low <= t <= high]
    bottom = 20 + step * len(rows)
    parts = []
    for tick in ticks:
        x = axis(tick)
        parts.append(f'<path class="grid{" one" if tick == 1 else ""}" d="M{x:.1f} 16V{bottom}"/>')
        parts.append(text(x, 11, f'{tick:g}×', 'middle', 'tick'))
    y = 20
    for name, values in rows:
        parts.append(text(left - 8, y + 12, name, 'end'))
        if values:
            ends = [axis(v[0]) for v in values.values()]
            parts.append(f'<path class="whisker" d="M{min(ends):.1f} {y + 8}H{max(ends):.1f}"/>')
        for number, (value, least, most) in values.items():
            parts.append(f'<path class="range l{number}" d="M{axis(least):.1f} {y + 8}H{axis(most):.1f}"/>')
            parts.append(f'<circle class="s{number}" cx="{axis(value):.1f}" cy="{y + 8}" r="4.5">'
                         f'<title>{value:.2f} × native ({least:.2f} to {most:.2f})</title></circle>')
        y += step
    return legend(series) + svg(bottom + 6, parts, label)
