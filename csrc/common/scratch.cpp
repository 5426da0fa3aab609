#include "common/scratch.h"

#include <array>
#include <atomic>
#include <utility>

namespace sparseinf {
namespace {

using Buffer = AlignedBuffer<std::byte>;

// Larger ones are rare, and their users wait for memory anyway: they are freed.
constexpr int64_t kMaxKeptBytes = int64_t{64} << 20;

// More calls at once than slots is no error: the buffers beyond are freed.
constinit std::array<std::atomic<Buffer*>, 32> kept_buffers{};

}  // namespace

Scratch::Scratch(int64_t bytes) {
    for (auto& slot : kept_buffers) {
        if (slot.load(std::memory_order_relaxed) == nullptr) continue;
        buffer_.reset(slot.exchange(nullptr, std::memory_order_acquire));
        if (buffer_ != nullptr) break;
    }
    if (buffer_ != nullptr && buffer_->size() >= bytes) return;
    buffer_.reset();  // too small: freed before the larger one is made
    buffer_ = std::make_unique<Buffer>(bytes);
}

Scratch::~Scratch() {
    if (buffer_->size() > kMaxKeptBytes) return;
    for (auto& slot : kept_buffers) {
        Buffer* expected = nullptr;
        if (slot.compare_exchange_strong(expected, buffer_.get(), std::memory_order_release,
                                         std::memory_order_relaxed)) {
            static_cast<void>(buffer_.release());
            return;
        }
    }
}

}  // namespace sparseinf
