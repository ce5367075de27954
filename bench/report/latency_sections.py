"""Sections of the report from bench/latency's figures. Each gives HTML, or nothing when its figures are missing."""
import math

import charts
from charts import si
from markup import figure, folded, table, with_half

KINDS = ('integer', 'memory', 'float', 'branches')
SIZES = (1, 5, 20, 100)


def median(result, name):
    found = result.get('latency', {}).get(name)
    return found['median'] if found else None


def key_figures(result):
    latency, rows = result.get('latency', {}), []
    for what, simulated, name in (('compile a block', 100e3, 'compile/integer/20'),
                                  ('run a cached block', 10e3, 'hit/execute_block/integer/20'),
                                  ('interpret a block', 500e3, 'interpret/execute_block/integer/20'),
                                  ('a batch of five cold blocks', 110e3, 'compile_batch_of_5/integer/20')):
        f = latency.get(name)
        if f:
            rows.append([what, si(simulated), with_half(f), f'{charts.short(simulated / f["median"])} ×'])
    if not rows:
        return ''
    return ('<h2>The starting document’s table, and ours</h2>'
            '<p class="soft">The starting document simulated its engine with sleeps of these lengths. Ours is measured on blocks '
            'of 20 integer instructions, through <code>execute_block</code> and <code>execute_blocks</code>.</p>'
            + table(['what', 'simulated', 'measured', 'faster by'], rows))


def distributions(result):
    points = [('p01', .01), ('p05', .05), ('p10', .1), ('p25', .25), ('p50', .5), ('p75', .75), ('p90', .9),
              ('p95', .95), ('p99', .99), ('p999', .999)]
    curves = []
    for series, name, what in ((1, 'distribution/hit', 'cached block'), (0, 'distribution/interpret', 'interpreted'),
                               (3, 'distribution/compile', 'compiled and run')):
        counters = result.get('latency', {}).get(name, {}).get('counters')
        if counters:
            curves.append((series, what, [(counters[p]['median'], q) for p, q in points]))
    if not curves:
        return ''
    values = [x for _, _, curve in curves for x, _ in curve]
    x = charts.LogAxis(min(values), max(values), 44, charts.WIDTH - 24)
    return '<h2>Compile latency against cache-hit latency</h2>' + figure(
        charts.lines(curves, 'share of blocks that took at most so long', x, charts.LinearAxis(1, 180, 8, exactly=True), si,
                     lambda q: f'{q:.0%}', 'time of one block of 20 integer instructions'),
        'Share of executions that took at most so long, by the wall clock. Cold blocks were timed one by one; cached and '
        'interpreted ones in groups of 32, of which this is the mean, so that the clock does not count.')


