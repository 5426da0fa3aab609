#include "check.h"

#include <atomic>
#include <cstdio>
#include <mutex>
#include <string_view>
#include <vector>

namespace testing {
namespace {

struct Test {
    const char* name;
    void (*body)();
};

std::vector<Test>& tests() {
    static std::vector<Test> all;
    return all;
}

thread_local std::vector<std::string> cases;

std::atomic<long> num_checks{0};
std::atomic<long> num_failures{0};
constexpr long kMaxReports = 20;

}  // namespace

Case::Case(std::string text) { cases.push_back(std::move(text)); }
Case::~Case() { cases.pop_back(); }

void check(bool holds, const char* file, int line, const char* condition) {
    num_checks.fetch_add(1, std::memory_order_relaxed);
    if (holds) return;
    if (num_failures.fetch_add(1, std::memory_order_relaxed) >= kMaxReports) return;
    std::string where;
    for (const std::string& text : cases) where += (where.empty() ? "" : ", ") + text;
    static std::mutex one_at_a_time;
    const std::lock_guard lock(one_at_a_time);
    std::printf("%s:%d: failed: %s%s%s\n", file, line, condition, where.empty() ? "" : "\n    with ", where.c_str());
}

Registration::Registration(const char* name, void (*body)()) { tests().push_back({name, body}); }

long run_all(const std::string& filter) {
    long num_run = 0;
    for (const Test& test : tests()) {
        if (std::string_view(test.name).find(filter) == std::string_view::npos) continue;
        const long checks_before = num_checks, failures_before = num_failures;
        test.body();
        ++num_run;
        const long checks = num_checks - checks_before, failures = num_failures - failures_before;
        std::printf("%s %s (%ld checks)\n", failures == 0 && checks > 0 ? "ok    " : "FAILED", test.name, checks);
        std::fflush(stdout);
        // A test that checks nothing proves nothing.
        if (checks == 0) ++num_failures;
    }
    if (num_run == 0) ++num_failures;
    std::printf("%ld tests, %ld checks, %ld failures\n", num_run, num_checks.load(), num_failures.load());
    return num_failures;
}

}  // namespace testing
