// Programs: when memory is used again, who may write over what, and what leaves a run.
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "check.h"
#include "program/program.h"

namespace {

using namespace sparseinf;
using namespace testing;

constexpr int kNone = Program::kNoSlot;

// An operation that a test writes.
class Tested final : public Operation {
public:
    explicit Tested(std::function<void(StepContext&)> body) : body_(std::move(body)) {}
    void run(StepContext& step) const override { body_(step); }

private:
    std::function<void(StepContext&)> body_;
};

Program::Step step_of(std::function<void(StepContext&)> body, std::vector<int> inputs, std::vector<int> outputs) {
    return {std::make_unique<Tested>(std::move(body)), std::move(inputs), std::move(outputs)};
}

enum class Into { kOwn, kInput };

// y = x + amount, in memory of its own or that of x; where y came to lie goes to `place`.
std::function<void(StepContext&)> adding(int64_t amount, Into into, const void** place = nullptr) {
    return [=](StepContext& step) {
        const Tensor x = step.at(0);
        Tensor& y = into == Into::kInput ? step.output_over(0, 0, x.type, x.shape) : step.output(0, x.type, x.shape);
        for (int64_t i = 0; i < x.size(); ++i) y.as<int64_t>()[i] = x.as<int64_t>()[i] + amount;
        if (place != nullptr) *place = y.data;
    };
}
void show_again(StepContext& step) { step.output_is_input(0, 0, step.at(0).shape); }
std::function<void(StepContext&)> noting(const void** place) {
    return [place](StepContext& step) {
        *place = step.at(0).data;
        show_again(step);
    };
}

struct Numbers {
    explicit Numbers(std::vector<int64_t> given) : values(std::move(given)) {}
    Tensor view() { return {ElementType::kInt64, {static_cast<int64_t>(values.size())}, values.data()}; }
    std::vector<int64_t> values;
};

std::vector<int64_t> values_of(OwnedTensor& tensor) {
    const int64_t* values = tensor.view().as<int64_t>();
    return {values, values + tensor.shape.size()};
}

std::vector<OwnedTensor> run(const Program& program, Numbers& x) {
    const std::vector<Tensor> inputs{x.view()};
    return program.run(inputs, {1, nullptr});
}

std::vector<Program::Step> steps(Program::Step first) {
    std::vector<Program::Step> made;
    made.push_back(std::move(first));
    return made;
}
template <class... More>
std::vector<Program::Step> steps(Program::Step first, More... more) {
    std::vector<Program::Step> made = steps(std::move(first));
    (made.push_back(std::move(more)), ...);
    return made;
}

using Values = std::vector<int64_t>;

TEST(memory_is_used_again_after_the_last_reader) {
    const void *first = nullptr, *second = nullptr, *third = nullptr;
    const Program program(
        5, {}, {0}, {4},
        steps(step_of(adding(1, Into::kOwn, &first), {0}, {1}), step_of(adding(1, Into::kOwn, &second), {1}, {2}),
              step_of(adding(1, Into::kOwn, &third), {2}, {3}), step_of(adding(1, Into::kOwn), {3}, {4})));
    Numbers x({5, 6, 7});
    auto y = run(program, x);
    CHECK((values_of(y[0]) == Values{9, 10, 11}));
    CHECK(first != second);
    CHECK(first == third);
    const void *first_before = first, *second_before = second;
    for (int again = 0; again < 5; ++again) {
        y = run(program, x);
        CHECK(first == first_before || again == 0);  // the second run is the first to find one piece of memory
        CHECK(second == second_before || again == 0);
        first_before = first;
        second_before = second;
    }
}

TEST(a_value_that_is_read_later_keeps_its_memory) {
    const auto add_both = [](StepContext& step) {
        const Tensor a = step.at(0), b = step.at(1);
        Tensor& y = step.output_over(0, 0, a.type, a.shape);
        for (int64_t i = 0; i < a.size(); ++i) y.as<int64_t>()[i] = a.as<int64_t>()[i] + b.as<int64_t>()[i];
    };
    const void *early = nullptr, *over = nullptr;
    const Program program(5, {}, {0}, {4},
                          steps(step_of(adding(1, Into::kOwn, &early), {0}, {1}),
                                step_of(adding(10, Into::kInput, &over), {1}, {2}),  // 1 is read again: not over it
                                step_of(add_both, {2, 1}, {3}), step_of(adding(0, Into::kOwn), {3}, {4})));
    Numbers x({5, 6});
    auto y = run(program, x);
    CHECK((values_of(y[0]) == Values{22, 24}));
    CHECK(early != over);
}

TEST(outputs_lie_over_inputs_only_where_nobody_else_reads_them) {
    const void *made = nullptr, *over = nullptr;
    Numbers x({1, 2, 3});
    {
        const Case name("a value of the run that nobody reads afterwards");
        const Program program(
            4, {}, {0}, {3},
            steps(step_of(adding(1, Into::kOwn, &made), {0}, {1}), step_of(adding(1, Into::kInput, &over), {1}, {2}),
                  step_of(adding(1, Into::kOwn), {2}, {3})));
        auto y = run(program, x);
        CHECK((values_of(y[0]) == Values{4, 5, 6}));
        CHECK(made == over);
    }
    {
        const Case name("a program's input");
        const Program program(2, {}, {0}, {1}, steps(step_of(adding(1, Into::kInput, &over), {0}, {1})));
        auto y = run(program, x);
        CHECK((values_of(y[0]) == Values{2, 3, 4}));
        CHECK((x.values == Values{1, 2, 3}));
    }
    {
        const Case name("a constant");
        Numbers constant({7, 8});
        std::vector<Program::Constant> constants{{1, constant.view(), nullptr}};
        const Program program(
            4, std::move(constants), {0}, {3},
            steps(step_of(adding(1, Into::kInput, &over), {1}, {2}), step_of(adding(1, Into::kInput), {2}, {3})));
        for (int again = 0; again < 2; ++again) {
            auto y = run(program, x);
            CHECK((values_of(y[0]) == Values{9, 10}));
        }
        CHECK((constant.values == Values{7, 8}));
    }
    {
        const Case name("a value that another shape shows");
        const Program program(
            5, {}, {0}, {3, 4},
            steps(step_of(adding(1, Into::kOwn, &made), {0}, {1}), step_of(show_again, {1}, {2}),
                  step_of(adding(10, Into::kInput, &over), {1}, {3}), step_of(adding(0, Into::kOwn), {2}, {4})));
        auto y = run(program, x);
        CHECK((values_of(y[0]) == Values{12, 13, 14}));
        CHECK((values_of(y[1]) == Values{2, 3, 4}));
    }
    {
        const Case name("a value of another size");
        const auto sum_up = [&](StepContext& step) {
            const Tensor x = step.at(0);
            int64_t sum = 0;
            for (int64_t i = 0; i < x.size(); ++i) sum += x.as<int64_t>()[i];
            Tensor& y = step.output_over(0, 0, x.type, {});
            *y.as<int64_t>() = sum;
            over = y.data;
        };
        const Program program(4, {}, {0}, {3},
                              steps(step_of(adding(0, Into::kOwn, &made), {0}, {1}), step_of(sum_up, {1}, {2}),
                                    step_of(adding(0, Into::kOwn), {2}, {3})));
        auto y = run(program, x);
        CHECK((values_of(y[0]) == Values{6}));
        CHECK(made != over);
    }
}

TEST(views_share_memory_until_the_last_of_them_is_read) {
    const void *made = nullptr, *seen = nullptr, *next = nullptr;
    const Program program(6, {}, {0}, {5},
                          steps(step_of(adding(1, Into::kOwn, &made), {0}, {1}), step_of(show_again, {1}, {2}),
                                step_of(adding(5, Into::kOwn, &next), {0}, {3}), step_of(noting(&seen), {2}, {4}),
                                step_of(adding(1, Into::kOwn), {4}, {5})));
    Numbers x({1, 2, 3});
    auto y = run(program, x);
    CHECK((values_of(y[0]) == Values{3, 4, 5}));
    CHECK(seen == made);
    CHECK(next != made);
}

TEST(outputs_may_be_inputs_constants_views_and_named_twice) {
    Numbers constant({7, 8});
    std::vector<Program::Constant> constants{{1, constant.view(), nullptr}};
    const Program program(
        5, std::move(constants), {0}, {0, 1, 2, 2, 3, 4, 3},
        steps(step_of(adding(1, Into::kOwn), {0}, {2}), step_of(show_again, {2}, {3}), step_of(show_again, {1}, {4})));
    Numbers x({1, 2, 3});
    auto y = run(program, x);
    const std::vector<Values> expected{{1, 2, 3}, {7, 8}, {2, 3, 4}, {2, 3, 4}, {2, 3, 4}, {7, 8}, {2, 3, 4}};
    CHECK(y.size() == expected.size());
    for (size_t i = 0; i < y.size(); ++i) {
        const Case name("output " + std::to_string(i));
        CHECK(values_of(y[i]) == expected[i]);
        CHECK(y[i].memory.data() != static_cast<void*>(x.values.data()));
        CHECK(y[i].memory.data() != static_cast<void*>(constant.values.data()));
        for (size_t other = 0; other < i; ++other) CHECK(y[i].memory.data() != y[other].memory.data());
    }
}

TEST(outputs_outlive_the_run_and_later_ones) {
    const Program program(3, {}, {0}, {2},
                          steps(step_of(adding(1, Into::kOwn), {0}, {1}), step_of(adding(1, Into::kInput), {1}, {2})));
    Numbers x({1, 2}), other({50, 60});
    auto y = run(program, x);
    auto later = run(program, other);
    CHECK((values_of(y[0]) == Values{3, 4}));
    CHECK((values_of(later[0]) == Values{52, 62}));
}

TEST(outputs_that_nobody_reads_may_be_written_or_not) {
    const auto write_three = [](StepContext& step) {
        const Tensor x = step.at(0);
        CHECK(step.input(1) == nullptr);
        CHECK(step.input(2) == nullptr);
        CHECK(!step.has_output(0) && step.has_output(1) && !step.has_output(2) && !step.has_output(3));
        for (const int i : {0, 1, 2}) {
            Tensor& y = step.output(i, x.type, x.shape);
            for (int64_t k = 0; k < x.size(); ++k) y.as<int64_t>()[k] = 10 * i;
        }
    };
    const Program program(
        3, {}, {0}, {2},
        steps(step_of(write_three, {0, kNone}, {kNone, 1, kNone}), step_of(adding(1, Into::kOwn), {1}, {2})));
    Numbers x({1, 2});
    for (int again = 0; again < 3; ++again) {
        auto y = run(program, x);
        CHECK((values_of(y[0]) == Values{11, 11}));
    }
}

TEST(sizes_beyond_all_memory_are_refused) {
    const std::vector<Shape> shapes{{int64_t{1} << 40, int64_t{1} << 40},   {int64_t{1} << 62}, {-1}, {3, -5}, {0, -5},
                                    {0, int64_t{1} << 40, int64_t{1} << 40}};
    for (const Shape& shape : shapes) {
        const Case name(text_of(shape));
        const auto ask = [&](StepContext& step) { step.output(0, ElementType::kInt64, shape); };
        const Program program(2, {}, {0}, {1}, steps(step_of(ask, {0}, {1})));
        Numbers x({1});
        bool is_refused = false;
        try {
            run(program, x);
        } catch (const OperationError&) {
            is_refused = true;
        }
        CHECK(is_refused);
    }
}

TEST(wrong_slots_are_refused) {
    struct WrongProgram {
        const char* what;
        int num_slots;
        std::vector<int> inputs, outputs, reads, writes;
    };
    const std::vector<WrongProgram> programs{
        {"an input beyond the slots", 2, {2}, {1}, {}, {1}},
        {"a negative input", 2, {-2}, {1}, {}, {1}},
        {"two inputs of one slot", 2, {0, 0}, {1}, {0}, {1}},
        {"a step that reads what nobody wrote", 3, {0}, {1}, {2}, {1}},
        {"a step that reads its own output", 2, {0}, {1}, {1}, {1}},
        {"a step that reads beyond the slots", 2, {0}, {1}, {7}, {1}},
        {"a step that writes an input", 2, {0}, {0}, {0}, {0}},
        {"a step that writes one slot twice", 2, {0}, {1}, {0}, {1, 1}},
        {"an output that nobody wrote", 3, {0}, {2}, {0}, {1}},
        {"an output that is no slot", 2, {0}, {kNone}, {0}, {1}},
        {"no slots at all", -1, {0}, {1}, {0}, {1}},
    };
    for (const WrongProgram& wrong : programs) {
        const Case name(wrong.what);
        bool is_refused = false;
        try {
            const Program program(wrong.num_slots, {}, wrong.inputs, wrong.outputs,
                                  steps(step_of(show_again, wrong.reads, wrong.writes)));
        } catch (const std::invalid_argument&) {
            is_refused = true;
        }
        CHECK(is_refused);
    }
}

TEST(an_error_on_the_way_leaves_the_program_usable) {
    const auto refuse_long_ones = [](StepContext& step) {
        if (step.at(0).size() > 2) throw OperationError("too long");
        show_again(step);
    };
    const Program program(4, {}, {0}, {3},
                          steps(step_of(adding(1, Into::kOwn), {0}, {1}), step_of(refuse_long_ones, {1}, {2}),
                                step_of(adding(1, Into::kInput), {2}, {3})));
    Numbers too_long({1, 2, 3}), x({1, 2});
    for (int again = 0; again < 3; ++again) {
        bool is_refused = false;
        try {
            run(program, too_long);
        } catch (const OperationError&) {
            is_refused = true;
        }
        CHECK(is_refused);
        auto y = run(program, x);
        CHECK((values_of(y[0]) == Values{3, 4}));
    }
}

TEST(several_threads_run_one_program_at_once) {
    std::vector<Program::Step> chain;
    constexpr int kSteps = 12;
    for (int i = 0; i < kSteps; ++i) {
        chain.push_back(step_of(adding(i, i % 3 == 0 ? Into::kOwn : Into::kInput), {i}, {i + 1}));
    }
    const Program program(kSteps + 1, {}, {0}, {kSteps, 4}, std::move(chain));
    std::vector<std::thread> threads;
    for (int number = 0; number < 6; ++number) {
        threads.emplace_back([&program, number] {
            for (int turn = 0; turn < 100; ++turn) {
                // Sizes change, so that runs find memory that is too small.
                Numbers x(Values(static_cast<size_t>(1 + (turn * 37 + number * 11) % 500), 1000 * number + turn));
                auto y = run(program, x);
                CHECK(values_of(y[0]) == Values(x.values.size(), 1000 * number + turn + 66));
                CHECK(values_of(y[1]) == Values(x.values.size(), 1000 * number + turn + 6));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
}

}  // namespace
