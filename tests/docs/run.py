#!/usr/bin/env python3
"""Runs a page's program and compares what it prints with what the page says.

Usage: run.py PROGRAM EXPECTED
"""
import difflib
import subprocess
import sys

program, expected = sys.argv[1:]
done = subprocess.run([program], capture_output=True, text=True, timeout=60)
with open(expected, encoding='utf-8') as f:
    wanted = f.read()
if done.returncode != 0:
    print(f'status {done.returncode}, stderr: {done.stderr}')
for line in difflib.unified_diff(wanted.splitlines(), done.stdout.splitlines(), 'the page', 'the program', lineterm=''):
    print(line)
sys.exit(done.returncode != 0 or done.stdout != wanted)
