// Latency of making, finding and entering blocks, on Google Benchmark. `latency --help` lists the options;
// tools/bench runs it and knows its names.
#include <benchmark/benchmark.h>

#include <string>

#include <ashlar/version.hpp>

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
#ifdef __clang__
  benchmark::AddCustomContext("compiler", __VERSION__);
#else
  benchmark::AddCustomContext("compiler", "GCC " __VERSION__);
#endif
#ifdef NDEBUG
  benchmark::AddCustomContext("assertions", "off");
#else
  benchmark::AddCustomContext("assertions", "on");
#endif
  benchmark::AddCustomContext("ashlar", std::string(ashlar::version()));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
