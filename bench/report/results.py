"""What a run of tools/bench has measured, as it lies in the JSON file: reading, summarising, comparing."""
import json
import re
import statistics

SCHEMA = 1
# A change counts when the medians differ by more than this and by more than the two spreads together.
LEAST_CHANGE = 0.03


def summary(values):
    """Median, extremes and interquartile range of the runs."""
    ordered = sorted(values)
    if len(ordered) >= 4:
        low, _, high = statistics.quantiles(ordered, n=4, method='inclusive')
    else:
        low, high = ordered[0], ordered[-1]
    return {'median': statistics.median(ordered), 'low': ordered[0], 'high': ordered[-1], 'quartiles': [low, high],
            'runs': list(values)}


def latency_figures(google):
    """From Google Benchmark's JSON with repetitions: name -> summary in ns of CPU time; counters -> extra."""
    runs, counters = {}, {}
    scale = {'ns': 1, 'us': 1e3, 'ms': 1e6, 's': 1e9}
    known = {'family_index', 'per_family_instance_index', 'repetitions', 'repetition_index', 'threads', 'iterations',
             'real_time', 'cpu_time', 'items_per_second', 'bytes_per_second'}
    for entry in google['benchmarks']:
        if entry.get('run_type') == 'aggregate' or entry.get('error_occurred'):
            continue
        name = re.sub(r'/iterations:\d+$', '', entry['run_name'])
        runs.setdefault(name, []).append(entry['cpu_time'] * scale[entry['time_unit']])
        for key, value in entry.items():
            if key not in known and isinstance(value, (int, float)):
                counters.setdefault(name, {}).setdefault(key, []).append(value)
    figures = {name: summary(values) for name, values in runs.items()}
    for name, values in counters.items():
        figures[name]['counters'] = {key: statistics.median(v) for key, v in values.items()}
    return figures


def guest_figures(guests):
    """'program configuration' -> summary in seconds of CPU time."""
    figures = {}
    for program in guests['programs']:
        for configuration, values in program['runs'].items():
            if values:
                figures[f'{program["name"]} {configuration}'] = summary(values)
    return figures


def load(path):
    try:
        with open(path, encoding='utf-8') as file:
            result = json.load(file)
    except (OSError, ValueError) as error:
        raise SystemExit(f'bench: {path} can\'t be read: {error}')
    if not isinstance(result, dict) or result.get('schema') != SCHEMA:
        raise SystemExit(f'bench: {path} was not written by this version of tools/bench')
    return result


def spread(figure):
    return figure['quartiles'][1] - figure['quartiles'][0]


def changes(old, new):
    """(name, old median, new median, factor, beyond noise) of what both have measured, largest change first."""
    found = []
    for group in ('latency', 'guests'):
        before, after = old.get(group, {}), new.get(group, {})
        if group == 'guests':
            before, after = guest_figures(before) if before else {}, guest_figures(after) if after else {}
        for name in sorted(before.keys() & after.keys()):
            a, b = before[name], after[name]
            if a['median'] <= 0:
                continue
            difference = abs(b['median'] - a['median'])
            beyond = difference > spread(a) + spread(b) and difference > LEAST_CHANGE * a['median']
            found.append((name, a['median'], b['median'], b['median'] / a['median'], beyond))
    return sorted(found, key=lambda c: -abs(c[3] - 1))
