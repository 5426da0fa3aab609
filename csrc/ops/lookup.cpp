#include "ops/lookup.h"

#include <cstdint>

#include "ops/feature_blocks.h"
#include "ops/run_groups.h"

namespace sparseinf {
namespace {

class LookupFloats {
public:
    using Feature = float;
    using Sum = float;
    static constexpr int64_t kMaxColumns = 16;

    LookupFloats(const LinearLayer& layer, const LinearCall& call) : layer_(layer), call_(call) {}

    const SpmmLookupKernel* kernels() const { return layer_.kernels.spmm_lookup; }
    int max_columns() const { return layer_.kernels.max_lookup_columns; }
    // Zen 4, us without prefetching / 16 / 64 ahead: 2048x2048 at 80 % (6 MB), four columns 210 / 178 / 178; 4096x4096
    // at 80 % from memory, four 1954 / 1018 / 974 (23 GB/s; memory gives 31). One column alone reads so fast that
    // prefetching takes its share of the time: 1024x1024 at 50 % (3 MB) in a row 34 / 42 / 39, 2048x2048 at 50 % (12
    // MB) in a row 146 / 170 / 157, but out of a cache that others use, too, 375 / 423 / 300. Into L1 was never better.
    static int64_t prefetch_ahead(int64_t count, int64_t pack_bytes) {
        return pack_bytes > int64_t{count == 1 ? 4 : 1} << 20 ? 64 : 0;
    }

    void read(int64_t first, int64_t count, float* memory, int64_t size, int64_t stride, int num_threads) {
        first_ = first;
        const FeatureBlocks layout{layer_.in_features, layer_.in_features, size};
        parallel_for(count, num_threads,
                     [&](int, int64_t n) { features_in_blocks(call_.x, first + n, layout, memory + n * stride); });
    }
    void finish(int32_t first_row, int32_t num_rows, const GroupSums<float>& sums) const {
        const RowPointers rows(call_, layer_, first_ + sums.first, sums.count, first_row);
        auto args = rows.arguments(call_, layer_, first_row);
        args.num_columns = 1;
        args.num_features = num_rows;
        for (int64_t n = 0; n < sums.count; ++n) {
            args.sums = {sums.data + n * sums.stride, nullptr};
            layer_.kernels.finish_vector(args);
            ++args.rows;
            if (args.residual_rows != nullptr) ++args.residual_rows;
        }
    }

private:
    const LinearLayer& layer_;
    const LinearCall& call_;
    int64_t first_ = 0;
};

}  // namespace

void run_on_groups(const LookupPack& pack, const LinearLayer& layer, const LinearCall& call) {
    LookupFloats format(layer, call);
    GroupRunner(format, pack).run(call);
}

}  // namespace sparseinf
