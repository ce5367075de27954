// An exception that nobody catches: std::terminate through a handler, then abort's signal.
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>

int main() {
  std::set_terminate([] {
    try {
      std::rethrow_exception(std::current_exception());
    } catch (const std::exception& e) {
      std::printf("terminate: %s\n", e.what());
    }
    std::fflush(stdout);
    std::abort();
  });
  throw std::runtime_error("nobody catches this");
}
