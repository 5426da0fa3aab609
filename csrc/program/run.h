// One run of a program: which tensor each slot holds now, and whose memory it lies in.
#pragma once

#include <vector>

#include "program/arena.h"
#include "program/program.h"

namespace sparseinf {

class Run final : public StepContext {
public:
    Run(const Program& program, std::span<const Tensor> inputs, int num_threads, int64_t expected_bytes);

    void run_step(int64_t index);
    // Outputs of the program, in their order; after the last step.
    std::vector<OwnedTensor> take_outputs();
    int64_t arena_bytes() const { return arena_.nbytes(); }

    const Tensor* input(int i) const override;
    int num_inputs() const override { return static_cast<int>(step_->inputs.size()); }
    int num_outputs() const override { return static_cast<int>(step_->outputs.size()); }
    bool has_output(int i) const override;
    Tensor& output(int i, ElementType type, const Shape& shape) override;
    Tensor& output_over(int i, int input, ElementType type, const Shape& shape) override;
    void output_is_input(int i, int input, const Shape& shape) override;
    int num_threads() const override { return num_threads_; }

private:
    static constexpr int kForeign = -1;  // memory that is not ours: constants and inputs

    // Memory that one slot or several hold.
    struct Block {
        std::byte* data;
        int64_t nbytes;
        int num_slots;
        AlignedBuffer<std::byte> own;  // what leaves the run does not lie in the arena
    };
    struct Slot {
        Tensor tensor;
        int block = kForeign;
    };

    Slot& slot_of_output(int i);
    int new_block(int64_t nbytes, bool leaves);
    void free_block(int index);
    void release(int slot);

    const Program& program_;
    int num_threads_;
    Arena arena_;
    const Program::Step* step_ = nullptr;
    const std::vector<int>* last_uses_ = nullptr;
    std::vector<Slot> slots_;
    std::vector<Block> blocks_;
    std::vector<int> free_blocks_;
    Slot unread_;  // where outputs go that nobody reads
};

}  // namespace sparseinf
