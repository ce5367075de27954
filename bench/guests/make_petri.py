#!/usr/bin/env python3
"""Writes petri.cpp: one huge function of hundreds of unpredictable branches, a Petri net's step, as a code generator for
embedded controllers would write it. Called by build.py and by meson with the path to write."""
import random
import sys


def main(path):
    rng = random.Random(20240607)
    places, transitions = 60, 400
    out = ['// Written by make_petri.py: a Petri net whose transitions are all tested in every step.',
           '#include "bench.hpp"', '', f'static int marked[{places}], value[{places}][3];', '',
           'static long step(long fired) {']
    for _ in range(transitions):
        take = rng.sample(range(places), rng.randint(1, 3))
        give = rng.sample([p for p in range(places) if p not in take], rng.randint(1, 3))
        tests = [f'marked[{p}] >= 1' for p in take] + [f'marked[{p}] <= {rng.randint(2, 3)}' for p in give]
        compare = [f'value[{take[0]}][{rng.randint(0, 2)}] {rng.choice(["!=", "<=", ">"])} '
                   f'value[{rng.choice(take + give)}][{rng.randint(0, 2)}]' for _ in range(rng.randint(0, 2))]
        out.append(f'  if ({" && ".join(tests)}) {{')
        indent = '    '
        if compare:
            out.append(f'    if ({" && ".join(compare)}) {{')
            indent = '      '
        for p in take:
            out.append(f'{indent}marked[{p}] -= 1;')
        a, b = rng.choice(take), rng.choice(give)
        i, j, k = (rng.randint(0, 2) for _ in range(3))
        out.append(f'{indent}int x = value[{a}][{i}] + {rng.randint(1, 9)}, y = value[{a}][{j}];')
        for p in give:
            out.append(f'{indent}marked[{p}] += 1;')
        out.append(f'{indent}value[{b}][{k}] = (x * {rng.randint(3, 11)} + y) & 63;')
        out.append(f'{indent}value[{b}][{(k + 1) % 3}] = y ^ x;')
        out.append(f'{indent}fired++;')
        if compare:
            out.append('    }')
        out.append('  }')
    out += ['  return fired;', '}', '', 'int main(int argc, char** argv) {',
            '  const long rounds = size_argument(argc, argv, 150000);', '  Rng rng;',
            f'  for (int p = 0; p < {places}; p++) {{', '    marked[p] = int(rng.below(3));',
            '    for (int& v : value[p]) v = int(rng.below(64));', '  }', '  Checksum sum;', '  long fired = 0;',
            '  for (long r = 0; r < rounds; r++) {', '    fired = step(fired);',
            f'    if (r % 16 == 0) marked[rng.below({places})] = int(rng.below(3));',
            '    if (r % 1000 == 0) sum.add(uint64_t(fired));', '  }', '  sum.add(uint64_t(fired));',
            f'  for (int p = 0; p < {places}; p++) sum.add(uint64_t(marked[p] * 64 + value[p][0]));',
            '  return report("petri", sum.hash);', '}', '']
    with open(path, 'w') as f:
        f.write('\n'.join(out))


if __name__ == '__main__':
    main(sys.argv[1])
