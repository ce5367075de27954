"""Sections of the report about whole programs, and the project's targets. Each gives HTML, or nothing when its figures are
missing."""
import html

import charts
import results
from charts import si
from markup import figure, folded, table, with_half
from results import guest_figures

CONFIGURATIONS = ('interp', 'jit', 'hybrid', 'qemu')
CLASSES = {'int': 'integer', 'fp': 'floating point', 'mem': 'memory', 'thread': 'two threads'}


def times(ratio):
    return f'{ratio:.2f} ×'


def per_function(result, configuration):
    """Summary, in ns, of what one of the 20,000 functions takes; from runs of the same round."""
    by_name = {p['name']: p['runs'] for p in result.get('guests', {}).get('programs', [])}
    if not {'hello', 'many_functions'} <= by_name.keys():
        return None
    pairs = zip(by_name['many_functions'].get(configuration) or [], by_name['hello'].get(configuration) or [])
    values = [(many - hello) / 20000 * 1e9 for many, hello in pairs]
    return {**results.summary(values), 'unit': 'ns'} if values else None


def targets(result):
    """What the project holds itself to (its design, section 15), and what was measured."""
    rows = []

    def row(what, f, target, form, more_is_better=False):
        if not f:
            return
        missed = f['median'] < target if more_is_better else f['median'] > target
        rows.append([what, f'{"≥" if more_is_better else "≤"} {form(target)}', with_half(f, form, missed)])

    latency, engine = result.get('latency', {}), result.get('engine', {})
    means = results.means(result['guests']['programs']) if 'guests' in result else {}
    mean = lambda kind, key: means.get(kind, {}).get(key)  # noqa: E731
    row('integer programs, JIT, of native time', mean('int', 'jit/native'), 2.2, times)
    row('integer programs, JIT, of QEMU’s speed', mean('int', 'qemu/jit'), 2.2, times, True)
    row('floating-point programs, JIT, of native time', mean('fp', 'jit/native'), 2.5, times)
    row('integer programs, interpreter, of native time', mean('int', 'interp/native'), 15, times)
    if 'guests' in result:
        figures = guest_figures(result['guests'])
        hello = figures.get('hello hybrid')
        if hello:
            row('static hello world, hybrid', results.summary([seconds * 1e9 for seconds in hello['runs']]), 3e6, si)
    row('each of 20,000 functions run once, JIT', per_function(result, 'jit'), 2000, si)
    row('the same, hybrid', per_function(result, 'hybrid'), 800, si)
    row('compile a block of 20, everything included', latency.get('compile/integer/20'), 3000, si)
    row('execute_block of a cached block', latency.get('hit/execute_block/integer/1'), 15, si)
    for threads in (1, 2):
        row(f'shared look-up, {threads} thread{"s" if threads > 1 else ""}', latency.get(f'map/ours/hit/threads:{threads}'), 8, si)
    jump, work = latency.get('linked/ring_of_16'), latency.get('linked/ring_of_16_work_alone')
    if jump and work:
        row('block to block, linked, over the work itself',
            {**jump, 'median': max(jump['median'] - work['median'], 0)}, 1, si)
    row('block to block by the jump cache, work included', latency.get('jump_cache/ring_of_8'), 3, si)
    one, two = (engine.get(f'threads/{n}_vcpus/together') for n in (1, 2))
    if one and two and result['machine']['cores'] > 1:
        row('two vCPUs over one cache, of one’s speed', results.summary([b / a for a, b in zip(one['runs'], two['runs'])]), 1.9, times,
            True)
    if not rows:
        return ''
    return ('<h2>Against our targets</h2>' + table(['what', 'target', 'measured'], rows)
            + '<p class="soft">Red: missed. Programs by the geometric mean.</p>')


def programs(result):
    guests = result.get('guests')
    if not guests:
        return ''
    present = [c for c in CONFIGURATIONS if any(p['runs'].get(c) for p in guests['programs'])]
    rows = []
    for p in guests['programs']:
        values = {}
        for c in present if p['class'] != 'startup' else ():
            f = results.ratio(p, c, 'native')
            if f:
                values[CONFIGURATIONS.index(c)] = (f['median'], *f['quartiles'])
        if values:
            rows.append((p['name'], values))
    out = ''
    if rows:
        rows.sort(key=lambda row: row[1].get(CONFIGURATIONS.index('jit'), (0,))[0])
        ends = [x for _, values in rows for v in values.values() for x in v]
        out += figure(
            charts.ranks(rows, [(CONFIGURATIONS.index(c), c) for c in present], 'programs in multiples of native time',
                         min(min(ends) * 0.9, 0.9), max(ends) * 1.1),
            'CPU time in multiples of native; further left is faster. Median of the ratios of runs of the same round; bars: '
            'their middle half. Programs in the order of their time under the JIT.')
    means = results.means(guests['programs'])
    for title, keys in (('multiples of native time; less is better', [f'{c}/native' for c in present]),
                        ('times as fast as QEMU; more is better', [f'qemu/{c}' for c in present if c != 'qemu'])):
        body = [[f'{CLASSES.get(kind, kind)} ({max(f["programs"] for f in found.values())})',
                 *(with_half(found[k], '{:.2f}'.format) if k in found else '–' for k in keys)] for kind, found in means.items()]
        if body and any(k in found for found in means.values() for k in keys):
            head = [k.replace('/native', '').replace('qemu/', '') for k in keys]
            out += f'<p>Geometric means in {title}:</p>' + table(['programs', *head], body)
    out += ''.join(f'<p class="miss">failed: {html.escape(failure)}</p>' for failure in guests['failures'])
    detail = []
    for p in guests['programs']:
        cells = []
        for c in ('native', *present):
            values = p['runs'].get(c)
            cells.append(f'{results.summary(values)["median"]:.3f}' if values else '–')
        detail.append([p['name'], CLASSES.get(p['class'], p['class']), *cells])
    out += folded('Seconds of each', table(['program', 'class', 'native', *present], detail))
    return '<h2>Programs against QEMU and native</h2>' + out


def startup(result):
    guests = result.get('guests')
    if not guests:
        return ''
    figures = guest_figures(guests)
    rows = []
    for c in ('native', *CONFIGURATIONS):
        found = [figures.get(f'hello {c}'), figures.get(f'many_functions {c}'), per_function(result, c)]
        if any(found):
            rows.append([c, *(with_half(f) if f else '–' for f in found)])
    if not rows:
        return ''
    return '<h2>Starting up</h2>' + table(['', 'static hello world', '20,000 functions, each run once', 'each function'], rows)


def threads(result):
    guests = result.get('guests')
    members = [p for p in guests['programs'] if p['class'] == 'thread'] if guests else []
    rows = []
    for c in ('native', *CONFIGURATIONS):
        cells = []
        for p in members:
            wall = p['wall'].get(c)
            if not wall:
                cells.append('–')
                continue
            busy = results.ratio({'both': {'cpu': p['runs'][c], 'wall': wall}}, 'cpu', 'wall', 'both')
            cells.append(f'{si(results.summary(wall)["median"] * 1e9)} <span class="pm">{busy["median"]:.1f} CPUs</span>')
        if any(cell != '–' for cell in cells):
            rows.append([c, *cells])
    if not rows:
        return ''
    return ('<h2>Programs of two threads</h2>' + table(['', *(p['name'] for p in members)], rows)
            + '<p class="soft">Elapsed time, and how many CPUs were busy meanwhile: other work on the machine lengthens it.</p>')
