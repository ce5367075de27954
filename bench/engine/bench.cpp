// See bench.hpp.
#include "engine/bench.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

namespace ashlar::bench {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

namespace {

double seconds(clockid_t clock) {
  std::timespec time{};
  ::clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

}  // namespace

double thread_time() { return seconds(CLOCK_THREAD_CPUTIME_ID); }
double process_time() { return seconds(CLOCK_PROCESS_CPUTIME_ID); }

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::uint64_t resident() {
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) fail("/proc/self/statm can't be read");
  unsigned long long size = 0, pages = 0;
  const int read = std::fscanf(file, "%llu %llu", &size, &pages);
  std::fclose(file);
  if (read != 2) fail("/proc/self/statm can't be read");
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

std::uint64_t peak_resident() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

void print(const std::string& name, double value, const char* unit) {
  std::printf("%-44s %12.6g %s\n", name.c_str(), value, unit);
  std::fflush(stdout);
}

void fail(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n", why.c_str());
  std::exit(1);
}

Ring::Ring(std::uint64_t count, const ContextConfig& config) : store(layout) {
  using ir::Opcode;
  using ir::Value;
  BlockBuilder b;
  for (std::uint64_t id = 1; id <= count; ++id) {
    b.begin(BlockKey::from_id(id));
    for (std::uint64_t i = 0; i < kRingBlock; ++i) {
      b.guest_instruction({id * 64 + i}, 1);
      if (i + 1 < kRingBlock) {
        b.rr(i % 2 == 0 ? Opcode::add64 : Opcode::xor64, Value::slot(static_cast<unsigned>(i) % 2),
             Value::slot(0), Value::slot(1));
      } else {
        b.jump({id == count ? 1 : id + 1});
      }
    }
    if (!store.add(id, b)) fail("a block was refused");
  }
  ContextConfig own = config;
  own.frontend = &store;
  context = need(ExecutionContext::create(own));
}

std::unique_ptr<Vcpu> Ring::vcpu() const {
  auto made = need(Vcpu::create(store.layout(), nullptr));
  made->set_slot(1, 1);
  made->set_pc({1});
  return made;
}

}  // namespace ashlar::bench
