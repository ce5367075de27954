"""The report: one HTML file with everything inside. Shows only what the given run has measured."""
import html
import math

import charts
from charts import si
from results import guest_figures

KINDS = ('integer', 'memory', 'float', 'branches')
SIZES = (1, 5, 20, 100)
CONFIGURATIONS = ('interp', 'jit', 'hybrid', 'qemu')

STYLE = '''
:root { color-scheme: light dark; --bg: #fcfcfb; --fg: #1c1b1a; --soft: #6d6a65; --grid: #e4e2dd; --card: #f3f2ee;
  --s0: #2a78d6; --s1: #1a9a6c; --s2: #d98a00; --s3: #6a55c9; --s4: #d03b3b; }
@media (prefers-color-scheme: dark) { :root { --bg: #171716; --fg: #eceae5; --soft: #a3a099; --grid: #33322f;
  --card: #222120; --s0: #4a96ee; --s1: #2fb585; --s2: #e0a030; --s3: #9c8cf0; --s4: #e66767; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 46rem; background: var(--bg); color: var(--fg);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .3rem; }
p { margin: .4rem 0; } .soft, figcaption, .legend { color: var(--soft); font-size: .88rem; }
figure { margin: .8rem 0; max-width: 36rem; } svg { width: 100%; height: auto; display: block; }
svg text { font: 11px system-ui, sans-serif; fill: var(--fg); font-variant-numeric: tabular-nums; }
svg .tick { fill: var(--soft); font-size: 10px; } .grid { stroke: var(--grid); fill: none; }
.grid.one { stroke: var(--soft); } .whisker { stroke: var(--soft); fill: none; } .mark { stroke: var(--fg); stroke-width: 2; }
.line { fill: none; stroke-width: 2; } .range { fill: none; stroke-width: 3; opacity: .5; } .dot { fill: var(--fg); }
.s0 { fill: var(--s0); } .s1 { fill: var(--s1); } .s2 { fill: var(--s2); } .s3 { fill: var(--s3); } .s4 { fill: var(--s4); }
.l0 { stroke: var(--s0); } .l1 { stroke: var(--s1); } .l2 { stroke: var(--s2); } .l3 { stroke: var(--s3); }
.l4 { stroke: var(--s4); }
.legend span { margin-right: 1em; white-space: nowrap; } .legend i { display: inline-block; width: .75em; height: .75em;
  border-radius: 2px; margin-right: .35em; }
i.s0 { background: var(--s0); } i.s1 { background: var(--s1); } i.s2 { background: var(--s2); }
i.s3 { background: var(--s3); } i.s4 { background: var(--s4); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .6rem .25rem 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--grid); }
th:first-child, td:first-child { text-align: left; white-space: normal; } th { color: var(--soft); font-weight: 600; }
.miss { color: var(--s4); } details { margin: .6rem 0; } summary { cursor: pointer; }
'''


def table(head, rows):
    cells = lambda tag, row: ''.join(f'<{tag}>{c}</{tag}>' for c in row)  # noqa: E731
    return ('<div class="scroll"><table><tr>' + cells('th', head) + '</tr>'
            + ''.join(f'<tr>{cells("td", row)}</tr>' for row in rows) + '</table></div>')


def figure(content, caption=''):
    return f'<figure>{content}{f"<figcaption>{caption}</figcaption>" if caption else ""}</figure>'


