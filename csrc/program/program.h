// A compiled model, or a part of one: steps over numbered slots, each of which holds a tensor while it is needed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/aligned_buffer.h"
#include "ops/operation.h"

namespace sparseinf {

// A tensor with memory of its own.
struct OwnedTensor {
    ElementType type = ElementType::kFloat32;
    Shape shape;
    AlignedBuffer<std::byte> memory;

    Tensor view() { return {type, shape, memory.data()}; }
};

class Program {
public:
    static constexpr int kNoSlot = -1;

    struct Step {
        std::unique_ptr<const Operation> operation;
        std::vector<int> inputs;   // kNoSlot: left out
        std::vector<int> outputs;  // kNoSlot: not read by anybody
    };
    // Memory that `owner` keeps alive, and nobody changes.
    struct Constant {
        int slot;
        Tensor tensor;
        std::shared_ptr<const void> owner;
    };

    // Every slot is written once, by a constant, an input or a step, before it is read. Throws std::invalid_argument
    // where that is not so.
    Program(int num_slots, std::vector<Constant> constants, std::vector<int> inputs, std::vector<int> outputs,
            std::vector<Step> steps);

    int num_inputs() const { return static_cast<int>(inputs_.size()); }
    int64_t num_steps() const { return static_cast<int64_t>(steps_.size()); }

    // What one call is told beside its inputs.
    struct Options {
        int num_threads;
        std::vector<int64_t>* step_time_ns;  // one a step, or nullptr
    };

    // inputs: one a slot of the program's inputs. Safe to call from several threads at once. Throws OperationError and
    // std::bad_alloc.
    std::vector<OwnedTensor> run(std::span<const Tensor> inputs, const Options& options) const;

private:
    friend class Run;

    void check_slots() const;
    void find_last_uses();

    int num_slots_;
    std::vector<Constant> constants_;
    std::vector<int> inputs_;
    std::vector<int> outputs_;
    std::vector<Step> steps_;
    std::vector<std::vector<int>> last_uses_;  // slots that nobody reads after that step
    std::vector<bool> is_output_;              // of each slot
    mutable std::atomic<int64_t> expected_bytes_{0};
};

}  // namespace sparseinf
