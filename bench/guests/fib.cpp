// Doubly recursive Fibonacci, Ackermann and Takeuchi: nothing but calls and returns.
#include "bench.hpp"

__attribute__((noinline, optimize("no-optimize-sibling-calls"))) static long fib(long n) {
  return n < 2 ? n : fib(n - 1) + fib(n - 2);
}
__attribute__((noinline, optimize("no-optimize-sibling-calls"))) static long ack(long m, long n) {
  return m == 0 ? n + 1 : n == 0 ? ack(m - 1, 1) : ack(m - 1, ack(m, n - 1));
}
__attribute__((noinline)) static long tak(long x, long y, long z) {
  return y < x ? tak(tak(x - 1, y, z), tak(y - 1, z, x), tak(z - 1, x, y)) : z;
}

int main(int argc, char** argv) {
  const long n = size_argument(argc, argv, 38);
  Checksum sum;
  sum.add(uint64_t(fib(n)));
  sum.add(uint64_t(ack(2, 600)));
  sum.add(uint64_t(tak(18, 12, 6)));
  return report("fib", sum.hash);
}
