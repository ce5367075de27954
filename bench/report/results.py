"""What a run of tools/bench has measured, as it lies in the JSON file: reading, summarising, comparing."""
import json
import math
import re
import statistics

SCHEMA = 3
# A change counts when the medians differ by more than this and by more than the noise of both together.
LEAST_CHANGE = 0.03


def summary(values):
    """Median, extremes and the middle half of the runs."""
    ordered = sorted(values)
    if len(ordered) >= 4:
        low, _, high = statistics.quantiles(ordered, n=4, method='inclusive')
    else:
        low, high = ordered[0], ordered[-1]
    return {'median': statistics.median(ordered), 'low': ordered[0], 'high': ordered[-1], 'quartiles': [low, high],
            'runs': list(values)}


def noise(figure):
    """How far the median may lie from another run's without anything having changed: the width of the middle half of the
    runs; of few runs, twice their range; None of a single one, which says nothing about noise."""
    runs = len(figure['runs'])
    if runs < 2:
        return None
    width = figure['quartiles'][1] - figure['quartiles'][0]
    return width if runs >= 5 else 2 * width


def latency_figures(google):
    """From Google Benchmark's JSON with repetitions: name -> summary in ns of CPU time; counters -> extra."""
    runs, counters = {}, {}
    scale = {'ns': 1, 'us': 1e3, 'ms': 1e6, 's': 1e9}
    known = {'family_index', 'per_family_instance_index', 'repetitions', 'repetition_index', 'threads', 'iterations',
             'real_time', 'cpu_time', 'items_per_second', 'bytes_per_second'}
    for entry in google['benchmarks']:
        if entry.get('run_type') == 'aggregate' or entry.get('error_occurred'):
            continue
        name = re.sub(r'/iterations:\d+', '', entry['run_name'])
        runs.setdefault(name, []).append(entry['cpu_time'] * scale[entry['time_unit']])
        for key, value in entry.items():
            if key not in known and isinstance(value, (int, float)):
                counters.setdefault(name, {}).setdefault(key, []).append(value)
    figures = {name: {**summary(values), 'unit': 'ns'} for name, values in runs.items()}
    for name, values in counters.items():
        figures[name]['counters'] = {key: summary(v) for key, v in values.items()}
    return figures


def line_figures(outputs):
    """From what engine_bench or scale_bench printed, one text a run: name -> summary with its unit."""
    values, units = {}, {}
    for output in outputs:
        for line in output.strip().split('\n'):
            name, value, unit = line.split(None, 2)
            values.setdefault(name, []).append(float(value))
            units[name] = unit
    return {name: {**summary(v), 'unit': units[name]} for name, v in values.items()}


# --- programs ---

def median_of(program, configuration, what='runs'):
    values = program[what].get(configuration)
    return statistics.median(values) if values else None


def ratio(program, configuration, base, what='runs'):
    """Summary of the ratios of runs of the same round; None where one of the two has failed or was not run."""
    pairs = list(zip(program[what].get(configuration) or [], program[what].get(base) or []))
    # CPU times of very short programs may be given as 0.
    return summary([a / max(b, 1e-4) for a, b in pairs]) if pairs else None


def geometric_mean(values):
    return math.exp(sum(math.log(max(v, 1e-9)) for v in values) / len(values))


def means(programs):
    """class -> 'X/native' or 'qemu/X' -> summary, over the rounds, of the geometric mean over the programs of the class."""
    found = {}
    for kind in dict.fromkeys(p['class'] for p in programs if p['class'] != 'startup'):
        members = [p for p in programs if p['class'] == kind]
        configurations = [c for c in members[0]['runs'] if c != 'native']
        for key, a, b in ([(f'{c}/native', c, 'native') for c in configurations]
                          + [(f'qemu/{c}', 'qemu', c) for c in configurations if c != 'qemu']):
            ratios = [r['runs'] for r in (ratio(p, a, b) for p in members) if r]
            if ratios:
                rounds = range(min(map(len, ratios)))
                found.setdefault(kind, {})[key] = {**summary([geometric_mean([r[i] for r in ratios]) for i in rounds]),
                                                   'programs': len(ratios)}
    return found


def guest_figures(guests):
    """'program configuration' -> summary in seconds of CPU time."""
    figures = {}
    for program in guests['programs']:
        for configuration, values in program['runs'].items():
            if values:
                figures[f'{program["name"]} {configuration}'] = {**summary(values), 'unit': 's'}
    return figures


# --- two results ---

def load(path):
    try:
        with open(path, encoding='utf-8') as file:
            result = json.load(file)
    except (OSError, ValueError) as error:
        raise SystemExit(f'bench: {path} can\'t be read: {error}')
    if not isinstance(result, dict) or result.get('schema') != SCHEMA:
        raise SystemExit(f'bench: {path} was not written by this version of tools/bench')
    return result


def figures_of(result):
    """Every figure of a result: name -> summary with unit."""
    found = {**result.get('latency', {}), **result.get('engine', {}), **result.get('scale', {})}
    if 'guests' in result:
        # Programs that were cut short are other programs.
        scale = result['guests']['scale']
        found |= {name if scale == 1 else f'{name} (× {scale:g})': f
                  for name, f in guest_figures(result['guests']).items()}
    return found


def more_is_better(unit):
    return unit.endswith('/s')


def changes(old, new):
    """(name, old figure, new figure, factor, beyond noise) of what both have measured more than once, largest change first. A
    factor above 1 is a change for the worse."""
    before, after = figures_of(old), figures_of(new)
    found = []
    for name in sorted(before.keys() & after.keys()):
        a, b = before[name], after[name]
        if min(a['median'], b['median']) <= 0 or a['unit'] != b['unit'] or None in (noise(a), noise(b)):
            continue
        difference = abs(b['median'] - a['median'])
        beyond = difference > noise(a) + noise(b) and difference > LEAST_CHANGE * a['median']
        factor = b['median'] / a['median']
        found.append((name, a, b, 1 / factor if more_is_better(a['unit']) else factor, beyond))
    return sorted(found, key=lambda c: -abs(math.log(c[3])))
