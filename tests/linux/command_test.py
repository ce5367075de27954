#!/usr/bin/env python3
"""The ashlar command as its users meet it: every mistake gives one sentence on stderr and exit status 2, help and version
are on stdout, options end where the program begins.

Usage: command_test.py ASHLAR [--no-stats]
--no-stats: this ashlar was built to count nothing.
"""
import json
import os
import select
import shlex
import struct
import subprocess
import sys
import tempfile
import time

failures = 0


def run(*args, **kwargs):
    return subprocess.run([*ASHLAR, *args], capture_output=True, text=True, timeout=60, **kwargs)


def check(condition, what):
    global failures
    if not condition:
        failures += 1
        print('FAIL', what)


def mistake(args, *words):
    done = run(*args)
    what = f'{args}: status {done.returncode}, stdout {done.stdout!r}, stderr {done.stderr!r}'
    check(done.returncode == 2 and done.stdout == '', what)
    lines = done.stderr.splitlines()
    check(len(lines) == 1 and lines[0].startswith('ashlar: '), 'one sentence: ' + what)
    for word in words:
        check(word in done.stderr, f'{word!r} in ' + what)


def small_program(code):
    """A static RISC-V ELF file of one segment, from its instructions."""
    text = struct.pack(f'<{len(code)}I', *code)
    header = b'\x7fELF\x02\x01\x01' + bytes(9) + struct.pack('<HHIQQQIHHHHHH', 2, 243, 1, 0x10078, 64, 0, 5, 64, 56, 1, 64, 0, 0)
    segment = struct.pack('<IIQQQQQQ', 1, 5, 0, 0x10000, 0x10000, 120 + len(text), 120 + len(text), 4096)
    return header + segment + text


