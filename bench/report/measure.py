"""Runs the programs that measure, one function for each part of a result. For tools/bench."""
import json
import os
import platform
import shutil
import subprocess
import sys

import results

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

# Latencies of the short set; the others say least.
QUICK = '/20$|/integer/1$|^(linked|jump_cache|return|map|compile_batch|distribution|cold_to_hot)'
QUICK_PROGRAMS = ['crc32', 'quicksort', 'json', 'bytecode_vm', 'virtual_calls', 'containers', 'pointer_chase', 'mandelbrot',
                  'nbody', 'par_atomics', 'hello', 'many_functions']
SIZES = (1_000, 10_000, 100_000, 1_000_000)
TIMELINE = {'program': 'containers', 'engine': 'hybrid', 'milliseconds': 0.2}
TIMELINE_COUNTERS = ('interpreter_blocks', 'jit_entries', 'blocks_translated', 'blocks_compiled', 'translate_time',
                     'compile_time', 'code_bytes_live')
TIMELINE_POINTS = 120


def say(what):
    print('bench:', what, file=sys.stderr, flush=True)


def output(*command):
    """The first line of what a command prints, or None."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip().split('\n')[0]


def must(command, what):
    say(what)
    if subprocess.run(command).returncode != 0:
        sys.exit(f'bench: failed: {" ".join(command)}')


def machine():
    cpu = platform.processor() or platform.machine()
    try:
        with open('/proc/cpuinfo', encoding='utf-8') as file:
            cpu = next((line.split(':', 1)[1].strip() for line in file if line.startswith('model name')), cpu)
    except OSError:
        pass
    return {'cpu': cpu, 'cores': os.cpu_count(), 'architecture': platform.machine(),
            'system': f'{platform.system()} {platform.release()}',
            'memory': f'{os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30:.0f} GiB'}


class OtherWork:
    """How busy the machine is with what is not ours, from now on. The load average would do, but looks back for minutes."""

    def __init__(self):
        self.begin = self.now()

    @staticmethod
    def now():
        """(CPU seconds of the machine that were not idle, all of them, ours)"""
        with open('/proc/stat', encoding='utf-8') as file:
            fields = [int(x) / os.sysconf('SC_CLK_TCK') for x in file.readline().split()[1:9]]
        idle = fields[3] + fields[4]
        times = os.times()
        return sum(fields) - idle, sum(fields), times.user + times.system + times.children_user + times.children_system

    def share(self):
        """Of all CPUs' time."""
        busy, whole, ours = (b - a for a, b in zip(self.begin, self.now()))
        return max(busy - ours, 0) / max(whole, 1e-9)


def commit():
    return output('git', 'describe', '--always', '--dirty')


def versions(context, built_from, with_guests):
    """Of everything that has a part in the figures; `context` is Google Benchmark's."""
    found = {'Ashlar': context.get('ashlar'), 'at commit': built_from, 'built with': context.get('compiler'),
             'Unicorn': context.get('Unicorn'), 'oneTBB': context.get('oneTBB')}
    if with_guests:
        found['native programs'] = output('g++', '--version')
        found['guest programs'] = output('riscv64-linux-gnu-g++', '--version')
        found['QEMU'] = output('qemu-riscv64', '--version')
    return {k: v for k, v in found.items() if v}


def targets(wanted):
    """Of the build, for these parts."""
    programs = {'latency': 'bench/latency_bench', 'engine': 'bench/engine_bench', 'scale': 'bench/scale_bench',
                'guests': 'tools/ashlar'}
    return [programs[part] for part in wanted]


def latency(build, out, quick, only):
    """Google Benchmark's own JSON."""
    raw = os.path.join(out, 'latency.json')
    must([os.path.join(build, 'bench', 'latency_bench'), f'--benchmark_out={raw}', '--benchmark_out_format=json',
          f'--benchmark_repetitions={3 if quick else 9}', f'--benchmark_min_time={0.01 if quick else 0.03}',
          '--benchmark_enable_random_interleaving=true', '--benchmark_display_aggregates_only=true',
          f'--benchmark_filter={only or (QUICK if quick else ".")}', '--benchmark_color=false'], 'latencies')
    with open(raw, encoding='utf-8') as file:
        return json.load(file)


