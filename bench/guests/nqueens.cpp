// N queens by recursion over bit masks, and once more over an array board.
#include <cstdlib>

#include "bench.hpp"

static long solve_bits(uint32_t all, uint32_t cols, uint32_t left, uint32_t right) {
  if (cols == all) return 1;
  long n = 0;
  for (uint32_t free = all & ~(cols | left | right); free;) {
    uint32_t bit = free & -free;
    free ^= bit;
    n += solve_bits(all, cols | bit, (left | bit) << 1, (right | bit) >> 1);
  }
  return n;
}

static int board[32];

static long solve_array(int n, int row) {
  if (row == n) return 1;
  long found = 0;
  for (int c = 0; c < n; c++) {
    bool ok = true;
    for (int r = 0; r < row && ok; r++) ok = board[r] != c && std::abs(board[r] - c) != row - r;
    if (!ok) continue;
    board[row] = c;
    found += solve_array(n, row + 1);
  }
  return found;
}

int main(int argc, char** argv) {
  const int n = int(size_argument(argc, argv, 14));
  Checksum sum;
  sum.add(uint64_t(solve_bits((1u << n) - 1, 0, 0, 0)));
  sum.add(uint64_t(solve_array(n - 2, 0)));
  return report("nqueens", sum.hash);
}
