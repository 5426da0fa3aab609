// int8 layers of 4x1 blocks on a few columns at a time, from panels of copies (int8_args.h).
#include <algorithm>
#include <array>

#include "common/aligned_buffer.h"
#include "common/scratch.h"
#include "common/thread_pool.h"
#include "ops/int8_layers.h"
#include "ops/panel_split.h"
#include "ops/quantized_columns.h"

namespace sparseinf {
namespace {

// Where things lie in the working memory of one call: T columns of x, first one after the other, then as quads, then
// as copies, and the sums of all chunks, each followed by room for the rows that fill up its last strip.
struct WorkingMemory {
    WorkingMemory(const BlockInt8Pack& pack, int64_t columns)
        : num_columns(columns),
          row_bytes(column_stride_bytes(pack.num_columns)),
          sums_bytes((round_up(pack.num_rows, 16) + 16 * static_cast<int64_t>(pack.chunks.size())) * columns * 4),
          scratch(6 * columns * row_bytes + sums_bytes) {}

    uint8_t* rows() { return bytes(); }
    uint8_t* quads() { return bytes() + num_columns * row_bytes; }
    uint8_t* copies() { return bytes() + 2 * num_columns * row_bytes; }
    float* sums(int64_t row) {
        return reinterpret_cast<float*>(bytes() + 6 * num_columns * row_bytes) + row * num_columns;
    }

    const int64_t num_columns;
    const int64_t row_bytes;

private:
    uint8_t* bytes() { return reinterpret_cast<uint8_t*>(scratch.data()); }

    const int64_t sums_bytes;
    Scratch scratch;
};

// Columns [first, first + count) of x as copies.
void copy_columns(const QuantizedColumns& x, const LinearLayer& layer, int64_t count, WorkingMemory& memory) {
    const Int8KernelTable& kernels = layer.int8->kernels;
    const int64_t num_quads = (layer.in_features + 3) / 4;
    if (memory.num_columns == 1) {
        kernels.copy_column(x.column(0), num_quads, memory.copies());
        return;
    }
    std::array<const char*, kCopiedColumns> rows{};
    for (int64_t n = 0; n < count; ++n) rows[static_cast<size_t>(n)] = reinterpret_cast<const char*>(x.column(n));
    const auto shape = PanelShape::of(kCopiedColumns, layer.kernels.vector_width);
    auto* quads = reinterpret_cast<float*>(memory.quads());
    layer.kernels.pack(
        {rows.data(), sizeof(float), static_cast<int32_t>(count), static_cast<int32_t>(num_quads), {quads, quads}},
        shape.num_wide, shape.has_half);
    kernels.copy_bytes(memory.quads(), num_quads, memory.copies());
}

}  // namespace

void run_on_few_columns(const BlockInt8Pack& pack, const LinearLayer& layer, const LinearCall& call) {
    const bool is_vector = call.num_columns == 1;
    const Int8KernelTable& kernels = layer.int8->kernels;
    const auto kernel = is_vector ? kernels.gemv_block_copies : kernels.spmm_block_copies;
    const auto shape = PanelShape::of(kCopiedColumns, layer.kernels.vector_width);
    const int64_t width = is_vector ? 1 : kCopiedColumns;
    const int num_threads = useful_threads(call.num_threads, pack.num_nonzeros, std::min(width, call.num_columns));
    WorkingMemory memory(pack, width);
    QuantizedColumns x(memory.rows(), round_up(pack.num_columns, 4));
    for (int64_t first = 0; first < call.num_columns; first += width) {
        const int64_t count = std::min(width, call.num_columns - first);
        x.quantize(call, layer, first, count, 1);
        copy_columns(x, layer, count, memory);
        parallel_for(static_cast<int64_t>(pack.chunks.size()), num_threads, [&](int, int64_t unit) {
            const BlockInt8Chunk& chunk = pack.chunks[static_cast<size_t>(unit)];
            float* sums = memory.sums(chunk.first_row + 16 * unit);
            int64_t column = 0;
            for (const BlockQuads& block : chunk.blocks) {
                kernel({block, memory.copies() + column * width * 4, reinterpret_cast<int32_t*>(sums), column > 0});
                column += pack.block_columns;
            }
            const Dequantization dequantization{x.scales(), x.zeros(), layer.int8->row_scales + chunk.first_row,
                                                pack.row_sums.data() + chunk.first_row};
            const RowPointers rows(call, layer, first, count, chunk.first_row);
            auto args = rows.arguments(call, layer, chunk.first_row);
            args.sums = {sums, sums};
            args.dequantization = &dequantization;
            args.num_columns = static_cast<int32_t>(count);
            args.num_features = chunk.num_rows;
            if (is_vector) {
                layer.kernels.finish_vector(args);
            } else {
                layer.kernels.unpack(args, shape.num_wide, shape.has_half);
            }
        });
    }
}

}  // namespace sparseinf