def lines_of(rounds):
    """Figures of programs that print lines: each of `rounds` is a list of commands. Rounds lie apart, so that what else the
    machine does shows in the spread."""
    outputs = []
    for commands in rounds:
        for command in commands:
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
            if done.returncode != 0:
                sys.exit(f'bench: failed: {" ".join(command)}')
            outputs.append(done.stdout)
    return results.line_figures(outputs)


def engine_and_scale(build, parts, quick):
    """What goes into the result under 'engine' and 'scale', if it is among `parts`."""
    say(' and '.join({'engine': 'the engine under load', 'scale': 'many blocks'}[part] for part in parts))
    rounds = []
    for number in range(2 if quick else 5):
        commands = []
        if 'engine' in parts:
            commands.append([os.path.join(build, 'bench', 'engine_bench')])
        for size in SIZES if 'scale' in parts else ():
            # The large sizes take longest.
            if size <= (10_000 if quick else 100_000) or (number < 3 and not quick):
                commands.append([os.path.join(build, 'bench', 'scale_bench'), str(size)])
        rounds.append(commands)
    figures = lines_of(rounds)
    in_scale = lambda name: name.startswith('scale/')  # noqa: E731
    found = {'engine': {n: f for n, f in figures.items() if not in_scale(n)},
             'scale': {n: f for n, f in figures.items() if in_scale(n)}}
    return {part: found[part] for part in parts}


def guests_possible():
    return shutil.which('riscv64-linux-gnu-g++') is not None


def guests(build, out, programs, quick):
    chosen = ['--only', *QUICK_PROGRAMS] if quick else []
    must([sys.executable, os.path.join(ROOT, 'bench', 'guests', 'build.py'), programs, *chosen], 'building the programs')
    written = os.path.join(out, 'guests.json')
    if os.path.exists(written):
        os.remove(written)
    command = [sys.executable, os.path.join(ROOT, 'bench', 'run_guests.py'), programs, '--ashlar',
               os.path.join(build, 'tools', 'ashlar'), '--runs', '3' if quick else '5', '--interp-runs',
               '1' if quick else '3', '--json', written, *chosen]
    if quick:
        command += ['--scale', '0.25']
    say('programs')
    # Exit status 1 says that a program failed, which the report shows.
    if subprocess.run(command).returncode not in (0, 1) or not os.path.exists(written):
        sys.exit('bench: run_guests.py failed')
    with open(written, encoding='utf-8') as file:
        return json.load(file)


def timeline(build, programs):
    """The counters in the course of one run, at times that lie closer at its beginning."""
    say(f'timeline of {TIMELINE["program"]}')
    done = subprocess.run(
        [os.path.join(build, 'tools', 'ashlar'), 'run', '--engine', TIMELINE['engine'], '--stats-every',
         str(TIMELINE['milliseconds']), os.path.join(programs, 'rv64', TIMELINE['program'])],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit(f'bench: {TIMELINE["program"]} failed: {done.stderr[-200:]}')
    rows = [json.loads(line) for line in done.stderr.splitlines() if line.startswith('{')]
    if not rows:
        sys.exit('bench: ashlar run --stats-every wrote nothing')
    growth = (rows[-1]['at'] / rows[0]['at'])**(1 / TIMELINE_POINTS)
    kept, due = [], 0
    for row in rows:
        if row['at'] >= due or row is rows[-1]:
            kept.append(row)
            due = row['at'] * growth
    columns = ('at', *TIMELINE_COUNTERS)
    return {**TIMELINE, 'columns': columns, 'rows': [[row[c] for c in columns] for row in kept]}
