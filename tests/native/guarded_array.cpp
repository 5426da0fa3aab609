#include "guarded_array.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstring>
#include <new>

namespace testing {

GuardedPages::GuardedPages(std::size_t bytes, Side side) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t inside = (bytes + page - 1) / page * page;
    mapping_bytes_ = inside + 2 * page;
    void* mapping = mmap(nullptr, mapping_bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) throw std::bad_alloc();
    mapping_ = static_cast<std::byte*>(mapping);
    if (inside > 0 && mprotect(mapping_ + page, inside, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    data_ = mapping_ + page + (side == Side::kEnd ? inside - bytes : 0);
    std::memset(data_, 0xff, bytes);
}

GuardedPages::~GuardedPages() { munmap(mapping_, mapping_bytes_); }

}  // namespace testing