# Meson wraps only a test's own executable, and names the wrapper that an ashlar for another machine needs.
RUNNER = shlex.split(os.environ.get('MESON_EXE_WRAPPER', ''))
ASHLAR = RUNNER + [os.path.abspath(sys.argv[1])]
COUNTS = '--no-stats' not in sys.argv[2:]
with tempfile.TemporaryDirectory() as directory:
    def file(name, content):
        path = os.path.join(directory, name)
        with open(path, 'wb') as f:
            f.write(content)
        return path

    # The program exits with its number of arguments: ld a0, 0(sp); li a7, 94; ecall.
    argc = file('argc', small_program([0x00013503, 0x05e00893, 0x00000073]))
    endless = file('endless', small_program([0x0000006f]))
    text = file('text', b'just text\n')
    host = os.path.realpath('/bin/sh')

    mistake(['run'], 'needs a program')
    mistake(['run', '/nonexistent/program'], "can't open '/nonexistent/program'")
    mistake(['run', directory], 'not a regular file')
    mistake(['run', text], 'is not an ELF file')
    mistake(['run', host], 'not for RISC-V')
    mistake(['run', file('short', small_program([0x73])[:100])], 'truncated')
    mistake(['run', file('empty', b'')], 'is not an ELF file')
    for size in ('0', 'x', '12Q', '-1', '99999999999999999999', '1000', '20000000T', ''):
        mistake(['run', '--memory', size, argc])
    mistake(['run', '--memory', '64K', argc])
    mistake(['run', '--dir', os.path.join(directory, 'none'), argc], "can't grant")
    mistake(['run', '--dir', 'guest=' + directory, argc], 'absolute')
    mistake(['run', '--dir', '/a=' + directory, '--dir', '/a=' + directory, argc], 'twice')
    mistake(['run', '--env', '=x', argc], '--env')
    mistake(['run', '--env', 'SURELY_NOT_SET_ANYWHERE', argc], 'no such variable')
    mistake(['run', '--engine', 'quantum', argc], "'quantum' is not an engine")
    mistake(['run', '--stats=xml', argc], 'table or json')
    mistake(['run', '--fuel', 'much', argc], '--fuel')
    for every in ('0', '0.01', '-1', 'nan', '1e9'):
        mistake(['run', '--stats-every', every, argc], '--stats-every')
    mistake(['run', '--bogus', argc], '--bogus')
    mistake(['run', '--memory'])
    mistake([argc], 'is not a command')
    mistake(['dump'])
    mistake(['dump', text], 'is not an ELF file')
    mistake(['dump', argc, '--at', 'nothing_of_that_name'], 'has no symbol')
    mistake(['dump', argc, '--at', '0xfffffffffffffff0'], 'no executable code')
    mistake(['dump', argc, '--host', 'z80'], '--host')
    mistake(['dump', argc, '--host', 'a64', '--at', '0xfffffffffffffff0'], 'no executable code')
    mistake(['dump', argc, '--host', 'x64', '--at', '0xfffffffffffffff0'], 'no executable code')
    mistake(['run', '--engine', 'interp', '--perf-map', argc], '--engine jit')
    for flag in ('--profile', '--code', '--gdb'):
        mistake(['run', '--engine', 'interp', flag, argc], '--engine jit')
    mistake(['run', '--code-limit', '4K', argc], 'code limit')
    mistake(['run', '--code-limit', 'x', argc], 'not a size')
    mistake(['run', '--code-memory', 'slow', argc], 'auto, dual, toggled or none')
    mistake(['run', '--engine', 'jit', '--jitdump=/nonexistent', argc], "can't create '/nonexistent/jit-")

    for args in ([], ['--help'], ['run', '--help'], ['dump', '--help']):
        done = run(*args)
        check(done.returncode == 0 and 'xamples:' in done.stdout and done.stderr == '', f'help by {args}')
    check(run('--version').stdout.startswith('ashlar '), '--version')

    check(run('run', argc).returncode == 1, 'one argument: its own name')
    check(run('run', argc, 'a', 'b').returncode == 3, 'two more')
    check(run('run', '--', argc, 'a').returncode == 2, 'behind --')
    check(run('run', '--memory', '64M', argc, '--memory', '--', '-x', '--help').returncode == 5, "the program's own options")
    check(run('run', '--memory=64M', '--dir', directory, '--env', 'A=b', argc).returncode == 1, 'options of all shapes')

    # fstat(0): 0 with a file there, EBADF (9) with a directory. addi a1, sp, -256; li a0, 0; li a7, 80; ecall; neg a0, a0; li a7, 94
    stat = file('stat', small_program([0xf0010593, 0x00000513, 0x05000893, 0x73, 0x40a00533, 0x05e00893, 0x73]))
    with open(text) as f:
        check(run('run', stat, stdin=f).returncode == 0, 'standard input is passed on')
    fd = os.open(directory, os.O_RDONLY)
    check(run('run', stat, stdin=fd).returncode == 9, 'a directory as standard input is no grant')
    os.close(fd)

    done = run('run', '--fuel', '1000', endless)
    check(done.returncode == 124 and 'fuel is spent at pc 0x10078' in done.stderr, f'fuel: {done}')
    done = run('run', '--stats', argc)
    check(done.returncode == 1 and ('syscalls' in done.stderr) == COUNTS and done.stdout == '', f'stats: {done}')
    done = run('run', '--stats=json', argc)
    check(done.returncode == 1 and done.stderr.startswith('{') and f'"syscalls": {int(COUNTS)}' in done.stderr.replace(':1', ': 1'), f'stats as JSON: {done}')
    done = run('run', '--engine', 'interp', '--stats-every', '1', '--fuel', '20000000', endless)
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith('{')]
    check(done.returncode == 124 and len(lines) > 1, f'counters every millisecond: {done.stderr[:300]}')
    check(all(a['at'] < b['at'] and a['interpreter_blocks'] <= b['interpreter_blocks'] for a, b in zip(lines, lines[1:]))
          and (lines[-1]['interpreter_blocks'] > lines[0]['interpreter_blocks']) == COUNTS, 'they grow, if anything is counted')
    done = run('dump', argc)
    check(done.returncode == 0 and 'ld\ta0,0(sp)' in done.stdout.replace(' ', '').replace('lda0', 'ld\ta0') and 'optimised IR' in done.stdout,
          f'dump: {done}')
    done = run('dump', argc, '--host', 'x64')
    check(done.returncode == 0 and done.stdout.count('x64 code:') == 1, f'dump of host code: {done}')
    host_code = done.stdout.split('x64 code:')[-1]
    for line in ('; 0x10078  ld', '; 0x1007c  ', '; 0x10080  ecall', 'for 3 guest instructions', 'x2='):
        check(line in host_code, f'{line!r} in {done}')
    if os.uname().machine == 'x86_64':
        child = subprocess.Popen([*ASHLAR, 'run', '--engine', 'jit', '--perf-map', '--jitdump=' + directory, argc])
        check(child.wait(60) == 1, 'with --perf-map and --jitdump')
        perf_map = f'/tmp/perf-{child.pid}.map'
        with open(perf_map) as f:
            check('guest [0x10078]\n' in f.read(), 'perf map')
        os.unlink(perf_map)
        with open(os.path.join(directory, f'jit-{child.pid}.dump'), 'rb') as f:
            check(b'guest [0x10078]\0' in f.read(), 'jitdump')
    # addi a0, a0, 1; bne a0, a1, -4; li a7, 94; li a0, 7; ecall, with a1 = 1 << 16.
    loop = file('loop', small_program([0x000105b7, 0x00000513, 0x00150513, 0xfeb51ee3, 0x05e00893, 0x00700513, 0x73]))
    for kind in ('dual', 'toggled', 'auto'):
        done = run('run', '--engine', 'jit', '--code-limit', '64K', '--code-memory', kind, loop)
        # qemu-user 7.2 can't do the one; the probe at start must have said so.
        refused = kind == 'dual' and RUNNER != [] and 'the host executes old code' in done.stderr
        check(done.returncode == 7 and (done.stderr == '' or refused), f'--code-memory {kind}: {done}')
    done = run('run', '--engine', 'jit', '--code-memory', 'none', loop)
    lines = done.stderr.splitlines()
    check(done.returncode == 7 and len(lines) == 1 and 'everything is interpreted' in lines[0], f'no executable memory: {done}')
    if os.uname().machine == 'x86_64':
        done = run('run', '--engine', 'jit', '--profile', '--gdb', loop)
        check(done.returncode == 7 and 'executions' in done.stderr and 'guest [0x10080]\n' in done.stderr, f'profile: {done}')
        done = run('run', '--engine', 'jit', '--code', loop)
        check(done.returncode == 7 and all(f'code: {host}: ' in done.stderr for host in ('x64', 'a64')), f'code: {done}')
        done = run('run', '--engine', 'jit', '--profile', loop)
        check(any(line.split()[2:3] == ['65535'] for line in done.stderr.splitlines()), f'executions in the profile: {done}')

    # A line of progress while stderr is a terminal and stdout is not.
    controller, terminal = os.openpty()
    child = subprocess.Popen([*ASHLAR, 'run', endless], stdout=subprocess.DEVNULL, stderr=terminal)
    os.close(terminal)
    shown, patience = b'', time.monotonic() + 50
    while b'system calls' not in shown and time.monotonic() < patience:
        if select.select([controller], [], [], 1)[0]:
            shown += os.read(controller, 1000)
    child.kill()
    child.wait()
    os.close(controller)
    check(b'ashlar: running for 2 s: ' in shown, f'progress on a terminal: {shown}')

    done = run('run', file('death', small_program([0])))
    check(done.returncode == 132 and done.stderr == 'ashlar: program terminated by signal 4 (Illegal instruction): instruction 0x0 at pc 0x10078\n',
          f'death: {done}')

print('ok' if failures == 0 else f'{failures} failed')
sys.exit(failures != 0)
