#!/usr/bin/env python3
"""Brings the words in snippets.txt in line with the assembly that stands behind them.

Usage: assemble_snippets.py [--check]
Needs riscv64-linux-gnu-as, -objcopy and -nm. With --check nothing is written; exit status 1 if something would be, 77 if
the tools are missing.
"""
import os
import shutil
import subprocess
import sys
import tempfile

FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'snippets.txt')
PREFIX = 'riscv64-linux-gnu-'


def assemble(snippets):
    """The words of each (name, [instruction])."""
    lines = ['.option norelax', '.option norvc']
    for name, instructions in snippets:
        # Far enough apart for the branches to stay in reach of nothing but themselves.
        lines += ['.balign 256', f'begin_{name}:', *instructions, f'end_{name}:']
    with tempfile.TemporaryDirectory() as directory:
        source, built, flat = (os.path.join(directory, f) for f in ('s.s', 's.o', 's.bin'))
        with open(source, 'w', encoding='utf-8') as out:
            out.write('\n'.join(lines) + '\n')
        subprocess.run([PREFIX + 'as', '-march=rv64gc_zba_zbb_zbs', '-o', built, source], check=True)
        subprocess.run([PREFIX + 'objcopy', '-O', 'binary', '-j', '.text', built, flat], check=True)
        listed = subprocess.run([PREFIX + 'nm', built], check=True, capture_output=True, text=True).stdout
        symbols = {fields[2]: int(fields[0], 16) for fields in map(str.split, listed.splitlines()) if len(fields) == 3}
        with open(flat, 'rb') as binary:
            code = binary.read()
    result = []
    for name, _ in snippets:
        part = code[symbols[f'begin_{name}']:symbols[f'end_{name}']]
        result.append([f'{int.from_bytes(part[i:i + 4], "little"):08x}' for i in range(0, len(part), 4)])
    return result


def main():
    if any(shutil.which(PREFIX + tool) is None for tool in ('as', 'objcopy', 'nm')):
        print('the RISC-V binutils are not installed')
        return 77
    with open(FILE, encoding='utf-8') as lines:
        before = lines.read().splitlines()
    snippets = {}
    for number, line in enumerate(before):
        if line and not line.startswith('#'):
            name, rest = line.split(': ', 1)
            snippets[number] = (name, rest.split('  ', 1)[1].split('; '))
    words = dict(zip(snippets, assemble(list(snippets.values()))))
    after = [f'{snippets[n][0]}: {" ".join(words[n])}  {"; ".join(snippets[n][1])}' if n in words else line
             for n, line in enumerate(before)]
    wrong = [old for old, new in zip(before, after) if old != new]
    for line in wrong:
        print('not what the assembler makes of it:', line)
    if '--check' in sys.argv:
        return 1 if wrong else 0
    with open(FILE, 'w', encoding='utf-8') as out:
        out.write('\n'.join(after) + '\n')
    return 0


if __name__ == '__main__':
    sys.exit(main())
