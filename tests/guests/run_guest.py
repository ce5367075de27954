#!/usr/bin/env python3
"""Runs guest programs under Ashlar and compares standard output and exit status with qemu-riscv64, or with a file.

Usage: run_guest.py --ashlar PATH [--engine ENGINE] --guest-dir BUILD [--runner "CMD ..."] NAME...
ENGINE is one of ashlar's, or a variant of one: jit-tiny has little room for code, so that translations are evicted all
the time, and optimises all of it at once; jit-learn gives registers to other slots as early and as often as it can; jit-refused finds that the host
refuses executable memory, and must say so once (with --runner, whose program may need such memory itself, it is told
not to use any).
NAME is a program of manifest.txt, or group:NAME for all programs of a group, or "all".

BUILD holds the compiled guests. What qemu said is kept beside the binary (NAME.qemu.json) until the binary or its line in
the manifest changes. --runner puts a command before ashlar (an aarch64 ashlar under qemu-aarch64, valgrind).
Programs marked "dir" get an empty directory: {dir} in their arguments, granted to ashlar with --dir.
A death by signal N counts as status 128+N. For ashlar itself it counts as a crash: a guest's deadly signal must come out
of ashlar as the exit status 128+N.
Without --ashlar, only the reference (qemu) is run; --print shows its output.
"""
import argparse
import ctypes
import difflib
import hashlib
import json
import os
import shlex
import platform
import shutil
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))


def read_manifest():
    programs = {}
    with open(os.path.join(HERE, 'manifest.txt')) as f:
        for line in f:
            line = line.strip()
            if not line or line.startswith('#'):
                continue
            fields = [x.strip() for x in line.split('|')]
            name, group, source, flags, args, stdin, options = fields
            if name in programs:
                sys.exit(f'run_guest.py: {name} stands twice in manifest.txt')
            programs[name] = {'name': name, 'group': group, 'source': source, 'flags': flags, 'line': line,
                              'args': shlex.split(args), 'stdin': stdin.encode().decode('unicode_escape').encode('latin-1'),
                              'options': options.split()}
    return programs


# Engine variants: the engine, further options of "ashlar run".
VARIANTS = {
    'jit-tiny': ('jit', ['--code-limit', '64K', '--learn-after', '0']),
    'jit-learn': ('jit', ['--learn-after', '3']),
    'jit-refused': ('jit', []),
}
REFUSAL = b'ashlar: no compiled code, everything is interpreted: '


