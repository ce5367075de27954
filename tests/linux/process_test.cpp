// Whole small programs, from a file to an exit status.
#include <doctest/doctest.h>

#include <random>
#include <thread>

#include <ashlar/linux.hpp>

#include "linux/small_elf.hpp"

using namespace ashlar;
using namespace ashlar::linux_user;
using namespace ashlar::test;

namespace {

ExitStatus run(const std::vector<std::uint32_t>& code, std::optional<std::uint64_t> fuel = {}) {
  const TemporaryFile file(SmallElf(code).bytes());
  REQUIRE(file.ok());
  ProcessConfig config;
  config.program = file.path();
  config.memory_size = 64 << 20;
  config.fuel = fuel;
  auto process = Process::create(std::move(config));
  REQUIRE(process.ok());
  return (*process)->run();
}

constexpr std::uint64_t kEntry = 0x10000 + 64 + 112;

}  // namespace

TEST_CASE("the exit status is the program's") {
  for (const int code : {0, 1, 42, 255}) {
    const ExitStatus status = run({addi(kA0, 0, code), addi(kA7, 0, 94), kEcall});
    CHECK(status.status == code);
    CHECK(status.signal == 0);
    CHECK(status.description.empty());
  }
  // exit of the last thread, and a status of more than a byte
  CHECK(run({addi(kA0, 0, 0x107), addi(kA7, 0, 93), kEcall}).status == 7);
}

TEST_CASE("faults end the program with the signal and a sentence") {
  ExitStatus status = run({sd(0, 0, 8)});
  CHECK(status.status == 139);
  CHECK(status.signal == 11);
  CHECK(status.description ==
        "program terminated by signal 11 (Segmentation fault): store to unmapped address 0x8 at pc 0x100b0");
  status = run({lui(kA1, 0x10), sd(0, kA1, 0)});
  CHECK(status.description.find("store to protected address 0x10000 at pc 0x100b4") != std::string::npos);
  status = run({addi(kA1, 0, -8), ld(kA0, kA1, 0)});
  CHECK(status.description.find("load from unmapped address 0xfffffffffffffff8") != std::string::npos);
  status = run({0x00000067});  // jr zero
  CHECK(status.status == 139);
  CHECK(status.description.find("jump to unmapped address 0x0") != std::string::npos);
  status = run({0});
  CHECK(status.status == 132);
  CHECK(status.description.find("(Illegal instruction): instruction 0x0 at pc 0x100b0") != std::string::npos);
  status = run({kEbreak});
  CHECK(status.status == 133);
}

TEST_CASE("fuel stops an endless program, exactly") {
  const ExitStatus status = run({kSelfJump}, 1000);
  CHECK(status.out_of_fuel);
  CHECK(status.status == ExitStatus::kFuelStatus);
  CHECK(status.description.find("fuel is spent at pc 0x100b0") != std::string::npos);
  // Two instructions and the system call: three are just enough.
  const std::vector<std::uint32_t> exits = {addi(kA0, 0, 5), addi(kA7, 0, 94), kEcall};
  CHECK(run(exits, 2).out_of_fuel);
  CHECK(run(exits, 3).status == 5);
}

TEST_CASE("another thread ends a program, whether it computes or waits") {
  const std::vector<std::vector<std::uint32_t>> programs = {
      {kSelfJump}, {addi(kA0, 0, 0), addi(kA7, 0, 73), kEcall, 0xffdff06f},  // ppoll(0, 0, none) for ever
  };
  for (const auto& code : programs) {
    const TemporaryFile file(SmallElf(code).bytes());
    ProcessConfig config;
    config.program = file.path();
    config.memory_size = 64 << 20;
    auto process = Process::create(std::move(config));
    REQUIRE(process.ok());
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      (*process)->terminate(9);
    });
    CHECK((*process)->run().status == 9);
    other.join();
  }
}

TEST_CASE("what can't be run is refused with a sentence that names the file") {
  ProcessConfig config;
  config.memory_size = 64 << 20;
  const auto error = [&] { return Process::create(config).error(); };
  config.program = "/nonexistent/program";
  CHECK(error().code == ErrorCode::io_error);
  CHECK(error().message == "can't open '/nonexistent/program': No such file or directory");
  config.program = "/tmp";
  CHECK(error().message == "'/tmp' is not a regular file");
  config.program = "/etc/passwd";
  CHECK(error().message == "'/etc/passwd' is not an ELF file");
  const TemporaryFile file(SmallElf({kSelfJump}).bytes());
  config.program = file.path();
  config.memory_size = 12345;
  CHECK(error().code == ErrorCode::invalid_argument);
  config.memory_size = 1 << 20;  // no room for a stack
  CHECK_FALSE(Process::create(config).ok());
  config.memory_size = 64 << 20;
  config.grants = {{"/x", "/nonexistent"}};
  CHECK(error().code == ErrorCode::io_error);
}

TEST_CASE("damaged programs are refused or end; nothing crashes") {
  const auto original = SmallElf({addi(kA0, 0, 5), addi(kA7, 0, 94), kEcall}).bytes();
  std::mt19937_64 random(42);
  int ran = 0;
  for (int round = 0; round < 300; ++round) {
    auto bytes = original;
    for (int i = 0; i < 2; ++i) bytes[16 + random() % (bytes.size() - 16)] = static_cast<std::byte>(random());
    const TemporaryFile file(bytes);
    ProcessConfig config;
    config.program = file.path();
    config.memory_size = 64 << 20;
    config.fuel = 10000;
    auto process = Process::create(std::move(config));
    if (!process) {
      REQUIRE_FALSE(process.error().message.empty());
      continue;
    }
    ++ran;
    (void)(*process)->run();
  }
  CHECK(ran > 20);
}

TEST_CASE("symbols and entry") {
  const TemporaryFile file(SmallElf({kSelfJump}).bytes());
  ProcessConfig config;
  config.program = file.path();
  config.memory_size = 64 << 20;
  auto process = Process::create(std::move(config));
  REQUIRE(process.ok());
  CHECK((*process)->entry().value == kEntry);
  CHECK_FALSE((*process)->find_symbol("main").has_value());
  CHECK((*process)->describe({kEntry}) == "");
}
