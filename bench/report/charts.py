"""Charts as inline SVG. Colours are classes, so that the page's light and dark themes apply; widths are those of a phone,
and the page scales them."""
import html
import math

WIDTH = 380


def text(x, y, content, anchor='start', css=''):
    return (f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{f" class={chr(34)}{css}{chr(34)}" if css else ""}>'
            f'{html.escape(str(content))}</text>')


def svg(height, parts, label):
    return (f'<svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" aria-label="{html.escape(label, quote=True)}">'
            + ''.join(parts) + '</svg>')


def legend(series):
    """Of (series, name) or (series, name, dashed)."""
    items = ''.join(f'<span><i class="s{i}{" hollow" if dashed and dashed[0] else ""}"></i>{html.escape(name)}</span>'
                    for i, name, *dashed in series)
    return f'<p class="legend">{items}</p>'


# --- numbers ---

def short(value):
    """Three digits, without an exponent."""
    if abs(value) >= 100:
        return f'{value:,.0f}'
    return f'{value:.3g}'


def si(ns):
    """A time in ns."""
    for limit, unit in ((1e9, 's'), (1e6, 'ms'), (1e3, 'µs')):
        if abs(ns) >= limit * 0.9995:
            return f'{short(ns / limit)} {unit}'
    return f'{short(ns)} ns'


def size(bytes_):
    for limit, unit in ((2**30, 'GiB'), (2**20, 'MiB'), (2**10, 'KiB')):
        if bytes_ >= limit * 10 or (bytes_ >= limit and unit != 'KiB'):
            return f'{short(bytes_ / limit)} {unit}'
    return f'{short(bytes_)} B'


def amount(value, unit):
    """A figure as people read it."""
    if unit == 'ns':
        return si(value)
    if unit == 's':
        return si(value * 1e9)
    if unit == 'bytes':
        return size(value)
    return f'{short(value)} {unit}'


# --- axes: from values to pixels ---

class LogAxis:
    """By powers of ten, or by the given ticks."""

    def __init__(self, low, high, begin, end, whole=True, ticks=None):
        self.low, self.high = math.log10(low), math.log10(high)
        if whole:
            self.low, self.high = math.floor(self.low + 1e-9), math.ceil(self.high - 1e-9)
        if self.high <= self.low:
            self.high = self.low + 1
        self.begin, self.end, self.given = begin, end, ticks

    def __call__(self, value):
        part = (math.log10(max(value, 1e-12)) - self.low) / (self.high - self.low)
        return self.begin + min(max(part, -0.02), 1.02) * (self.end - self.begin)

    def ticks(self):
        return self.given or [10.0**e for e in range(math.ceil(self.low - 1e-9), math.floor(self.high + 1e-9) + 1)]


class LinearAxis:
    """From 0 to a round number at or above `high`, or to exactly `high`."""

    def __init__(self, high, begin, end, exactly=False):
        step = 10.0**math.floor(math.log10(max(high, 1e-12) / 2))
        step = next(s for s in (step, 2 * step, 5 * step, 10 * step) if 5 * s >= high)
        self.high = high if exactly else step * math.ceil(high / step - 1e-9)
        self.step = high / 4 if exactly else step
        self.begin, self.end = begin, end

    def __call__(self, value):
        return self.begin + value / self.high * (self.end - self.begin)

    def ticks(self):
        return [i * self.step for i in range(int(self.high / self.step + 1e-6) + 1)]


# --- charts ---

def bars(rows, label, unit=si, logarithmic=False):
    """Horizontal bars: rows of (label, figure or number, series). A figure's whisker is its middle half. Logarithmic bars
    are for counts: they begin at 0 and grow by orders of magnitude."""
    value = lambda v: v['median'] if isinstance(v, dict) else v  # noqa: E731
    place = (lambda v: math.log10(1 + max(v, 0))) if logarithmic else (lambda v: max(v, 0))
    left, right, step = 138, 64, 21
    scale = (WIDTH - left - right) / (max(place(value(v)) for _, v, _ in rows) or 1)
    parts, y = [], 4
    for name, v, series in rows:
        width = place(value(v)) * scale
        parts.append(text(left - 6, y + 12, name, 'end'))
        parts.append(f'<rect class="s{series}" x="{left}" y="{y + 2}" width="{max(width, 1):.1f}" height="13" rx="2"/>')
        end = width
        if isinstance(v, dict):
            low, high = (min(place(q) * scale, WIDTH - left - 56) for q in v['quartiles'])
            parts.append(f'<path class="whisker" d="M{left + low:.1f} {y + 8.5}H{left + high:.1f}"/>')
            end = max(end, high)
        parts.append(text(left + end + 5, y + 12, unit(value(v)), css='value'))
        y += step
    return svg(y + 2, parts, label)


def stacked(rows, series, label):
    """Horizontal stacked bars of times: rows of (label, [number for each series])."""
    left, right, step = 92, 58, 21
    scale = (WIDTH - left - right) / (max(sum(values) for _, values in rows) or 1)
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


def lines(curves, label, x_axis, y_axis, x_tick, y_tick, x_title, marks=(), dots=False):
    """Curves of (series, name, [(x, y)]) or (series, name, points, dashed); axes map values to pixels; marks: (x, y, what)."""
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
    for series, name, points, *dashed in curves:
        path = 'L'.join(f'{x_axis(x):.1f} {y_axis(y):.1f}' for x, y in points)
        dash = ' dashed' if dashed and dashed[0] else ''
        parts.append(f'<path class="line l{series}{dash}" d="M{path}"><title>{html.escape(name)}</title></path>')
        if dots:
            parts += [f'<circle class="s{series}" cx="{x_axis(x):.1f}" cy="{y_axis(y):.1f}" r="3">'
                      f'<title>{html.escape(name)}: {html.escape(y_tick(y))}</title></circle>' for x, y in points]
    for x, y, what in marks:
        parts.append(f'<circle class="dot" cx="{x_axis(x):.1f}" cy="{y_axis(y):.1f}" r="4"/>')
        left = x_axis(x) < (x_axis.begin + x_axis.end) / 2
        parts.append(text(x_axis(x) + (-5 if left else 5), y_axis(y) + (18 if left else -9), what,
                          'start' if left else 'end', 'value'))
    return legend([(s, n, *d) for s, n, _, *d in curves]) + svg(y_axis.begin + 38, parts, label)


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