class Page:
    def __init__(self, result):
        self.result = result
        self.latency = result.get('latency', {})
        self.parts = []

    def add(self, *parts):
        self.parts += parts

    def median(self, name):
        return self.latency[name]['median'] if name in self.latency else None

    # --- sections, each of which adds nothing when its figures are missing ---

    def head(self):
        r, m = self.result, self.result['machine']
        e = html.escape
        self.add('<h1>Ashlar: what it costs to make blocks, to find them and to run them</h1>')
        load = ' and '.join(f'{x:.1f}' for x in m['load'])
        self.add(f'<p class="soft">{e(r["when"])} · {e(m["cpu"])}, {m["cores"]} cores, {e(m["system"])}, load {load} at '
                 f'the beginning and the end · ' + ' · '.join(f'{e(k)} {e(v)}' for k, v in r['versions'].items()) + '</p>')
        lengths = {len(f['runs']) for f in self.latency.values()}
        runs = f'{min(lengths)} runs of each latency' if lengths else 'no latencies'
        if 'guests' in r:
            runs += f', {r["guests"]["runs"]} of each program'
            if r['guests']['scale'] != 1:
                runs += f' at {r["guests"]["scale"]:g} of its usual length'
        self.add(f'<p class="soft">{runs}, interleaved; times are CPU times; figures are medians, whiskers and ± the '
                 'middle half of the runs.</p>')
        if max(m['load']) > m['cores']:
            self.add('<p class="miss">The machine was busy with other work: times are longer and wider than on a '
                     'quiet one.</p>')

    def key_figures(self):
        lat = self.latency
        rows = []

        def row(what, name, start='', target=None, figure=None):
            f = figure or lat.get(name)
            if f is None:
                return
            half = (f['quartiles'][1] - f['quartiles'][0]) / 2
            css = ' class="miss"' if target and f['median'] > target else ''
            rows.append([what, start, f'<span{css}>{si(f["median"])}</span>', f'± {si(half)}',
                         f'≤ {si(target)}' if target else ''])

        row('compile a block of 20, everything included', 'compile/integer/20', '100 µs', 3000)
        row('run a cached block of 20 from C++', 'hit/execute_block/integer/20', '10 µs')
        row('run a cached block of 1 from C++', 'hit/execute_block/integer/1', '', 15)
        row('interpret a block of 20', 'interpret/execute_block/integer/20', '500 µs')
        row('batch of five cold blocks of 20', 'compile_batch_of_5/integer/20', '110 µs')
        row('shared look-up, one thread', 'map/ours/hit/threads:1', '', 8)
        row('shared look-up, two threads', 'map/ours/hit/threads:2', '', 8)
        for name, what in (('ring_of_16', 'linked block to block'), ('pair_with_fuel', 'the same with fuel counted')):
            jump, work = lat.get(f'linked/{name}'), lat.get(f'linked/{name}_work_alone')
            if jump and work:
                less = {'median': max(jump['median'] - work['median'], 0),
                        'quartiles': [q - work['median'] for q in jump['quartiles']]}
                row(what + ', over the work itself', '', '', 1 if name == 'ring_of_16' else None, less)
        row('indirect jump by the jump cache', 'jump_cache/ring_of_8', '', 3)
        row('call or return', 'return/calls_from_8_places')
        if rows:
            self.add('<h2>The starting document’s table, and ours</h2>',
                     '<p class="soft">The starting document simulated its engine with sleeps of these lengths.</p>',
                     table(['what', 'simulated', 'measured', 'spread', 'target'], rows))

    def distributions(self):
        points = [('p01', .01), ('p05', .05), ('p10', .1), ('p25', .25), ('p50', .5), ('p75', .75), ('p90', .9),
                  ('p95', .95), ('p99', .99), ('p999', .999)]
        curves = []
        for series, (name, what) in enumerate((('distribution/hit', 'cached block'), ('distribution/interpret', 'interpreted'),
                                               ('distribution/compile', 'compiled and run'))):
            counters = self.latency.get(name, {}).get('counters')
            if counters:
                curves.append((series, what, [(counters[p], q) for p, q in points]))
        if not curves:
            return
        values = [x for _, _, curve in curves for x, _ in curve]
        x = charts.LogAxis(min(values), max(values), 44, charts.WIDTH - 24)
        self.add('<h2>Compile latency against cache-hit latency</h2>', figure(
            charts.lines(curves, 'share of blocks that took at most so long', x, charts.Linear(180, 8), si,
                         lambda q: f'{q:.0%}', 'time of one block of 20 integer instructions'),
            'Share of executions that took at most so long. Cold blocks were timed one by one; cached and interpreted '
            'ones in groups of 32, of which this is the mean, so that the clock does not count.'))

    def phases(self):
        names = [(0, 'translate'), (1, 'optimise'), (2, 'allocate and emit'), (3, 'publish'), (4, 'the rest, first run')]
        out = []
        for kind in KINDS:
            rows = []
            for size in SIZES:
                block = f'{kind}/{size}'
                whole = self.median(f'compile/{block}')
                parts = [self.median(f'phase/{p}/{block}') for p in ('translate', 'optimise', self.result['emitter'],
                                                                     'publish')]
                if whole is None or None in parts:
                    continue
                rows.append((f'{kind}, {size}', [*parts, whole - sum(parts)]))
            out += rows
        if out:
            self.add('<h2>Where compile time goes</h2>', figure(
                charts.stacked(out, names, 'compile time by phase'),
                'By kind and guest instructions of the block. The phases were measured each alone with warm caches; '
                '<em>the rest</em> is what execute_block of a cold block takes beyond their sum.'))
        rows = []
        for kind in KINDS:
            for size in SIZES:
                x64, a64 = (self.latency.get(f'phase/emit_{h}/{kind}/{size}') for h in ('x64', 'a64'))
                if x64 and a64:
                    rows.append([f'{kind}, {size}', si(x64['median']), si(a64['median']),
                                 f'{x64["counters"]["code_bytes"] / size:.1f}', f'{a64["counters"]["code_bytes"] / size:.1f}'])
        if rows:
            self.add('<details><summary>Both emitters</summary>',
                     table(['block', 'x86-64', 'AArch64', 'bytes per instruction, x86-64', 'AArch64'], rows), '</details>')

    def break_even(self):
        rows = []
        for kind in KINDS:
            for size in SIZES:
                block = f'{kind}/{size}'
                compile_, prepare, hit, interpret = (self.median(n + block) for n in (
                    'compile/', 'prepare_to_interpret/', 'hit/execute_block/', 'interpret/execute_block/'))
                if None in (compile_, prepare, hit, interpret):
                    continue
                gain = interpret - hit
                count = math.ceil(1 + (compile_ - prepare) / gain) if gain > 0 else None
                rows.append((kind, size, compile_, prepare, hit, interpret, count))
        if not rows:
            return
        self.add('<h2>How many executions pay for a compile</h2>')
        for kind, size, compile_, prepare, hit, interpret, count in rows:
            if (kind, size) != ('integer', 20):
                continue
            runs = [10**(i / 8) for i in range(0, 33)]
            total = lambda first, later: [(n, first + (n - 1) * later) for n in runs]  # noqa: E731
            curves = [(1, 'interpreted', total(prepare, interpret)), (0, 'compiled at once', total(compile_, hit))]
            ys = [y for _, _, c in curves for _, y in c]
            x, y = charts.LogAxis(1, 1e4, 56, charts.WIDTH - 24), charts.LogAxis(min(ys), max(ys), 180, 10)
            marks = [(count, compile_ + (count - 1) * hit, f'{count} executions')] if count and count <= 1e4 else []
            self.add(figure(charts.lines(curves, 'time spent on a block by executions', x, y, lambda n: f'{n:g}', si,
                                         'executions of the block', marks),
                            'Time spent on a block of 20 integer instructions by so many calls of execute_block, from cold: '
                            'computed from the four measured figures below.'))
        self.add(table(['block', 'compile', 'translate to interpret', 'cached', 'interpreted', 'break-even'],
                       [[f'{k}, {s}', si(c), si(p), si(h), si(i), n if n else 'never'] for k, s, c, p, h, i, n in rows]))

    def ways_in(self):
        names = [('hit/execute_block/integer/1', 'execute_block', 0), ('hit/execute_block_of_4096/integer/1',
                 'of 4096 blocks', 0), ('hit/batch_of_5/integer/1', 'in batches of 5', 0),
                 ('hit/batch_of_64/integer/1', 'in batches of 64', 0), ('return/calls_from_8_places', 'call, return', 1),
                 ('jump_cache/ring_of_8', 'jump cache', 1), ('linked/ring_of_16', 'linked', 1),
                 ('linked/pair_with_fuel', 'linked, fuel counted', 1)]
        rows = [(what, self.latency[name], series) for name, what, series in names if name in self.latency]
        if rows:
            self.add('<h2>Every way into a cached block</h2>', figure(
                charts.legend([(0, 'from C++'), (1, 'in emitted code')]) + charts.bars(rows, 'ways into a cached block'),
                'Per block, with the instruction or two that are in it.'))

    def contention(self):
        rows = []
        for series, (key, who) in enumerate((('ours', 'ours'), ('shared_mutex', 'shared mutex'))):
            for what in ('hit', 'miss', '1_percent_writes', '10_percent_writes'):
                for threads in (1, 2):
                    f = self.latency.get(f'map/{key}/{what}/threads:{threads}')
                    if f:
                        rows.append((f'{what.replace("_percent_writes", " % writes")}, {threads} thread'
                                     + ('s' if threads > 1 else ''), f, series))
        if rows:
            self.add('<h2>The shared map</h2>', figure(
                charts.legend([(0, 'Ashlar’s'), (1, 'hash table behind a shared mutex')])
                + charts.bars(rows, 'look-ups in the shared map'),
                'CPU time of one operation in each thread, over 4096 keys.'))

    def programs(self):
        guests = self.result.get('guests')
        if not guests:
            return
        figures = guest_figures(guests)
        present = [c for c in CONFIGURATIONS if any(p['runs'].get(c) for p in guests['programs'])]
        rows = []
        for p in guests['programs']:
            native = figures.get(f'{p["name"]} native')
            if p['class'] == 'startup' or not native or native['median'] <= 0:
                continue
            values = {}
            for c in present:
                f = figures.get(f'{p["name"]} {c}')
                if f:
                    values[CONFIGURATIONS.index(c)] = tuple(f[k] / native['median'] for k in ('median', 'low', 'high'))
            rows.append((p['name'], values))
        if rows and present:
            best = lambda row: row[1].get(CONFIGURATIONS.index('jit'), (0,))[0]  # noqa: E731
            rows.sort(key=best)
            ends = [x for _, values in rows for v in values.values() for x in v]
            self.add('<h2>Programs against QEMU and native</h2>', figure(
                charts.ranks(rows, [(CONFIGURATIONS.index(c), c) for c in present], 'programs in multiples of native time',
                             min(min(ends, default=1) * 0.9, 0.9), max(ends, default=1) * 1.1),
                'CPU time in multiples of native; further left is faster; bars from the shortest to the longest run. '
                'Programs by time under the JIT.'))
        means = [[kind, key, f'{value:.2f}'] for kind, d in guests['means'].items() for key, value in d.items()]
        if means:
            self.add('<p>Geometric means (X/native: multiples of native time; qemu/X: how many times as fast as QEMU)</p>',
                     table(['programs', 'ratio', 'mean'], means))
        startup = []
        for p in guests['programs']:
            if p['class'] == 'startup':
                startup.append([p['name']] + [si(figures[f'{p["name"]} {c}']['median'] * 1e9) if f'{p["name"]} {c}' in figures
                                              else '' for c in ('native', *present)])
        if startup:
            self.add('<p>Start-up: a static hello world, and 20,000 functions run once each</p>',
                     table(['program', 'native', *present], startup))
        for failure in guests['failures']:
            self.add(f'<p class="miss">failed: {html.escape(failure)}</p>')

    def everything(self):
        rows = [[html.escape(n), si(f['median']), si(f['low']), si(f['high']), len(f['runs'])]
                for n, f in sorted(self.latency.items()) if not n.startswith('distribution/')]
        if rows:
            self.add('<h2>All figures</h2><details><summary>Latencies</summary>',
                     table(['name', 'median', 'least', 'most', 'runs'], rows), '</details>')
        if 'guests' in self.result:
            rows = [[html.escape(n), f'{f["median"]:.3f}', f'{f["low"]:.3f}', f'{f["high"]:.3f}', len(f['runs'])]
                    for n, f in guest_figures(self.result['guests']).items()]
            self.add('<details><summary>Programs, in seconds</summary>',
                     table(['program, engine', 'median', 'least', 'most', 'runs'], rows), '</details>')


def render(result):
    page = Page(result)
    for section in (page.head, page.key_figures, page.distributions, page.phases, page.break_even, page.ways_in,
                    page.contention, page.programs, page.everything):
        section()
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
            f'initial-scale=1"><title>Ashlar benchmarks</title><style>{STYLE}</style></head><body>'
            + '\n'.join(page.parts) + '</body></html>\n')
