#!/usr/bin/env python3
"""Runs the benchmark guests side by side: natively, under qemu-riscv64 and under Ashlar's engines.

Usage: run_guests.py BUILD [--ashlar PATH] [--engines interp,jit,hybrid] [--runs N] [--interp-runs N] [--scale F]
                     [--class int,fp] [--only NAME...] [--json FILE] [--no-qemu] [--ashlar-options "..."]
BUILD is what guests/build.py wrote. In each round every program runs once in every configuration, one configuration after the
other; the time is user plus system CPU time from wait4, and the median counts; ratios are of runs of the same round. Each
output is compared with the native one; a difference, a bad exit or a time-out is reported as such and the command then
exits with 1.
"""
import argparse
import json
import math
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, 'guests'))
sys.path.insert(0, os.path.join(HERE, 'report'))
from build import read_programs  # noqa: E402
import results  # noqa: E402

# Programs of a millisecond are run more often.
STARTUP_RUNS = 4


def measure(command, timeout):
    """Returns (CPU seconds, wall-clock seconds, wall clock exceeded, exit status, output) of one run."""
    begin = time.monotonic()
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
    wall = time.monotonic() - begin
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, wall, bool(expired), process.returncode, output


def arguments(program, scale):
    """The arguments for a run of about `scale` times the usual time. Most sizes are linear in time, a few are sides of a
    square, and two are exponents, which stay as they are."""
    if scale == 1 or program['name'] in ('nqueens', 'fib'):
        return program['args']
    if program['name'] in ('mandelbrot', 'spectral_norm', 'raytrace'):
        scale = math.sqrt(scale)
    return [str(max(1, round(int(a) * scale))) for a in program['args']]


class Program:
    """One program's runs. A configuration that failed has None for its times and is not tried again."""

    def __init__(self, program, configurations):
        self.program = program
        self.runs, self.wall = ({c: [] for c in configurations} for _ in range(2))
        self.expected = None
        self.failures = []

    def run_once(self, configuration, command, args):
        cpu, elapsed, expired, status, output = measure(command + arguments(self.program, args.scale), args.timeout)
        if configuration == 'native':
            self.expected = output
        if expired or status != 0 or output != self.expected:
            why = 'time-out' if expired else f'exit {status}' if status else 'different output'
            self.failures.append(f'{self.program["name"]} {configuration}: {why}')
            self.runs[configuration] = self.wall[configuration] = None
        else:
            self.runs[configuration].append(cpu)
            self.wall[configuration].append(elapsed)

    def run_round(self, number, configurations, args):
        startup = self.program['class'] == 'startup'
        for _ in range(STARTUP_RUNS if startup else 1):
            for configuration, command in configurations.items():
                left_out = (configuration == 'interp' and not startup and args.interp_runs is not None
                            and number >= args.interp_runs)
                if self.runs[configuration] is not None and not left_out:
                    self.run_once(configuration, command(self.program['name']), args)

    def result(self):
        return {'name': self.program['name'], 'class': self.program['class'], 'runs': self.runs, 'wall': self.wall}


def show(programs, configurations, means):
    medians = {c: {p['name']: results.median_of(p, c) for p in programs} for c in configurations}
    others = [c for c in configurations if c != 'native']
    shown = lambda v, form: format(v, form) if v is not None else '-'  # noqa: E731
    ratio = lambda p, c, base: (results.ratio(p, c, base) or {}).get('median')  # noqa: E731
    print(f'{"program":16}{"class":9}' + ''.join(f'{c + " s":>11}' for c in configurations)
          + ''.join(f'{c + "/nat":>12}' for c in others) + ''.join(f'{"qemu/" + c:>13}' for c in others if c != 'qemu'))
    for p in programs:
        line = f'{p["name"]:16}{p["class"]:9}' + ''.join(f'{shown(medians[c][p["name"]], ".3f"):>11}' for c in configurations)
        line += ''.join(f'{shown(ratio(p, c, "native"), ".2f"):>12}' for c in others)
        line += ''.join(f'{shown(ratio(p, "qemu", c), ".2f"):>13}' for c in others if c != 'qemu')
        print(line)
    print('\ngeometric means (× native: lower is better; qemu/X: how many times as fast as QEMU)')
    for kind, values in means.items():
        print(f'  {kind:8}' + '  '.join(f'{key} {value["median"]:.2f}' for key, value in values.items()))
    for c in configurations:
        hello, many = medians[c].get('hello'), medians[c].get('many_functions')
        if hello is not None and many is not None:
            print(f'  {c}: hello {hello * 1e3:.1f} ms, 20,000 functions run once {(many - hello) / 20000 * 1e6:.2f} us each')


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('build')
    parser.add_argument('--ashlar')
    parser.add_argument('--ashlar-options', default='', help='further options of "ashlar run"')
    parser.add_argument('--engines', default='interp,jit,hybrid')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--interp-runs', type=int, help='at most so many with the interpreter, which takes longest')
    parser.add_argument('--scale', type=float, default=1)
    parser.add_argument('--class', dest='classes')
    parser.add_argument('--only', nargs='*')
    parser.add_argument('--json')
    parser.add_argument('--no-qemu', action='store_true')
    parser.add_argument('--timeout', type=float, default=600, help='seconds for one run')
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

    all_runs = [Program(program, configurations) for program in programs]
    for number in range(args.runs):
        for program in all_runs:
            program.run_round(number, configurations, args)
        print(f'  round {number + 1} of {args.runs} done', file=sys.stderr)
    measured = [program.result() for program in all_runs]
    failures = [failure for program in all_runs for failure in program.failures]
    show(measured, list(configurations), results.means(measured))
    for failure in failures:
        print('FAILED', failure)
    if args.json:
        with open(args.json, 'w', encoding='utf-8') as file:
            json.dump({'runs': args.runs, 'interp_runs': args.interp_runs, 'scale': args.scale, 'programs': measured,
                       'failures': failures}, file, indent=1)
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
