#!/usr/bin/env python3
"""Writes many_functions.c: thousands of distinct functions of about ten instructions, each called once through a table.
The time over hello's, divided by the count, is what cold code costs. Usage: make_many_functions.py PATH [COUNT]."""
import random
import sys


def body(rng):
    lines = []
    names = ['x', 'y']
    for _ in range(rng.randint(5, 7)):
        a, b, c = rng.choice(names), rng.choice(names), rng.randint(1, 2000)
        lines.append(rng.choice([f'{a} = {a} * {b} + {c % 31};', f'{a} ^= {b} >> {c % 63 + 1};', f'{a} += {b} + {c};',
                                 f'{a} = ({a} << {c % 15 + 1}) - {b};', f'{a} |= {b} & {c};', f'{a} -= {b} ^ {c};']))
    return ' '.join(lines)


def main(path, count):
    rng = random.Random(77)
    out = [f'/* Written by make_many_functions.py: {count} functions, each run once. */', '#include <stdint.h>',
           '#include <stdio.h>', 'typedef uint64_t (*function)(uint64_t, uint64_t);']
    for i in range(count):
        out.append(f'static uint64_t f{i}(uint64_t x, uint64_t y) {{ {body(rng)} return x + y; }}')
    out.append('static const function table[] = {')
    out += [f'f{i},' for i in range(count)]
    out += ['};', 'int main(void) {', '  uint64_t x = 1;',
            '  for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) x = table[i](x, i);',
            '  printf("many_functions %016llx\\n", (unsigned long long)x);', '  return 0;', '}', '']
    with open(path, 'w') as f:
        f.write('\n'.join(out))


if __name__ == '__main__':
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20000)
