// Runs lookups on groups of columns of x, any number of them: what float32 and int8 layers share.
#pragma once

#include <algorithm>
#include <cstdint>

#include "common/aligned_buffer.h"
#include "common/scratch.h"
#include "common/thread_pool.h"
#include "ops/feature_blocks.h"
#include "ops/linear_call.h"
#include "pack/lookup_pack.h"

namespace sparseinf {

// Sums of columns [first, first + count), those of a chunk's rows: [column][stride], readable for fifteen past the
// last.
template <class Sum>
struct GroupSums {
    Sum* data;
    int64_t stride;
    int64_t first;
    int64_t count;
};

// Format: the kernels of a precision, and how x and sums are turned into what these and y hold.
//
//   Feature, Sum, kMaxColumns           of x; of sums; columns of x that are held at a time
//   kernels(), max_columns()            the level's, by the number of columns - 1
//   prefetch_ahead(count, pack_bytes)   how far, in Steps; 0: not at all
//   read(first, count, memory, ..)      makes columns of x, each filled up with zeros to `size` features
//   finish(first_row, num_rows, sums)   makes parts of rows of y; columns count from the first that was read
template <class Format, class Streams>
class GroupRunner {
public:
    using Sum = typename Format::Sum;
    using Feature = typename Format::Feature;

    GroupRunner(Format& format, const Streams& pack) : format_(format), pack_(pack) {
        for (const auto& chunk : pack.chunks) most_sums_ = std::max(most_sums_, stride_of(chunk));
    }

    void run(const LinearCall& call) {
        const int num_threads = useful_threads(call.num_threads, pack_.num_nonzeros, call.num_columns);
        const int64_t num_chunks = static_cast<int64_t>(pack_.chunks.size());
        const int64_t most_columns = std::min(call.num_columns, Format::kMaxColumns);
        const int64_t x_bytes = most_columns * x_stride() * static_cast<int64_t>(sizeof(Feature));
        const int64_t sums_bytes = most_sums_ * format_.max_columns() * static_cast<int64_t>(sizeof(Sum));
        Scratch scratch(x_bytes + num_threads * sums_bytes);
        auto* x = reinterpret_cast<Feature*>(scratch.data());

        for (int64_t first = 0; first < call.num_columns; first += most_columns) {
            const int64_t count = std::min(most_columns, call.num_columns - first);
            format_.read(first, count, x, x_size(), x_stride(), num_threads);
            // Groups of nearly equal sizes; a unit of work is some of them on one chunk, which stays in the cache
            // meanwhile.
            const int64_t most = format_.max_columns(), num_groups = (count + most - 1) / most;
            const int64_t num_parts = std::min(num_groups, (2 * num_threads + num_chunks - 1) / num_chunks);
            parallel_for(num_parts * num_chunks, num_threads, [&](int slot, int64_t unit) {
                const int64_t part = unit / num_chunks;
                const auto& chunk = pack_.chunks[static_cast<size_t>(unit % num_chunks)];
                auto* sums = reinterpret_cast<Sum*>(scratch.data() + x_bytes + slot * sums_bytes);
                const int64_t end_group = num_groups * (part + 1) / num_parts;
                for (int64_t group = num_groups * part / num_parts; group < end_group; ++group) {
                    const int64_t begin = count * group / num_groups, end = count * (group + 1) / num_groups;
                    run_group(chunk, x, {sums, stride_of(chunk), begin, end - begin});
                }
            });
        }
    }

private:
    // The last window may reach this far.
    int64_t x_size() const { return pack_.num_columns + pack_.window; }
    int64_t x_stride() const {
        constexpr auto kBytes = static_cast<int64_t>(sizeof(Feature));
        return column_stride_bytes(x_size() * kBytes) / kBytes;
    }

    // The epilogue reads whole vectors.
    template <class Chunk>
    static int64_t stride_of(const Chunk& chunk) {
        return round_up(chunk.num_sums(), 16) + 16;
    }

    template <class Chunk>
    void run_group(const Chunk& chunk, const Feature* x, const GroupSums<Sum>& sums) const {
        const int64_t ahead = format_.prefetch_ahead(sums.count, pack_.steps.nbytes());
        format_.kernels()[sums.count - 1](
            {chunk.slices(), ahead, x + sums.first * x_stride(), x_stride(), sums.data, sums.stride});
        for (int64_t n = 0; n < sums.count; ++n) {
            Sum* column = sums.data + n * sums.stride;
            for (const PartialSum& part : chunk.partial_sums) column[part.row] += column[part.from];
        }
        format_.finish(chunk.first_row, chunk.num_rows, sums);
    }

    Format& format_;
    const Streams& pack_;
    int64_t most_sums_ = 0;
};

}  // namespace sparseinf
