// Option prices by the Black-Scholes formula: exp, log, sqrt and erfc from the C library.
#include <cmath>

#include "bench.hpp"

static double normal(double x) { return 0.5 * std::erfc(-x * 0.7071067811865476); }

int main(int argc, char** argv) {
  const long options = size_argument(argc, argv, 3500000);
  Rng rng;
  double total = 0;
  for (long i = 0; i < options; i++) {
    double spot = 50 + 100 * rng.unit(), strike = 50 + 100 * rng.unit(), rate = 0.01 + 0.05 * rng.unit();
    double vol = 0.1 + 0.5 * rng.unit(), time = 0.1 + 2 * rng.unit();
    double d1 = (std::log(spot / strike) + (rate + vol * vol / 2) * time) / (vol * std::sqrt(time));
    double d2 = d1 - vol * std::sqrt(time);
    double discount = std::exp(-rate * time);
    double call = spot * normal(d1) - strike * discount * normal(d2);
    total += i & 1 ? call : call - spot + strike * discount;
  }
  return report("black_scholes", total);
}
