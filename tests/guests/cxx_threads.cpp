// std::thread, mutexes, condition variables, atomics of all sizes, call_once, thread_local, latches and
// semaphores.
#include <atomic>
#include <barrier>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <latch>
#include <mutex>
#include <numeric>
#include <semaphore>
#include <shared_mutex>
#include <thread>
#include <vector>

template <class T>
static void atomics(const char* name) {
  std::atomic<T> value{T(0)}, bits{T(0)};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; t++)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 5000; i++) {
        value.fetch_add(T(t + 1), std::memory_order_relaxed);
        bits.fetch_or(T(T(1) << (i % (sizeof(T) * 8 - 1))));
        T seen = value.load();
        while (!value.compare_exchange_weak(seen, T(seen ^ 0))) {
        }
        bits.fetch_and(T(~T(0)));
        bits.fetch_xor(T(0));
      }
    });
  for (auto& t : threads) t.join();
  T old = value.exchange(T(99));
  std::printf("%-8s %llx %llx %llx lock free %d\n", name, (unsigned long long)old,
              (unsigned long long)value.load(), (unsigned long long)bits.load(), int(value.is_lock_free()));
}

struct Queue {
  std::mutex mutex;
  std::condition_variable not_empty, not_full;
  std::deque<int> items;
  void push(int v) {
    std::unique_lock lock(mutex);
    not_full.wait(lock, [&] { return items.size() < 8; });
    items.push_back(v);
    not_empty.notify_one();
  }
  int pop() {
    std::unique_lock lock(mutex);
    not_empty.wait(lock, [&] { return !items.empty(); });
    int v = items.front();
    items.pop_front();
    not_full.notify_one();
    return v;
  }
};

static thread_local int local_counter = 5;
static thread_local std::vector<int> local_vector{1, 2, 3};
static std::atomic<int> local_destroyed;
struct Noted {
  int v = 0;
  ~Noted() { local_destroyed += v; }
};
static thread_local Noted noted;

int main() {
  atomics<int8_t>("int8");
  atomics<uint8_t>("uint8");
  atomics<int16_t>("int16");
  atomics<uint16_t>("uint16");
  atomics<int32_t>("int32");
  atomics<uint32_t>("uint32");
  atomics<int64_t>("int64");
  atomics<uint64_t>("uint64");

  Queue queue;
  std::atomic<long> total{0};
  {
    std::vector<std::jthread> threads;
    for (int p = 0; p < 3; p++)
      threads.emplace_back([&, p] {
        for (int i = 0; i < 1000; i++) queue.push(p * 1000 + i);
      });
    for (int c = 0; c < 3; c++)
      threads.emplace_back([&] {
        for (int i = 0; i < 1000; i++) total += queue.pop();
      });
  }
  std::printf("queue total %ld left %zu\n", total.load(), queue.items.size());

  std::once_flag once;
  int calls = 0;
  std::shared_mutex shared;
  long guarded = 0, reads = 0;
  std::atomic<long> read_total{0};
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; t++)
      threads.emplace_back([&, t] {
        std::call_once(once, [&] { calls++; });
        for (int i = 0; i < 500; i++) {
          if (t == 0) {
            std::unique_lock lock(shared);
            guarded++, guarded++;
          } else {
            std::shared_lock lock(shared);
            if (guarded & 1) read_total++;
          }
        }
        local_counter += t;
        local_vector.push_back(local_counter);
        noted.v = int(std::accumulate(local_vector.begin(), local_vector.end(), 0));
      });
  }
  reads = read_total;
  std::printf("once %d guarded %ld torn %ld thread locals %d main %d %zu\n", calls, guarded, reads,
              local_destroyed.load(), local_counter, local_vector.size());

  std::latch latch(3);
  std::counting_semaphore<4> slots(2);
  std::atomic<int> inside{0}, most{0}, phases{0};
  std::barrier barrier(3, [&]() noexcept { phases++; });
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 3; t++)
      threads.emplace_back([&] {
        latch.arrive_and_wait();
        for (int i = 0; i < 20; i++) {
          slots.acquire();
          int now = ++inside, seen = most;
          while (now > seen && !most.compare_exchange_weak(seen, now)) {
          }
          --inside;
          slots.release();
          barrier.arrive_and_wait();
        }
      });
  }
  std::printf("phases %d at most two inside: %s\n", phases.load(), most <= 2 ? "yes" : "no");

  std::atomic<int> flag{0};
  std::thread waiter([&] {
    flag.wait(0);
    flag = 2;
    flag.notify_all();
  });
  flag = 1;
  flag.notify_all();
  while (flag != 2) flag.wait(1);
  waiter.join();
  std::printf("atomic wait %d\n", flag.load());
  std::jthread stoppable([](std::stop_token token) {
    while (!token.stop_requested()) std::this_thread::yield();
  });
  stoppable.request_stop();
  stoppable.join();
  std::printf("stopped\n");
  return 0;
}
