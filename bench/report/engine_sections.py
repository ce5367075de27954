"""Sections of the report from engine_bench, scale_bench and the timeline. Each gives HTML, or nothing when its figures are
missing."""
import html

import charts
from charts import amount, si
from markup import figure, folded, table, with_half
from results import figures_of

BUCKETS = (('below_10_us', 'below 10 µs'), ('10_to_50_us', '10 to 50 µs'), ('50_to_250_us', '50 to 250 µs'),
           ('250_us_to_1_ms', '250 µs to 1 ms'), ('longer', 'longer'))


def timeline(result):
    line = result.get('timeline')
    if not line:
        return ''
    rows = [dict(zip(line['columns'], row)) for row in line['rows']]
    begin, end = rows[0]['at'], rows[-1]['at']
    x = lambda: charts.LogAxis(begin, end, 44, charts.WIDTH - 16, whole=False, ticks=[  # noqa: E731
        10.0**e for e in range(3, 12) if begin <= 10.0**e <= end])
    blocks = [(name, [(r['at'], r[key]) for r in rows]) for key, name in (
        ('blocks_translated', 'met: translated to IR'), ('blocks_compiled', 'warm: compiled'))]
    out = '<h3>Blocks met and compiled</h3>' + figure(charts.lines(
        [(s, *b) for s, b in zip((3, 1), blocks)], 'blocks met and compiled', x(),
        charts.LinearAxis(max(y for _, points in blocks for _, y in points), 150, 8), si, charts.short, 'since the start'))
    pairs = list(zip(rows, rows[1:]))
    per_ms = lambda key: [(b['at'], max((b[key] - a[key]) / (b['at'] - a['at']) * 1e6, 0.1)) for a, b in pairs]  # noqa: E731
    rates = [(0, 'blocks interpreted', per_ms('interpreter_blocks')), (1, 'entries into compiled code', per_ms('jit_entries'))]
    most = max(y for _, _, points in rates for _, y in points)
    out += '<h3>What runs, in each millisecond</h3>' + figure(charts.lines(
        rates, 'blocks interpreted and entries into compiled code per millisecond', x(),
        charts.LogAxis(0.1, max(most, 10), 150, 8), si, lambda v: charts.short(v) if v > 0.1 else '0', 'since the start'),
        'Once in compiled code, a run goes from block to block by links without coming back: few entries mean long stays.')
    share = lambda key: [(b['at'], min((b[key] - a[key]) / (b['at'] - a['at']), 1)) for a, b in pairs]  # noqa: E731
    out += '<h3>Share of time that making code takes</h3>' + figure(charts.lines(
        [(3, 'translating', share('translate_time')), (1, 'compiling', share('compile_time'))],
        'share of elapsed time spent translating and compiling', x(), charts.LinearAxis(1, 150, 8, exactly=True), si,
        lambda v: f'{v:.0%}', 'since the start'))
    last = rows[-1]
    return (f'<h2>A run from cold to hot</h2><p class="soft">One run of {html.escape(line["program"])} on the '
            f'{html.escape(line["engine"])} engine, its counters read every {line["milliseconds"]:g} ms; the time axis is '
            f'logarithmic. At the end, after {si(last["at"])}: {last["blocks_translated"]:,} blocks met, '
            f'{last["blocks_compiled"]:,} compiled into {amount(last["code_bytes_live"], "bytes")}, '
            f'{last["interpreter_blocks"]:,} executions by the interpreter; {si(last["translate_time"])} went into '
            f'translating and {si(last["compile_time"])} into compiling.</p>' + out)


