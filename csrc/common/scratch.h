// Working memory of one call, kept for the next: big allocations would be mapped and cleared anew each time.
//
// A process-wide set of slots, taken and given back with one atomic exchange: no lock, so nothing that a fork could
// leave locked.
#pragma once

#include <cstdint>
#include <memory>

#include "common/aligned_buffer.h"

namespace sparseinf {

class Scratch {
public:
    explicit Scratch(int64_t bytes);  // throws std::bad_alloc
    ~Scratch();
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    std::byte* data() { return buffer_->data(); }

private:
    std::unique_ptr<AlignedBuffer<std::byte>> buffer_;
};

}  // namespace sparseinf
