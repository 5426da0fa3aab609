// The guard pages guard: a process that touches them dies.
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "check.h"
#include "guarded_array.h"

namespace {

using namespace testing;

// Whether a child process that reads `address` lives to tell.
bool can_read(const volatile char* address) {
    const pid_t child = fork();
    if (child == 0) {
        // Death by the signal itself, not by a handler that writes a report.
        std::signal(SIGSEGV, SIG_DFL);
        std::signal(SIGBUS, SIG_DFL);
        static_cast<void>(*address);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(no_byte_beyond_a_guarded_array_can_be_read) {
    for (const int64_t size : {0, 1, 4095, 4096, 4097, 10000}) {
        const GuardedArray<char> at_start(size, Side::kStart), at_end(size, Side::kEnd);
        CHECK(!can_read(at_start.data() - 1));
        CHECK(!can_read(at_end.data() + size));
        if (size == 0) continue;
        CHECK(can_read(at_start.data()) && can_read(at_start.data() + size - 1));
        CHECK(can_read(at_end.data()) && can_read(at_end.data() + size - 1));
    }
}

TEST(a_guarded_array_starts_as_nan) {
    const GuardedArray<float> array(100, Side::kEnd);
    for (const float value : array.span()) CHECK(value != value);
}

}  // namespace