def vcpus(result):
    engine = result.get('engine', {})
    counts = [n for n in (1, 2, 4, 8, 16) if f'threads/{n}_vcpus/together' in engine]
    if not counts:
        return ''
    curves = [(s, name, [(n, engine[f'threads/{n}_vcpus/{key}']['median'] / 1000) for n in counts])
              for s, (key, name) in enumerate((('together', 'together, by the wall clock'),
                                               ('per_cpu_second', 'in a second of CPU time')))]
    most = max(y for _, _, points in curves for _, y in points)
    x = lambda: charts.LogAxis(1, 16, 44, charts.WIDTH - 16, whole=False, ticks=counts)  # noqa: E731
    out = figure(charts.lines(curves, 'guest instructions a second by vCPUs', x(), charts.LinearAxis(most, 150, 8),
                              lambda n: f'{n:g}', charts.short, 'vCPUs, each on a thread', dots=True),
                 'Billions of guest instructions a second, of vCPUs that run the same 512 linked blocks of one cache, on a '
                 f'machine of {result["machine"]["cores"]} cores. Elapsed time is at the mercy of other work on the machine; '
                 'CPU time shows what they cost each other.')
    curve = [(2, 'CPU time of all for each block', [(n, engine[f'together/{n}_vcpus/cpu_time_per_block']['median'] / 1e3)
                                                    for n in counts])]
    out += figure(charts.lines(curve, 'CPU time for each block by vCPUs', x(),
                               charts.LinearAxis(max(y for _, y in curve[0][2]), 150, 8), lambda n: f'{n:g}',
                               lambda v: f'{charts.short(v)} µs', 'vCPUs that begin together', dots=True),
                  'CPU time of all vCPUs together, for each of 8,000 cold blocks that they all run into at the same time: '
                  'one compiles, the others wait for it or go on.')
    rows = [[f'{n}', *(with_half(f) for f in (
        engine[f'threads/{n}_vcpus/together'], engine[f'threads/{n}_vcpus/per_cpu_second'],
        engine[f'together/{n}_vcpus/cpu_time_per_block'], engine[f'together/{n}_vcpus/compiles_per_block']))] for n in counts]
    out += folded('In figures', table(['vCPUs', 'together', 'in a second of CPU time', 'cold: CPU time a block',
                                       'compiles a block'], rows))
    return '<h2>1 to 16 vCPUs over one cache</h2>' + out


def pauses(result):
    engine = result.get('engine', {})
    rows, longest = [], []
    for series, (mode, name) in enumerate((('caller', 'in the caller'), ('workers', 'in the background'))):
        for key, bucket in BUCKETS:
            f = engine.get(f'pauses/{mode}/{key}')
            if f:
                rows.append((bucket, f, series))
        f = engine.get(f'pauses/{mode}/longest')
        if f:
            longest.append(f'{name} {si(f["median"])} ({si(f["low"])} to {si(f["high"])})')
    if not rows:
        return ''
    return '<h2>How long compiling stops the guest</h2>' + figure(
        charts.legend([(0, 'compiled in the caller'), (1, 'in the background')])
        + charts.bars(rows, 'pauses by length', charts.short, logarithmic=True),
        'Pauses of one vCPU on its way through 4,000 blocks 400 times, by length, from the stats; bars are logarithmic. In the '
        f'background a pause is the time to ask for a compile. The longest: {"; ".join(longest)}; by the wall clock, so '
        'whatever else the machine does counts.')


def costs(result):
    engine, rows = result.get('engine', {}), []

    def row(what, name):
        f = engine.get(name)
        if f:
            rows.append([what, with_half(f)])

    row('a run of 2,000 instructions: the work', 'slices/1_vcpus/work')
    row('… calling run and fuel add', 'slices/1_vcpus/run_adds')
    for n in (1, 2, 100):
        row(f'… the scheduler adds, {n} vCPU{"s" if n > 1 else ""} on a worker', f'slices/{n}_vcpus/scheduler_adds')
    row('10,000 vCPUs: a slice of 1,000 instructions', 'many/10000_vcpus/slice_of_1000')
    row('… memory of a new vCPU', 'many/10000_vcpus/new')
    row('… of one that has run', 'many/10000_vcpus/have_run')
    for name, what in (('interp', 'interpreter'), ('jit', 'JIT'), ('hybrid', 'hybrid')):
        row(f'execute_block of 8 instructions, {what}', f'blocks/{name}/execute_block')
        row('… in a batch of 64', f'blocks/{name}/in_batch_of_64')
    row('a cold block of 8: compiled, one by one', 'cold/compiled/one_by_one')
    row('… in a batch of 200', 'cold/compiled/in_batch_of_200')
    row('… translated and interpreted, one by one', 'cold/interpreted/one_by_one')
    row('a block within runs of 2,000 instructions, nobody watching', 'watching/nobody')
    row('… with a StatsWatcher every 10 ms', 'watching/every_10_ms')
    row('… every 100 µs', 'watching/every_100_us')
    row('… with blocks that count their executions', 'watching/blocks_count_executions')
    row('a snapshot of the stats', 'watching/one_snapshot')
    if not rows:
        return ''
    return ('<h2>What the engine costs around the guest’s code</h2>' + table(['what', 'measured'], rows)
            + '<p class="soft">The stats are always on; what can be switched is who looks at them, and counters in emitted '
            'code.</p>')


