// int8 layers by lookups: a few columns of x at a time, for any number of them.
#include <cstdint>

#include "ops/int8_layers.h"
#include "ops/quantized_columns.h"
#include "ops/run_groups.h"

namespace sparseinf {
namespace {

class LookupInt8 {
public:
    using Feature = uint8_t;
    using Sum = int32_t;
    static constexpr int64_t kMaxColumns = QuantizedColumns::kMaxColumns;

    LookupInt8(const LookupInt8Pack& pack, const LinearLayer& layer, const LinearCall& call)
        : pack_(pack), layer_(layer), call_(call) {}

    const SpmmLookupInt8Kernel* kernels() const {
        return layer_.int8->kernels.spmm_lookup[pack_.window / kMaxLookupInt8Window];
    }
    int max_columns() const { return layer_.int8->kernels.max_lookup_columns; }

    // For one column and for several. Packs of more than 1 MB come from beyond the L2 cache.
    static int64_t prefetch_ahead(int64_t count, int64_t pack_bytes) {
        if (pack_bytes <= int64_t{1} << 20) return 0;
        return count == 1 ? 24 : 128;
    }

    void read(int64_t first, int64_t count, uint8_t* memory, int64_t size, int64_t, int num_threads) {
        x_ = QuantizedColumns(memory, size);
        x_.quantize(call_, layer_, first, count, num_threads);
    }
    void finish(int32_t first_row, int32_t num_rows, const GroupSums<int32_t>& sums) const {
        x_.finish(call_, layer_, sums.first, sums.count, pack_.row_sums.data(),
                  {sums.data, sums.stride, first_row, num_rows});
    }

private:
    const LookupInt8Pack& pack_;
    const LinearLayer& layer_;
    const LinearCall& call_;
    QuantizedColumns x_{nullptr, 0};
};

}  // namespace

void run_on_groups(const LookupInt8Pack& pack, const LinearLayer& layer, const LinearCall& call) {
    LookupInt8 format(pack, layer, call);
    GroupRunner(format, pack).run(call);
}

}  // namespace sparseinf