def refuse_executable_memory():
    """From here on, this process and those that it becomes can't have memory executable, programs and libraries aside:
    a seccomp filter refuses PROT_EXEC to mprotect, and to mmap of anonymous or shared memory, with EPERM."""
    numbers = {'x86_64': (9, 10, 329), 'aarch64': (222, 226, 288)}[platform.machine()]
    mmap, mprotect, pkey_mprotect = numbers
    load, equal, any_bit, give = 0x20, 0x15, 0x45, 0x06  # LD|W|ABS, JMP|JEQ|K, JMP|JSET|K, RET|K
    allow, refuse = 0x7fff0000, 0x00050001               # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO | EPERM
    program = [
        (load, 0, 0, 0),
        (equal, 4, 0, mprotect),
        (equal, 3, 0, pkey_mprotect),
        (equal, 0, 5, mmap),
        (load, 0, 0, 40),
        (any_bit, 0, 3, 0x21),          # MAP_SHARED | MAP_ANONYMOUS
        (load, 0, 0, 32),
        (any_bit, 0, 1, 4),             # PROT_EXEC
        (give, 0, 0, refuse),
        (give, 0, 0, allow),
    ]
    code = b''.join(struct.pack('<HBBI', *instruction) for instruction in program)
    buffer = ctypes.create_string_buffer(code)
    filter_program = ctypes.create_string_buffer(struct.pack('@HxxxxxxP', len(program), ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, filter_program, 0, 0) != 0:  # NO_NEW_PRIVS, SECCOMP
        raise OSError(ctypes.get_errno(), 'seccomp')


def option(program, key):
    """The value of key=VALUE among a program's options, or None."""
    for o in program['options']:
        if o.startswith(key + '='):
            return o[len(key) + 1:]
    return None


def run(command, program, directory, timeout, preparation=None):
    """Returns (status as a shell shows it, died by signal, stdout, stderr)."""
    args = [a.replace('{dir}', directory or '') for a in program['args']]
    environment = {'PATH': os.environ.get('PATH', ''), 'GUEST_TEST': 'yes', 'TZ': 'UTC', 'LC_ALL': 'C'}
    for name in ('QEMU_LD_PREFIX', 'ASAN_OPTIONS', 'UBSAN_OPTIONS', 'TSAN_OPTIONS', 'LD_LIBRARY_PATH'):
        if name in os.environ:
            environment[name] = os.environ[name]
    try:
        done = subprocess.run(command + args, input=program['stdin'], capture_output=True, timeout=timeout,
                              cwd=directory or '/', env=environment, preexec_fn=preparation)
    except subprocess.TimeoutExpired as e:
        return 'time-out', False, e.stdout or b'', e.stderr or b''
    status = done.returncode
    return (128 - status if status < 0 else status), status < 0, done.stdout, done.stderr


def prepare_directory(program):
    """An empty directory for a program that wants one. Containment tests get neighbours that they must not reach."""
    if 'dir' not in program['options']:
        return None, None
    root = os.path.realpath(tempfile.mkdtemp(prefix='ashlar-guest-'))
    inside = os.path.join(root, 'inside')
    os.mkdir(inside)
    os.mkdir(os.path.join(root, 'outside'))
    with open(os.path.join(root, 'outside', 'secret'), 'w') as f:
        f.write('secret')
    if 'planted' in program['options']:
        for name, target in (('escape', '../outside/secret'), ('absolute', '/etc/passwd'), ('up', '..'), ('root', '/'),
                             ('host', os.path.join(root, 'outside', 'secret')), ('dangling', '../outside/new')):
            os.symlink(target, os.path.join(inside, name))
    return root, inside


def outside_changed(root):
    """The names under the directory's neighbour, which must be what prepare_directory wrote."""
    found = sorted(os.listdir(os.path.join(root, 'outside'))) + sorted(x for x in os.listdir(root))
    with open(os.path.join(root, 'outside', 'secret')) as f:
        content = f.read()
    mode = os.stat(os.path.join(root, 'outside', 'secret')).st_mode & 0o777
    return found != ['secret', 'inside', 'outside'] or content != 'secret' or not mode & 0o400


def reference(program, binary, timeout):
    """What qemu-riscv64 makes of the program, from the cache beside the binary if it is still true."""
    cache = os.path.join(os.path.dirname(binary), program['name'] + '.qemu.json')
    with open(binary, 'rb') as f:
        key = hashlib.sha256(f.read() + program['line'].encode()).hexdigest()
    try:
        with open(cache) as f:
            kept = json.load(f)
        if kept['key'] == key:
            return kept['status'], kept['stdout'].encode('latin-1')
    except (OSError, ValueError, KeyError):
        pass
    root, directory = prepare_directory(program)
    try:
        status, _, out, _ = run(['qemu-riscv64', binary], program, directory, timeout)
    finally:
        if root:
            shutil.rmtree(root, ignore_errors=True)
    out = out.replace((directory or '\0').encode(), b'{dir}')
    if status != 'time-out':
        temporary = f'{cache}.{os.getpid()}'
        with open(temporary, 'w') as f:
            json.dump({'key': key, 'status': status, 'stdout': out.decode('latin-1')}, f)
        os.replace(temporary, cache)
    return status, out


def expected_result(program, binary, timeout):
    name = option(program, 'expect')
    if not name:
        return reference(program, binary, timeout)
    with open(os.path.join(HERE, name), 'rb') as f:
        return int(option(program, 'status') or 0), f.read()


def show_difference(expected, got, limit=30):
    lines = difflib.unified_diff(expected.decode('latin-1').splitlines(), got.decode('latin-1').splitlines(),
                                 'expected', 'ashlar', lineterm='', n=1)
    for number, line in enumerate(lines):
        if number == limit:
            print('    ...')
            break
        print('    ' + line[:200])


def check(program, args):
    """Runs one program and says whether it behaved; prints what differs."""
    binary = os.path.join(args.guest_dir, option(program, 'use') or program['name'])
    if not os.path.exists(binary):
        print(f'FAIL {program["name"]}: {binary} is not built')
        return False
    status, out = expected_result(program, binary, args.timeout)
    if status == 'time-out':
        print(f'FAIL {program["name"]}: the reference did not end within {args.timeout:g} s')
        return False
    if not args.ashlar:
        if args.print:
            sys.stdout.write(out.decode('latin-1'))
        print(f'reference {program["name"]}: status {status}, {len(out)} bytes of output')
        return True
    root, directory = prepare_directory(program)
    engine, variant_options = VARIANTS.get(args.engine, (args.engine, []))
    command = shlex.split(args.runner) + [args.ashlar, 'run', '--engine', engine] + variant_options
    refused = args.engine == 'jit-refused'
    if refused and args.runner:
        command += ['--code-memory', 'none']
    command += [o[4:] for o in program['options'] if o.startswith('opt:')] + shlex.split(args.options)
    if directory:
        command += ['--dir', directory]
    problems = []
    try:
        got_status, crashed, got, errors = run(command + [binary], program, directory, args.timeout,
                                               refuse_executable_memory if refused and not args.runner else None)
        if root and outside_changed(root):
            problems.append('files outside the granted directory were changed')
    finally:
        if root:
            shutil.rmtree(root, ignore_errors=True)
    got = got.replace((directory or '\0').encode(), b'{dir}')
    if crashed:
        problems.append(f'ashlar itself died by signal {got_status - 128}')
    elif got_status != status:
        problems.append(f'status {got_status}, expected {status}')
    if got != out:
        problems.append('different output')
    if errors.count(REFUSAL) != refused:
        problems.append(f'{errors.count(REFUSAL)} warnings that executable memory is refused')
    if problems:
        print(f'FAIL {program["name"]} ({args.engine}): {"; ".join(problems)}')
        if got != out:
            show_difference(out, got)
        for line in errors.decode('latin-1').splitlines()[:5]:
            print(f'    stderr: {line[:200]}')
        return False
    print(f'ok   {program["name"]}')
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.split('\n')[0])
    parser.add_argument('--ashlar')
    parser.add_argument('--engine', default='interp')
    parser.add_argument('--guest-dir', required=True)
    parser.add_argument('--runner', default='')
    parser.add_argument('--options', default='', help='further options of "ashlar run"')
    parser.add_argument('--timeout', type=float, default=60)
    parser.add_argument('--print', action='store_true')
    parser.add_argument('names', nargs='+')
    args = parser.parse_args()
    args.guest_dir = os.path.abspath(args.guest_dir)
    if args.ashlar:
        args.ashlar = os.path.abspath(args.ashlar)
    if not shutil.which('qemu-riscv64'):
        print('qemu-riscv64 is not installed: nothing to compare with')
        return 77
    programs = read_manifest()
    chosen = []
    for name in args.names:
        if name == 'all':
            chosen += programs.values()
        elif name.startswith('group:'):
            chosen += [p for p in programs.values() if p['group'] == name[6:]]
        elif name in programs:
            chosen.append(programs[name])
        else:
            sys.exit(f'run_guest.py: no guest named {name} in manifest.txt')
    if not chosen:
        sys.exit('run_guest.py: no guest chosen')
    if not args.ashlar:  # expected files have no reference to run
        chosen = [p for p in chosen if not option(p, 'expect')]
    failed = [p['name'] for p in chosen if not check(p, args)]
    print(f'{len(chosen) - len(failed)} passed, {len(failed)} failed')
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