def cold_to_hot(result):
    curves = []
    for series, name, what in ((0, 'interpreter', 'interpreter'), (1, 'jit', 'JIT'), (2, 'hybrid', 'hybrid')):
        counters = result.get('latency', {}).get(f'cold_to_hot/{name}', {}).get('counters')
        if counters:
            curves.append((series, what, sorted((int(key[1:]), f['median']) for key, f in counters.items())))
    parts = []
    if curves:
        ys = [y for _, _, curve in curves for _, y in curve]
        most = max(x for _, _, curve in curves for x, _ in curve)
        x = charts.LogAxis(1, most, 50, charts.WIDTH - 16, whole=False, ticks=[4**i for i in range(7) if 4**i <= most])
        y = charts.LogAxis(min(ys), max(ys), 190, 10)
        by_name = {what: dict(points) for _, what, points in curves}
        marks = []
        if 'JIT' in by_name and 'interpreter' in by_name:
            paid = [n for n in sorted(by_name['JIT']) if by_name['JIT'][n] <= by_name['interpreter'].get(n, 0)]
            if paid:
                marks = [(paid[0], by_name['JIT'][paid[0]], 'compiling has paid')]
        parts.append(figure(
            charts.lines(curves, 'time of the first N executions', x, y, lambda n: f'{n:g}', si,
                         'executions of a block that was cold at first', marks),
            'Time that the first N executions of a block took together, measured at each power of two: 20 integer '
            'instructions, by <code>execute_block</code>, medians over 128 new blocks a run, by the wall clock. New blocks take '
            'new memory, and the executions before have left the host’s caches cold for translating: the beginning costs more '
            'than in the table below.'))
    rows = []
    for kind in KINDS:
        for size in SIZES:
            block = f'{kind}/{size}'
            compile_, prepare, hit, interpret = (median(result, n + block) for n in (
                'compile/', 'prepare_to_interpret/', 'hit/execute_block/', 'interpret/execute_block/'))
            if None in (compile_, prepare, hit, interpret):
                continue
            gain = interpret - hit
            count = max(1, math.ceil(1 + (compile_ - prepare) / gain)) if gain > 0 else 'never'
            rows.append([f'{kind}, {size}', si(compile_), si(prepare), si(hit), si(interpret), count])
    if rows:
        parts.append('<p>The execution with which compiling a block at once has become cheaper than interpreting it, computed '
                     'from the four measured figures:</p>'
                     + table(['block', 'compile', 'translate to interpret', 'cached', 'interpreted', 'break-even'], rows))
    return '<h2>From cold to hot: how many executions pay for a compile</h2>' + ''.join(parts) if parts else ''


def phases(result):
    names = [(0, 'translate'), (1, 'optimise'), (2, 'analyse'), (3, 'registers and emission'), (4, 'publish')]
    rows, table_rows = [], []
    for kind in KINDS:
        for size in SIZES:
            block = f'{kind}/{size}'
            whole = median(result, f'compile/{block}')
            translate, optimise, plan, emit, publish = (median(result, f'phase/{p}/{block}') for p in (
                'translate', 'optimise', 'plan', result['emitter'], 'publish'))
            if None in (whole, translate, optimise, plan, emit, publish):
                continue
            parts = [translate, optimise, plan, emit - plan, publish]
            rows.append((f'{kind}, {size}', parts))
            table_rows.append([f'{kind}, {size}', *map(si, parts), si(sum(parts)), si(whole)])
    emitters = []
    for kind in KINDS:
        for size in SIZES:
            x64, a64 = (result.get('latency', {}).get(f'phase/emit_{h}/{kind}/{size}') for h in ('x64', 'a64'))
            if x64 and a64:
                code = [f['counters']['code_bytes']['median'] / size for f in (x64, a64)]
                emitters.append([f'{kind}, {size}', with_half(x64), with_half(a64), f'{code[0]:.1f}', f'{code[1]:.1f}'])
    if not rows and not emitters:
        return ''
    out = '<h2>Where compile time goes</h2>'
    if rows:
        out += figure(charts.stacked(rows, names, 'compile time by phase'),
                      'By kind and guest instructions of the block, each phase measured alone with warm caches. '
                      '<em>Analyse</em> finds next uses, dead stores and needed checks; registers are given out in the same walk '
                      'that emits, so that the two can’t be told apart. <em>Publish</em> is writing to code memory and entering '
                      'into the index.')
        out += folded('In figures, beside execute_block of a cold block',
                      table(['block', *(n for _, n in names), 'sum', 'execute_block'], table_rows))
    if emitters:
        out += folded('Both emitters (analysis included)', table(
            ['block', 'x86-64', 'AArch64', 'bytes per instruction, x86-64', 'AArch64'], emitters))
    return out


