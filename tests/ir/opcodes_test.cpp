// Every opcode of the table in every arrangement of its operands, on every engine, against the reference.
#include <doctest/doctest.h>
#include <ashlar/ir.hpp>

#include "support/op_cases.hpp"

using namespace ashlar;
using namespace ashlar::test;

TEST_CASE("every opcode") {
  for (const EngineMaker& engine : engines()) {
    unsigned long long cases = 0;
    for (std::size_t i = 0; i < ir::kOpcodeCount; ++i) {
      const auto op = static_cast<ir::Opcode>(i);
      const OpcodeReport report = check_opcode(op, engine);
      CHECK_MESSAGE(report.failures.empty(), engine.name << ": " << report.failures);
      CHECK_MESSAGE(report.cases != 0, ir::info(op).name);
      cases += report.cases;
    }
    MESSAGE(engine.name << ": " << cases << " executions");
    CHECK(cases > 100000);
  }
}
