#!/usr/bin/env python3
"""Counts the instructions of the paths that are easily made slow, under callgrind, and compares with budget.json.

Usage: check.py DRIVER [--update]
budget.json holds instructions per unit (a block compiled, a look-up, ...) for a compiler, architecture and kind of build.
A count above its budget by more than the tolerance fails; one below by more than it asks for --update, which writes
what was counted. Exit status 77: no valgrind, or no budget for this compiler and build.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

BUDGET = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'budget.json')
TOLERANCE = 0.10


def counts(driver):
    """Name -> instructions per unit."""
    with tempfile.TemporaryDirectory() as folder:
        written = os.path.join(folder, 'callgrind.out')
        try:
            # meson test has malloc fill what it gives, which would be counted.
            env = {name: value for name, value in os.environ.items() if name != 'MALLOC_PERTURB_'}
            run = subprocess.run(['valgrind', '--tool=callgrind', f'--callgrind-out-file={written}',
                                  '--compress-strings=no', '--compress-pos=no', driver],
                                 capture_output=True, text=True, timeout=100, env=env)
        except subprocess.TimeoutExpired:
            sys.exit('check.py: the driver did not end within 100 s under valgrind')
        if run.returncode != 0:
            sys.exit(f'check.py: the driver failed under valgrind:\n{run.stdout}{run.stderr}')
        units = dict(line.split() for line in run.stdout.strip().split('\n'))
        shown = subprocess.run(['callgrind_annotate', '--inclusive=yes', '--threshold=100', written], capture_output=True,
                               text=True, check=True).stdout
    inclusive = {}
    for line in shown.split('\n'):
        found = re.match(r'\s*([\d,]+).*:budget_(\w+)', line)
        if found:
            inclusive.setdefault(found.group(2), int(found.group(1).replace(',', '')))
    missing = units.keys() - inclusive.keys()
    if missing:
        sys.exit(f'check.py: callgrind saw nothing of {", ".join(sorted(missing))}')
    return {name: round(inclusive[name] / int(n), 1) for name, n in units.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('driver')
    parser.add_argument('--update', action='store_true')
    args = parser.parse_args()
    if not all(map(shutil.which, ('valgrind', 'callgrind_annotate'))):
        print('valgrind is not installed')
        return 77
    with open(BUDGET, encoding='utf-8') as file:
        budgets = json.load(file)
    what = subprocess.run([args.driver, '--what'], capture_output=True, text=True, check=True).stdout.strip()
    if what not in budgets and not args.update:
        print(f'there is no budget for {what}, only for {", ".join(budgets)}')
        return 77
    counted = counts(args.driver)
    if args.update:
        budgets[what] = counted
        with open(BUDGET, 'w', encoding='utf-8') as file:
            json.dump(budgets, file, indent=2)
            file.write('\n')
    budget, failed = budgets[what], False
    print(f'{what}: instructions per unit')
    for name in sorted(budget.keys() | counted.keys()):
        before, now = budget.get(name), counted.get(name)
        if before is None or now is None:
            verdict, failed = 'NOT IN BOTH: run with --update', True
        elif now > before * (1 + TOLERANCE):
            verdict, failed = f'TOO MANY: {now / before - 1:+.1%}', True
        elif now < before * (1 - TOLERANCE):
            verdict = f'better: {now / before - 1:+.1%}; --update keeps it so'
        else:
            verdict = f'{now / before - 1:+.1%}'
        print(f'  {name:26} budget {before}  counted {now}  {verdict}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
