// Virtual methods and function pointers over a shuffled population: short bodies, unpredictable indirect
// calls.
#include <memory>
#include <vector>

#include "bench.hpp"

struct Shape {
  virtual ~Shape() = default;
  virtual uint32_t step(uint32_t x) = 0;
  virtual uint32_t weight() const { return 1; }
};

template <int kind>
struct Kind final : Shape {
  uint32_t state = kind;
  uint32_t step(uint32_t x) override {
    state = state * (2 * kind + 1) + x;
    return kind & 1 ? state >> 3 : state ^ x;
  }
  uint32_t weight() const override { return state & (kind | 1); }
};

template <int kind>
static uint32_t apply(uint32_t x) {
  return x * (4 * kind + 5) + (x >> (kind + 1));
}

static uint32_t (*const functions[])(uint32_t) = {apply<0>, apply<1>, apply<2>,  apply<3>,
                                                  apply<4>, apply<5>, apply<6>,  apply<7>,
                                                  apply<8>, apply<9>, apply<10>, apply<11>};

int main(int argc, char** argv) {
  const long rounds = size_argument(argc, argv, 2500);
  Rng rng;
  std::vector<std::unique_ptr<Shape>> shapes;
  for (int i = 0; i < 5000; i++) switch (rng.below(8)) {
      case 0:
        shapes.push_back(std::make_unique<Kind<1>>());
        break;
      case 1:
        shapes.push_back(std::make_unique<Kind<2>>());
        break;
      case 2:
        shapes.push_back(std::make_unique<Kind<3>>());
        break;
      case 3:
        shapes.push_back(std::make_unique<Kind<4>>());
        break;
      case 4:
        shapes.push_back(std::make_unique<Kind<5>>());
        break;
      case 5:
        shapes.push_back(std::make_unique<Kind<6>>());
        break;
      case 6:
        shapes.push_back(std::make_unique<Kind<7>>());
        break;
      default:
        shapes.push_back(std::make_unique<Kind<8>>());
    }
  uint32_t x = 1;
  Checksum sum;
  for (long r = 0; r < rounds; r++) {
    for (auto& s : shapes) {
      x = s->step(x);
      if (x & 1) x += s->weight();
      x = functions[x % 12](x);
    }
    sum.add(x);
  }
  return report("virtual_calls", sum.hash);
}
