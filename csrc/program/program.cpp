#include "program/program.h"

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <utility>

#include "program/run.h"

namespace sparseinf {

Program::Program(int num_slots, std::vector<Constant> constants, std::vector<int> inputs, std::vector<int> outputs,
                 std::vector<Step> steps)
    : num_slots_(num_slots),
      constants_(std::move(constants)),
      inputs_(std::move(inputs)),
      outputs_(std::move(outputs)),
      steps_(std::move(steps)),
      is_output_(static_cast<size_t>(std::max(0, num_slots))) {
    check_slots();
    for (const int slot : outputs_) is_output_[static_cast<size_t>(slot)] = true;
    find_last_uses();
}

void Program::check_slots() const {
    std::vector<bool> is_written(static_cast<size_t>(std::max(0, num_slots_)));
    const auto check = [&](int slot) {
        if (slot < 0 || slot >= num_slots_) throw std::invalid_argument("there is no slot " + std::to_string(slot));
    };
    const auto write = [&](int slot) {
        check(slot);
        if (is_written[static_cast<size_t>(slot)]) {
            throw std::invalid_argument("slot " + std::to_string(slot) + " is written twice");
        }
        is_written[static_cast<size_t>(slot)] = true;
    };
    const auto read = [&](int slot) {
        check(slot);
        if (!is_written[static_cast<size_t>(slot)]) {
            throw std::invalid_argument("slot " + std::to_string(slot) + " is read before it is written");
        }
    };
    for (const Constant& constant : constants_) write(constant.slot);
    for (const int slot : inputs_) write(slot);
    for (const Step& step : steps_) {
        for (const int slot : step.inputs) {
            if (slot != kNoSlot) read(slot);
        }
        for (const int slot : step.outputs) {
            if (slot != kNoSlot) write(slot);
        }
    }
    for (const int slot : outputs_) read(slot);
}

void Program::find_last_uses() {
    last_uses_.resize(steps_.size());
    std::vector<bool> is_needed = is_output_;
    for (size_t i = steps_.size(); i-- > 0;) {
        const auto note = [&](int slot) {
            if (slot == kNoSlot || is_needed[static_cast<size_t>(slot)]) return;
            is_needed[static_cast<size_t>(slot)] = true;
            last_uses_[i].push_back(slot);
        };
        for (const int slot : steps_[i].outputs) note(slot);  // written, but never read
        for (const int slot : steps_[i].inputs) note(slot);
    }
}

std::vector<OwnedTensor> Program::run(std::span<const Tensor> inputs, const Options& options) const {
    using Clock = std::chrono::steady_clock;
    Run run(*this, inputs, options.num_threads, expected_bytes_.load(std::memory_order_relaxed));
    if (options.step_time_ns != nullptr) options.step_time_ns->assign(steps_.size(), 0);
    for (int64_t i = 0; i < num_steps(); ++i) {
        const auto start = options.step_time_ns != nullptr ? Clock::now() : Clock::time_point{};
        run.run_step(i);
        if (options.step_time_ns != nullptr) {
            (*options.step_time_ns)[static_cast<size_t>(i)] =
                std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - start).count();
        }
    }
    expected_bytes_.store(run.arena_bytes(), std::memory_order_relaxed);
    return run.take_outputs();
}

}  // namespace sparseinf
