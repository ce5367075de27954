// The guest of tools/demo: an ordinary C++ program, built for RISC-V, with streams, threads, exceptions and
// floating point. It prints the same on every machine.
#include <cfenv>
#include <cmath>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace {

std::uint64_t count_primes(std::uint64_t from, std::uint64_t to) {
  std::uint64_t count = 0;
  for (std::uint64_t n = from; n < to; ++n) {
    bool prime = n > 1;
    for (std::uint64_t d = 2; d * d <= n && prime; ++d) prime = n % d != 0;
    count += prime;
  }
  return count;
}

std::string describe(const std::string& text) {
  try {
    return std::to_string(std::stoi(text));
  } catch (const std::invalid_argument&) {
    return "not a number";
  } catch (const std::out_of_range&) {
    return "too large";
  }
}

// The area under exp(-x^2) from -6 to 6, which is the square root of pi to twelve places.
double gauss_area() {
  constexpr int kSteps = 200'000;
  const double width = 12.0 / kSteps;
  double sum = 0;
  for (int i = 0; i < kSteps; ++i) {
    const double x = -6.0 + (i + 0.5) * width;
    sum += std::exp(-x * x) * width;
  }
  return sum;
}

}  // namespace

int main() {
  std::vector<std::uint64_t> counts(4);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    threads.emplace_back([&counts, i] { counts[i] = count_primes(i * 250'000, (i + 1) * 250'000); });
  }
  for (std::thread& thread : threads) thread.join();
  std::cout << "primes below a million, by four threads: "
            << std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}) << '\n';

  for (const char* text : {"42", "stone", "99999999999"})
    std::cout << '"' << text << "\": " << describe(text) << '\n';

  std::cout << std::setprecision(15) << "area under the bell curve: " << gauss_area()
            << ", square root of pi: " << std::sqrt(3.14159265358979323846) << '\n';

  std::feclearexcept(FE_ALL_EXCEPT);
  volatile double zero = 0;
  const double infinity = 1 / zero;
  std::cout << "1 / 0 = " << infinity << ", divide-by-zero flag "
            << (std::fetestexcept(FE_DIVBYZERO) != 0 ? "raised" : "not raised") << '\n';
}
