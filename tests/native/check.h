// Checks for the test program. A failed check says where it stands and in which case, and the program goes on.
//
//     TEST(rows_come_back_in_order) {
//         const Case n("n = " + std::to_string(5));     // named in every failure while it is in scope
//         CHECK(rows == expected);
//     }
//
// Checks may be made from any thread; the cases of one thread are not those of another.
#pragma once

#include <string>
#include <utility>

namespace testing {

// Adds a line to what is said about a failure in this thread, while it lives.
class Case {
public:
    explicit Case(std::string text);
    ~Case();
    Case(const Case&) = delete;
    Case& operator=(const Case&) = delete;
};

// Counts a check, and reports it if it failed.
void check(bool holds, const char* file, int line, const char* condition);

struct Registration {
    Registration(const char* name, void (*body)());
};

// Runs the tests whose names contain `filter` and returns how many checks failed; prints one line a test.
long run_all(const std::string& filter);

}  // namespace testing

#define CHECK(condition) ::testing::check(static_cast<bool>(condition), __FILE__, __LINE__, #condition)

#define TEST(name)                                                         \
    static void name();                                                    \
    static const ::testing::Registration registration_##name{#name, name}; \
    static void name()
