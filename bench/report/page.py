"""The report: one HTML file with everything inside. Shows only what the given run has measured."""
import html

import engine_sections
import latency_sections
import program_sections

STYLE = '''
:root { color-scheme: light dark; --bg: #fcfcfb; --fg: #1c1b1a; --soft: #6d6a65; --grid: #e4e2dd;
  --s0: #2a78d6; --s1: #1a9a6c; --s2: #d98a00; --s3: #6a55c9; --s4: #d03b3b; }
@media (prefers-color-scheme: dark) { :root { --bg: #171716; --fg: #eceae5; --soft: #a3a099; --grid: #33322f;
  --s0: #4a96ee; --s1: #2fb585; --s2: #e0a030; --s3: #9c8cf0; --s4: #e66767; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 44rem; background: var(--bg); color: var(--fg);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; line-height: 1.2; margin: .5rem 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .3rem; }
h3 { font-size: 1rem; margin: 1.3rem 0 .2rem; }
p { margin: .4rem 0; } .soft, figcaption, .legend { color: var(--soft); font-size: .88rem; }
figure { margin: .8rem 0; max-width: 34rem; } svg { width: 100%; height: auto; display: block; }
svg text { font: 11px system-ui, sans-serif; fill: var(--fg); font-variant-numeric: tabular-nums; }
svg .tick { fill: var(--soft); font-size: 10px; } .grid { stroke: var(--grid); fill: none; }
.grid.one { stroke: var(--soft); } .whisker { stroke: var(--soft); fill: none; }
.line { fill: none; stroke-width: 2; } .dashed { stroke-dasharray: 5 4; }
.range { fill: none; stroke-width: 3; opacity: .5; } .dot { fill: var(--fg); }
.s0 { fill: var(--s0); } .s1 { fill: var(--s1); } .s2 { fill: var(--s2); } .s3 { fill: var(--s3); } .s4 { fill: var(--s4); }
.l0 { stroke: var(--s0); } .l1 { stroke: var(--s1); } .l2 { stroke: var(--s2); } .l3 { stroke: var(--s3); }
.l4 { stroke: var(--s4); }
.legend { margin-bottom: .1rem; } .legend span { margin-right: 1em; white-space: nowrap; }
.legend i { display: inline-block; width: .75em; height: .75em; border: 2px solid; border-radius: 3px; margin-right: .35em; }
i.s0 { color: var(--s0); background: var(--s0); } i.s1 { color: var(--s1); background: var(--s1); }
i.s2 { color: var(--s2); background: var(--s2); } i.s3 { color: var(--s3); background: var(--s3); }
i.s4 { color: var(--s4); background: var(--s4); } i.hollow { background: none; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .86rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem .25rem 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--grid);
  vertical-align: top; }
th:first-child, td:first-child { text-align: left; white-space: normal; min-width: 6.5rem; width: 100%; }
th:last-child, td:last-child { padding-right: 0; }
th { color: var(--soft); font-weight: 600; white-space: normal; vertical-align: bottom; }
.pm { color: var(--soft); }
@media (max-width: 40rem) { .pm { display: block; font-size: .92em; line-height: 1.2; } th, td { padding-right: .6rem; } }
.miss { color: var(--s4); } details { margin: .6rem 0; } summary { cursor: pointer; }
'''


def head(result):
    machine, escape = result['machine'], html.escape
    parts = [
        '<h1>Ashlar: what it costs to make blocks, to find them and to run them</h1>',
        f'<p class="soft">{escape(result["when"])} · {escape(machine["cpu"])}, {machine["cores"]} cores, {machine["memory"]}, '
        f'{escape(machine["system"])}, other work took {machine["other_work"]:.0%} of its time · '
        + ' · '.join(f'{escape(k)} {escape(v)}' for k, v in result['versions'].items()) + '</p>']
    runs = []
    for part, what in (('latency', 'latency'), ('engine', 'of the engine’s figures'), ('scale', 'of the figures of scale')):
        lengths = sorted({len(f['runs']) for f in result.get(part, {}).values()})
        if lengths:
            runs.append(f'{" or ".join(map(str, lengths))} runs of each {what}' if part == 'latency'
                        else f'{" or ".join(map(str, lengths))} {what}')
    if 'guests' in result:
        guests = result['guests']
        runs.append(f'{guests["runs"]} of each program ({guests["interp_runs"]} with the interpreter)')
        if guests['scale'] != 1:
            runs.append(f'programs at {guests["scale"]:g} of their usual length')
    parts.append(f'<p class="soft">{", ".join(runs)}, in {result["minutes"]:.0f} minutes. Times are CPU times unless a figure '
                 'says otherwise; figures are medians, whiskers and ± the middle half of the runs.</p>')
    if result['quick']:
        parts.append('<p class="soft">The short set: fewer figures from fewer runs.</p>')
    if machine['other_work'] > 0.1:
        parts.append('<p class="miss">The machine was busy with other work: times are longer and wider than on a quiet '
                     'one.</p>')
    return ''.join(parts)


def render(result):
    sections = (
        head, latency_sections.key_figures, program_sections.targets, latency_sections.distributions,
        latency_sections.cold_to_hot, program_sections.programs, program_sections.startup, program_sections.threads,
        engine_sections.timeline, latency_sections.phases, latency_sections.ways_in, latency_sections.peers,
        latency_sections.contention, engine_sections.vcpus, engine_sections.pauses, engine_sections.costs,
        engine_sections.scale, engine_sections.everything)
    return ('<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, '
            f'initial-scale=1"><title>Ashlar benchmarks</title><style>{STYLE}</style></head><body>'
            + '\n'.join(section(result) for section in sections) + '</body></html>\n')