def scale(result):
    figures = result.get('scale', {})
    sizes = sorted({int(name.split('/')[1]) for name in figures})
    if not sizes:
        return ''
    get = lambda n, key: figures.get(f'scale/{n}/{key}')  # noqa: E731
    power = {1_000: '10³', 10_000: '10⁴', 100_000: '10⁵', 1_000_000: '10⁶'}

    def chart(keys, title, caption):
        curves = []
        for series, key, name in keys:
            points = [(n, get(n, key)['median']) for n in sizes if get(n, key)]
            if points:
                curves.append((series, name, points))
        if not curves:
            return ''
        ys = [y for _, _, points in curves for _, y in points]
        x = charts.LogAxis(sizes[0], max(sizes[-1], sizes[0] * 10), 50, charts.WIDTH - 20, whole=False, ticks=sizes)
        return f'<h3>{title}</h3>' + figure(charts.lines(
            curves, title, x, charts.LogAxis(min(ys), max(ys), 150, 8), lambda n: power.get(n, f'{n:,}'), si,
            'blocks in the cache', dots=True), caption)

    out = chart(((3, 'find', 'look-up in the shared map'), (1, 'execute_block', 'execute_block, JIT'),
                 (0, 'interpreter/execute_block', 'execute_block, interpreter')), 'Finding and running a block',
                'In random order: with many blocks, the host’s caches and TLB miss on tables, code and guest.')
    out += chart(((1, 'compile', 'compile'), (4, 'compile_and_evict', 'compile, evicting'),
                  (0, 'interpreter/prepare', 'translate to interpret')), 'Making a block',
                 'Evicting: code memory holds half of the blocks, and all are asked for in turn.')
    out += chart(((1, 'invalidate_range', 'of a range of blocks'), (3, 'flush', 'of everything'),
                  (2, 'invalidate_one', 'one block in a call of its own')), 'Invalidating, for each block',
                 'A range is a quarter of the blocks, at most 4,096.')
    rows = []
    for n in sizes:
        rows.append([f'{n:,}'] + [with_half(f) if f else '–' for f in (
            get(n, 'code_per_block'), get(n, 'memory_per_block'), get(n, 'interpreter/memory_per_block'), get(n, 'peak'))])
    out += '<h3>Memory</h3>' + table(['blocks', 'host code', 'memory, JIT', 'memory, interp', 'peak, JIT'], rows)
    out += ('<p class="soft">Host code and all resident memory for each block, and the most that the process with the JIT '
            'ever had, guest memory included.</p>')
    return ('<h2>As the work grows</h2><p class="soft">Different blocks of five integer instructions in one context.</p>' + out)


def everything(result):
    rows = [[html.escape(n), amount(f['median'], f['unit']), amount(f['low'], f['unit']), amount(f['high'], f['unit']),
             len(f['runs'])] for n, f in sorted(figures_of(result).items()) if not n.startswith(('distribution/', 'cold_to_hot/'))]
    if not rows:
        return ''
    return '<h2>All figures</h2>' + folded('Median, least, most, runs', table(['name', 'median', 'least', 'most', 'runs'], rows))
