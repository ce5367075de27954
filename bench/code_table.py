#!/usr/bin/env python3
"""How much host code the benchmark guests take, for both hosts, as a Markdown table.

Usage: code_table.py BUILD [--ashlar PATH] [--only NAME...]
BUILD is what guests/build.py wrote. Each program runs once under `ashlar run --engine jit --code`, which says what is
counted. Threads count without synchronisation, so that programs with several are a little off.
"""
import argparse
import math
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, 'guests'))
from build import read_programs  # noqa: E402

LINE = re.compile(r'^code: (x64|a64): ([0-9.]+) instructions executed, ([0-9.]+) bytes', re.MULTILINE)


def measure(ashlar, binary, arguments):
    """{host: (instructions, bytes)} by guest instruction."""
    done = subprocess.run([ashlar, 'run', '--engine', 'jit', '--code', binary] + arguments, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    found = {host: (float(executed), float(size)) for host, executed, size in LINE.findall(done.stderr)}
    if done.returncode != 0 or len(found) != 2:
        sys.exit(f'code_table: {binary}: status {done.returncode}\n{done.stderr}')
    return found


def row(name, x64, a64):
    cells = [f'{x64[0]:.2f}', f'{a64[0]:.2f}', f'{a64[0] / x64[0]:.2f}', f'{x64[1]:.1f}', f'{a64[1]:.1f}']
    print(f'| {name} | ' + ' | '.join(cells) + ' |')


def mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('build')
    parser.add_argument('--ashlar', default='build/tools/ashlar')
    parser.add_argument('--only', nargs='*')
    args = parser.parse_args()
    print('| program | instructions, x64 | a64 | a64 / x64 | bytes, x64 | a64 |')
    print('|---|---:|---:|---:|---:|---:|')
    by_class = {}
    for program in read_programs(os.path.join(args.build, 'programs.txt')):
        if args.only and program['name'] not in args.only:
            continue
        found = measure(args.ashlar, os.path.join(args.build, 'rv64', program['name']), program['args'])
        row(program['name'], found['x64'], found['a64'])
        by_class.setdefault(program['class'], []).append(found)
    for name, all_found in by_class.items():
        if len(all_found) > 1:
            row(f'**{name}, geometric mean**', *(
                [mean([found[host][i] for found in all_found]) for i in (0, 1)] for host in ('x64', 'a64')))


if __name__ == '__main__':
    main()
