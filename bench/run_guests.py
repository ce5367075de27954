#!/usr/bin/env python3
"""Runs the benchmark guests side by side: natively, under qemu-riscv64 and under Ashlar's engines.

Usage: run_guests.py BUILD [--ashlar PATH] [--engines interp,jit,hybrid] [--runs N] [--scale F] [--class int,fp]
                     [--only NAME...] [--json FILE] [--no-qemu] [--ashlar-options "..."]
BUILD is what guests/build.py wrote. Runs are interleaved (every configuration once, then again), the time is user plus
system CPU time from wait4, and the median counts. Each output is compared with the native one; a difference, a bad exit
or a time-out is reported as such and the command then exits with 1.
"""
import argparse
import json
import math
import os
import shlex
import shutil
import signal
import statistics
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, 'guests'))
from build import read_programs  # noqa: E402


def measure(command, timeout):
    """Returns (cpu seconds, wall-clock exceeded, exit status, output) of one run."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    expired = []

    def stop():
        expired.append(True)
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    timer = threading.Timer(timeout, stop)
    timer.start()
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, bool(expired), process.returncode, output


def arguments(program, scale):
    """The arguments for a run of about `scale` times the usual time. Most sizes are linear in time, a few are sides of a
    square, and two are exponents, which stay as they are."""
    if scale == 1 or program['name'] in ('nqueens', 'fib'):
        return program['args']
    if program['name'] in ('mandelbrot', 'spectral_norm', 'raytrace'):
        scale = math.sqrt(scale)
    return [str(max(1, round(int(a) * scale))) for a in program['args']]


def geometric_mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values)) if values else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('build')
    parser.add_argument('--ashlar')
    parser.add_argument('--ashlar-options', default='', help='further options of "ashlar run"')
    parser.add_argument('--engines', default='interp,jit,hybrid')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--scale', type=float, default=1)
    parser.add_argument('--class', dest='classes')
    parser.add_argument('--only', nargs='*')
    parser.add_argument('--json')
    parser.add_argument('--no-qemu', action='store_true')
    parser.add_argument('--timeout', type=float, default=120)
    args = parser.parse_args()

    programs = read_programs(os.path.join(args.build, 'programs.txt'))
    if args.classes:
        programs = [p for p in programs if p['class'] in args.classes.split(',')]
    if args.only:
        programs = [p for p in programs if p['name'] in args.only]
    if not programs:
        sys.exit('run_guests.py: no program of that name or class')

    configurations = {'native': lambda name: [os.path.join(args.build, 'native', name)]}
    guest = lambda name: os.path.join(args.build, 'rv64', name)  # noqa: E731
    if not args.no_qemu and shutil.which('qemu-riscv64'):
        configurations['qemu'] = lambda name: ['qemu-riscv64', guest(name)]
    if args.ashlar:
        for engine in args.engines.split(','):
            configurations[engine] = lambda name, engine=engine: [
                args.ashlar, 'run', '--engine', engine, *shlex.split(args.ashlar_options), guest(name)]

    results, failures = [], []
    for program in programs:
        name, times, expected = program['name'], {c: [] for c in configurations}, None
        for _ in range(args.runs):
            for configuration, command in configurations.items():
                if times[configuration] is None:
                    continue
                seconds, expired, status, output = measure(command(name) + arguments(program, args.scale), args.timeout)
                if configuration == 'native':
                    expected = output
                if expired or status != 0 or output != expected:
                    why = 'time-out' if expired else f'exit {status}' if status else 'different output'
                    failures.append(f'{name} {configuration}: {why}')
                    times[configuration] = None
                else:
                    times[configuration].append(seconds)
        medians = {c: statistics.median(t) if t else None for c, t in times.items()}
        results.append({'name': name, 'class': program['class'], 'seconds': medians, 'runs': times})
        print(f'  {name} done', file=sys.stderr)

    columns = list(configurations)
    ratio = lambda m, c, base: m[c] / max(m[base], 1e-4) if m.get(c) is not None and m.get(base) else None  # noqa: E731
    show = lambda v, form: format(v, form) if v is not None else '-'  # noqa: E731
    others = columns[1:]
    head = f'{"program":16}{"class":9}' + ''.join(f'{c + " s":>11}' for c in columns)
    head += ''.join(f'{c + "/nat":>12}' for c in others) + ''.join(f'{"qemu/" + c:>13}' for c in others if c != 'qemu')
    print(head)
    means = {}
    for r in results:
        m = r['seconds']
        line = f'{r["name"]:16}{r["class"]:9}' + ''.join(f'{show(m[c], ".3f"):>11}' for c in columns)
        line += ''.join(f'{show(ratio(m, c, "native"), ".2f"):>12}' for c in others)
        line += ''.join(f'{show(ratio(m, "qemu", c), ".2f") if "qemu" in m else "-":>13}' for c in others if c != 'qemu')
        print(line)
        for c in others:
            for key, value in ((f'{c}/native', ratio(m, c, 'native')), (f'qemu/{c}', ratio(m, 'qemu', c))):
                if value and r['class'] != 'startup' and key != 'qemu/qemu':
                    means.setdefault(r['class'], {}).setdefault(key, []).append(value)
    summary = {k: {key: geometric_mean(v) for key, v in d.items()} for k, d in means.items()}
    print('\ngeometric means (× native: lower is better; qemu/X: how many times as fast as QEMU)')
    for kind, values in summary.items():
        print(f'  {kind:8}' + '  '.join(f'{key} {value:.2f}' for key, value in values.items()))
    by_name = {r['name']: r['seconds'] for r in results}
    if 'hello' in by_name and 'many_functions' in by_name:
        for c in columns:
            hello, many = by_name['hello'][c], by_name['many_functions'][c]
            if hello is not None and many is not None:
                print(f'  {c}: hello {hello * 1e3:.1f} ms, 20,000 functions run once {(many - hello) / 20000 * 1e6:.2f} us each')
    for failure in failures:
        print('FAILED', failure)
    if args.json:
        with open(args.json, 'w') as f:
            json.dump({'runs': args.runs, 'scale': args.scale, 'programs': results, 'means': summary,
                       'failures': failures}, f, indent=1)
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