def ways_in(result):
    latency = result.get('latency', {})
    names = [('hit/execute_block/integer/1', 'execute_block', 0), ('hit/execute_block_of_4096/integer/1',
             'of 4096 blocks', 0), ('hit/batch_of_5/integer/1', 'in batches of 5', 0),
             ('hit/batch_of_64/integer/1', 'in batches of 64', 0), ('map/ours/hit/threads:1', 'shared map, hit', 2),
             ('map/ours/miss/threads:1', 'shared map, miss', 2), ('return/calls_from_8_places', 'call or return', 1),
             ('jump_cache/ring_of_8', 'indirect: jump cache', 1), ('linked/ring_of_16', 'linked', 1),
             ('linked/pair_with_fuel', 'linked, fuel counted', 1)]
    rows = [(what, latency[name], series) for name, what, series in names if name in latency]
    if not rows:
        return ''
    series = [(0, 'from C++'), (2, 'the look-up alone'), (1, 'in emitted code')]
    return '<h2>Every way into a cached block</h2>' + figure(
        charts.legend([s for s in series if any(r[2] == s[0] for r in rows)]) + charts.bars(rows, 'ways into a cached block'),
        'Per block, with the instruction or two that are in it.')


def peers(result):
    latency, out = result.get('latency', {}), ''
    for title, ours, theirs in (('First execution, which compiles', 'compile', 'compile'),
                                ('Later executions', 'hit/execute_block', 'hit')):
        rows = []
        for kind in KINDS:
            for size in (1, 20):
                block = f'{kind}/{size}'
                a, b = latency.get(f'{ours}/{block}'), latency.get(f'peer/unicorn/{theirs}/{block}')
                if a and b:
                    rows.append([f'{kind}, {size}', with_half(a), with_half(b), f'{b["median"] / a["median"]:.1f} ×'])
        if rows:
            out += f'<h3>{title}</h3>' + table(['block', 'ours', 'Unicorn', 'ratio'], rows)
    if not out:
        return ''
    return ('<h2>Beside Unicorn</h2><p class="soft">The same guest blocks, entered one by one from C or C++: '
            '<code>execute_block</code>, and <code>uc_emu_start</code> without hooks.</p>' + out)


def contention(result):
    latency, curves = result.get('latency', {}), []
    for series, (key, who) in enumerate((('ours', 'ours'), ('shared_mutex', 'shared mutex'), ('tbb', 'oneTBB'))):
        for threads in (1, 2):
            points = []
            for share, what in ((0, 'hit'), (1, '1_percent_writes'), (10, '10_percent_writes')):
                f = latency.get(f'map/{key}/{what}/threads:{threads}')
                if f:
                    # 0 has no place on a logarithmic axis; a tenth of a percent stands for it.
                    points.append((share or 0.1, f['median']))
            if points:
                curves.append((series, f'{who}, {threads} thread{"s" if threads > 1 else ""}', points, threads == 2))
    if not curves:
        return ''
    ys = [y for _, _, points, _ in curves for _, y in points]
    x = charts.LogAxis(0.09, 11, 50, charts.WIDTH - 16, whole=False, ticks=[0.1, 1, 10])
    y = charts.LogAxis(min(ys) * 0.9, max(ys) * 1.1, 190, 10, whole=False,
                       ticks=[t for t in (2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000) if min(ys) * 0.9 <= t <= max(ys) * 1.1])
    rows = []
    for what in ('hit', 'miss', '1_percent_writes', '10_percent_writes'):
        for threads in (1, 2):
            found = [latency.get(f'map/{key}/{what}/threads:{threads}') for key in ('ours', 'shared_mutex', 'tbb')]
            if found[0]:
                rows.append([f'{what.replace("_percent_writes", " % writes")}, {threads}', *(with_half(f) if f else '–'
                                                                                             for f in found)])
    return '<h2>The shared map under contention</h2>' + figure(
        charts.lines(curves, 'time of an operation by share of writes', x, y, lambda s: f'{0 if s == 0.1 else s:g} %', si,
                     'operations that write', dots=True),
        'CPU time of one operation in each thread, over 4096 keys, as look-ups from block keys to translations. A write '
        'removes a key and enters it again; it counts as one operation. TBB’s concurrent_hash_map and a hash table behind a '
        'std::shared_mutex are what one would use otherwise.') + folded(
            'In figures', table(['operation, threads', 'ours', 'shared mutex', 'oneTBB'], rows))
