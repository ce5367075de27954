#!/usr/bin/env python3
"""Builds every benchmark guest of programs.txt, natively and for rv64gc, into OUT/native and OUT/rv64.

Usage: build.py OUT [--jobs N] [--only NAME...] [--native-cxx g++] [--guest-cxx riscv64-linux-gnu-g++]
A program is rebuilt only when its source, bench.hpp or programs.txt is newer. OUT/programs.txt is a copy of the list,
so that OUT alone is enough for run_guests.py.
"""
import argparse
import concurrent.futures
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def read_programs(path):
    programs = []
    with open(path) as f:
        for line in f:
            line = line.split('#', 1)[0].strip()
            if not line:
                continue
            fields = [x.strip() for x in line.split('|')]
            name, kind, source, args, flags = fields
            programs.append({'name': name, 'class': kind, 'source': source, 'args': args.split(), 'flags': flags.split()})
    return programs


def source_of(program, out):
    """The C or C++ file of a program; generators write theirs into OUT/generated."""
    path = os.path.join(HERE, program['source'])
    if not path.endswith('.py'):
        return path
    folder = os.path.join(out, 'generated')
    os.makedirs(folder, exist_ok=True)
    written = os.path.join(folder, program['name'] + ('.c' if program['name'] == 'many_functions' else '.cpp'))
    if not os.path.exists(written) or os.path.getmtime(written) < os.path.getmtime(path):
        subprocess.run([sys.executable, path, written], check=True)
    return written


def build(compiler, program, source, target):
    inputs = [source, os.path.join(HERE, 'bench.hpp'), os.path.join(HERE, 'programs.txt')]
    if os.path.exists(target) and all(os.path.getmtime(target) >= os.path.getmtime(i) for i in inputs):
        return None
    cxx = compiler
    if source.endswith('.c'):
        cxx = compiler.replace('g++', 'gcc').replace('clang++', 'clang')
    standard = [] if source.endswith('.c') else ['-std=c++20']
    command = [cxx, '-O2', '-static', '-I', HERE, *standard, *program['flags'], source, '-o', target, '-lm']
    done = subprocess.run(command, capture_output=True, text=True)
    return None if done.returncode == 0 else f'{" ".join(command)}\n{done.stderr}'


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('out')
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--only', nargs='*')
    parser.add_argument('--native-cxx', default='g++')
    parser.add_argument('--guest-cxx', default='riscv64-linux-gnu-g++')
    args = parser.parse_args()
    out = os.path.abspath(args.out)
    compilers = {'native': args.native_cxx, 'rv64': args.guest_cxx}
    for folder in compilers:
        os.makedirs(os.path.join(out, folder), exist_ok=True)
    listing = os.path.join(HERE, 'programs.txt')
    programs = [p for p in read_programs(listing) if not args.only or p['name'] in args.only]
    shutil.copy(listing, os.path.join(out, 'programs.txt'))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        jobs = []
        for program in programs:
            source = source_of(program, out)
            for folder, compiler in compilers.items():
                jobs.append(pool.submit(build, compiler, program, source, os.path.join(out, folder, program['name'])))
        for job in jobs:
            if job.result():
                failed += 1
                print(job.result(), file=sys.stderr)
    print(f'built {len(jobs) - failed} of {len(jobs)} binaries in {out}')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
