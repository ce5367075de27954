// C++ exceptions: across frames, nested, rethrown, from constructors and destructors' siblings, through
// threads.
#include <atomic>
#include <cstdio>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <typeinfo>
#include <vector>

static std::atomic<int> alive;

struct Tracked {
  int id;
  explicit Tracked(int n) : id(n) { alive++; }
  Tracked(const Tracked& o) : id(o.id) { alive++; }
  ~Tracked() { alive--; }
};

struct Base {
  virtual ~Base() = default;
};
struct Derived : Base, std::runtime_error {
  Tracked tracked{7};
  Derived() : std::runtime_error("derived") {}
};

__attribute__((noinline)) static int deep(int n, int throw_at) {
  Tracked t(n);
  if (n == throw_at) throw std::out_of_range("at " + std::to_string(n));
  return n == 0 ? 0 : deep(n - 1, throw_at) + t.id;
}

static void nested(int level) {
  try {
    if (level == 0) throw std::logic_error("innermost");
    nested(level - 1);
  } catch (...) {
    std::throw_with_nested(std::runtime_error("level " + std::to_string(level)));
  }
}

static void unwind(const std::exception& e, std::string& out) {
  out += e.what();
  try {
    std::rethrow_if_nested(e);
  } catch (const std::exception& inner) {
    out += " < ";
    unwind(inner, out);
  }
}

struct Member {
  explicit Member(bool fail) {
    if (fail) throw 42;
  }
};
struct Half {
  Tracked first{1};
  Member second;
  Half() try : second(true) {
  } catch (int v) {
    std::printf("function try block %d\n", v);
  }
};

static int filter(int n) {
  try {
    try {
      if (n % 3 == 0) throw n;
      if (n % 3 == 1) throw "text";
      throw Derived();
    } catch (const char*) {
      return 1;
    }
  } catch (int v) {
    return v;
  } catch (const Base& b) {
    return typeid(b) == typeid(Derived) ? -1 : -2;
  }
}

int main() {
  try {
    deep(500, 3);
  } catch (const std::out_of_range& e) {
    std::printf("caught %s alive %d\n", e.what(), alive.load());
  }
  std::printf("no throw %d alive %d\n", deep(100, 1000), alive.load());
  try {
    nested(4);
  } catch (const std::exception& e) {
    std::string text;
    unwind(e, text);
    std::printf("%s\n", text.c_str());
  }
  try {
    Half half;
  } catch (int v) {
    std::printf("constructor %d alive %d\n", v, alive.load());
  }
  long sum = 0;
  for (int i = 0; i < 3000; i++) sum += filter(i);
  std::printf("filter %ld alive %d\n", sum, alive.load());

  std::exception_ptr caught;
  std::thread thread([&] {
    try {
      deep(50, 10);
    } catch (...) {
      caught = std::current_exception();
    }
  });
  thread.join();
  try {
    std::rethrow_exception(caught);
  } catch (const std::exception& e) {
    std::printf("from thread: %s alive %d\n", e.what(), alive.load());
  }
  std::vector<std::future<int>> futures;
  for (int i = 0; i < 6; i++)
    futures.push_back(std::async(std::launch::async, [i] { return deep(20 + i, i % 2 ? 5 : 100); }));
  for (auto& f : futures) try {
      std::printf("future %d\n", f.get());
    } catch (const std::out_of_range& e) {
      std::printf("future threw %s\n", e.what());
    }
  std::function<void()> empty;
  try {
    empty();
  } catch (const std::bad_function_call&) {
    std::printf("bad function call\n");
  }
  try {
    std::string("abc").at(9);
  } catch (const std::exception& e) {
    std::printf("at: %s\n", e.what());
  }
  try {
    std::vector<int> v;
    v.reserve(v.max_size() + 1);
  } catch (const std::length_error&) {
    std::printf("length error\n");
  }
  try {
    Base* b = new Base;
    std::unique_ptr<Base> owner(b);
    (void)dynamic_cast<Derived&>(*b);
  } catch (const std::bad_cast&) {
    std::printf("bad cast\n");
  }
  std::printf("uncaught %d alive %d\n", std::uncaught_exceptions(), alive.load());
  return alive.load();
}
