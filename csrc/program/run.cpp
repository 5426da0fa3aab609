#include "program/run.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

namespace sparseinf {
namespace {

// More than any machine has: sizes below it never overflow.
constexpr int64_t kMostBytes = int64_t{1} << 46;

// Extents of 0 do not excuse others: products of some of them overflow no more than those of all.
int64_t checked_bytes(ElementType type, const Shape& shape) {
    int64_t most_bytes = bytes_of(type);
    bool is_empty = false;
    for (int d = 0; d < shape.rank(); ++d) {
        const int64_t extent = std::max<int64_t>(1, shape[d]);
        if (shape[d] < 0 || most_bytes > kMostBytes / extent) {
            throw OperationError("an array of shape " + text_of(shape) + " would take more memory than there is");
        }
        most_bytes *= extent;
        is_empty = is_empty || shape[d] == 0;
    }
    return is_empty ? 0 : most_bytes;
}

}  // namespace

Run::Run(const Program& program, std::span<const Tensor> inputs, int num_threads, int64_t expected_bytes)
    : program_(program),
      num_threads_(num_threads),
      arena_(expected_bytes),
      slots_(static_cast<size_t>(program.num_slots_)) {
    for (const auto& constant : program.constants_) slots_[static_cast<size_t>(constant.slot)].tensor = constant.tensor;
    for (size_t i = 0; i < inputs.size(); ++i) slots_[static_cast<size_t>(program.inputs_[i])].tensor = inputs[i];
}

void Run::run_step(int64_t index) {
    step_ = &program_.steps_[static_cast<size_t>(index)];
    last_uses_ = &program_.last_uses_[static_cast<size_t>(index)];
    step_->operation->run(*this);
    for (const int slot : *last_uses_) release(slot);
    if (unread_.block != kForeign) free_block(std::exchange(unread_.block, kForeign));
}

std::vector<OwnedTensor> Run::take_outputs() {
    std::vector<OwnedTensor> outputs;
    for (size_t i = 0; i < program_.outputs_.size(); ++i) {
        const auto number = static_cast<size_t>(program_.outputs_[i]);
        const Slot& slot = slots_[number];
        OwnedTensor output{slot.tensor.type, slot.tensor.shape, {}};
        const bool is_named_again = std::find(program_.outputs_.begin() + static_cast<int64_t>(i) + 1,
                                              program_.outputs_.end(), program_.outputs_[i]) != program_.outputs_.end();
        Block* block = slot.block == kForeign ? nullptr : &blocks_[static_cast<size_t>(slot.block)];
        if (block != nullptr && block->own.size() > 0 && block->num_slots == 1 && !is_named_again) {
            output.memory = std::move(block->own);
        } else {
            output.memory = AlignedBuffer<std::byte>(slot.tensor.nbytes());
            if (slot.tensor.nbytes() > 0) {
                std::memcpy(output.memory.data(), slot.tensor.data, static_cast<size_t>(slot.tensor.nbytes()));
            }
        }
        outputs.push_back(std::move(output));
    }
    return outputs;
}

const Tensor* Run::input(int i) const {
    if (i >= num_inputs()) return nullptr;
    const int slot = step_->inputs[static_cast<size_t>(i)];
    return slot == Program::kNoSlot ? nullptr : &slots_[static_cast<size_t>(slot)].tensor;
}

bool Run::has_output(int i) const {
    return i < num_outputs() && step_->outputs[static_cast<size_t>(i)] != Program::kNoSlot;
}

Run::Slot& Run::slot_of_output(int i) {
    return has_output(i) ? slots_[static_cast<size_t>(step_->outputs[static_cast<size_t>(i)])] : unread_;
}

Tensor& Run::output(int i, ElementType type, const Shape& shape) {
    const int64_t nbytes = checked_bytes(type, shape);
    const bool leaves =
        has_output(i) && program_.is_output_[static_cast<size_t>(step_->outputs[static_cast<size_t>(i)])];
    Slot& slot = slot_of_output(i);
    if (slot.block != kForeign) free_block(slot.block);  // a second output that nobody reads
    slot.block = new_block(nbytes, leaves);
    slot.tensor = {type, shape, blocks_[static_cast<size_t>(slot.block)].data};
    return slot.tensor;
}

Tensor& Run::output_over(int i, int input, ElementType type, const Shape& shape) {
    const int from = step_->inputs[static_cast<size_t>(input)];
    Slot& old = slots_[static_cast<size_t>(from)];
    const bool leaves =
        has_output(i) && program_.is_output_[static_cast<size_t>(step_->outputs[static_cast<size_t>(i)])];
    const bool is_last = std::find(last_uses_->begin(), last_uses_->end(), from) != last_uses_->end();
    if (!has_output(i) || leaves || !is_last || old.block == kForeign ||
        blocks_[static_cast<size_t>(old.block)].num_slots > 1 || checked_bytes(type, shape) != old.tensor.nbytes()) {
        return output(i, type, shape);
    }
    Slot& slot = slot_of_output(i);
    slot.block = old.block;
    ++blocks_[static_cast<size_t>(slot.block)].num_slots;
    slot.tensor = {type, shape, old.tensor.data};
    return slot.tensor;
}

void Run::output_is_input(int i, int input, const Shape& shape) {
    if (!has_output(i)) return;
    const Slot& old = slots_[static_cast<size_t>(step_->inputs[static_cast<size_t>(input)])];
    Slot& slot = slot_of_output(i);
    slot.tensor = {old.tensor.type, shape, old.tensor.data};
    slot.block = old.block;
    if (slot.block != kForeign) ++blocks_[static_cast<size_t>(slot.block)].num_slots;
}

int Run::new_block(int64_t nbytes, bool leaves) {
    Block block{nullptr, nbytes, 1, {}};
    if (leaves) {
        block.own = AlignedBuffer<std::byte>(std::max<int64_t>(1, nbytes));
        block.data = block.own.data();
    } else {
        block.data = arena_.take(nbytes);
    }
    if (free_blocks_.empty()) {
        blocks_.push_back(std::move(block));
        return static_cast<int>(blocks_.size()) - 1;
    }
    const int index = free_blocks_.back();
    free_blocks_.pop_back();
    blocks_[static_cast<size_t>(index)] = std::move(block);
    return index;
}

void Run::release(int slot) {
    const int index = slots_[static_cast<size_t>(slot)].block;
    if (index == kForeign) return;
    Block& block = blocks_[static_cast<size_t>(index)];
    if (--block.num_slots == 0) free_block(index);
}

void Run::free_block(int index) {
    const Block& block = blocks_[static_cast<size_t>(index)];
    if (block.own.size() == 0) arena_.give_back(block.data, block.nbytes);
    free_blocks_.push_back(index);
}

}  // namespace sparseinf
