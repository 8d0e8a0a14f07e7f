#include "stream/task_pool.h"

#include <atomic>
#include <latch>
#include <mutex>
#include <set>
#include <thread>

#include <gtest/gtest.h>

namespace weir::stream {
namespace {

std::atomic<int> g_began{0};
std::atomic<int> g_ended{0};

// One in each thread that asked for it, as long as the thread is there.
struct ThreadLife {
  ThreadLife() { ++g_began; }
  ~ThreadLife() { ++g_ended; }
  void live() {}
};

std::multiset<int> parts_run(TaskPool& pool, int parts) {
  std::mutex mutex;
  std::multiset<int> seen;
  pool.run(parts, [&](int part, int) {
    const std::lock_guard lock(mutex);
    seen.insert(part);
  });
  return seen;
}

TEST(TaskPool, RunsEachPartOnceAlsoAfterARest) {
  TaskPool pool(3);
  const std::multiset<int> all{0, 1, 2, 3, 4, 5, 6};
  EXPECT_EQ(parts_run(pool, 7), all);
  EXPECT_EQ(parts_run(pool, 7), all);
  pool.rest();
  EXPECT_EQ(parts_run(pool, 7), all);
}

TEST(TaskPool, KeepsNoThreadsWhileItRests) {
  TaskPool pool(4);
  std::latch all_there(4);
  const auto caller = std::this_thread::get_id();
  pool.run(4, [&](int, int) {
    if (std::this_thread::get_id() != caller) {
      thread_local ThreadLife life;
      life.live();
    }
    all_there.arrive_and_wait();
  });
  EXPECT_EQ(g_began, 3);
  EXPECT_EQ(g_ended, 0);
  pool.rest();
  EXPECT_EQ(g_ended, 3);
}

}  // namespace
}  // namespace weir::stream
